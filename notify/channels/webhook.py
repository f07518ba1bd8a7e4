"""Signed webhooks for connectors (chat, social): one POST a message, as https://www.standardwebhooks.com has it.

`webhook-id` is the message's reference and stays the same when it is posted again, so a receiver that follows the
standard takes it once.
"""

import json
from datetime import UTC, datetime

import requests
from requests.exceptions import RequestException
from standardwebhooks import Webhook

from domain.clock import Clock
from domain.messages import Channel, MessageState
from domain.outbox import Content, Pending, Receipt
from notify.channels.posting import failure_of, refusal_of

TIMEOUT_S = 10.0
"""For connecting, and again for each read; Standard Webhooks asks receivers to answer within 15 to 30 s."""
EVENT = "message.created"


class SignedWebhook:
    """Posts to the connector's URL, which is the person's address on this channel."""

    channel = Channel.WEBHOOK
    provider = "webhook"
    sender = ""
    look_up_after_s: tuple[float, ...] = ()
    authoritative = False
    repeatable = True

    def __init__(self, secret: str, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        """`secret`: base64, with or without `whsec_`. Raises ValueError for any other."""
        self._webhook, self._clock, self._timeout_s = Webhook(secret), clock, timeout_s
        self.patience_s = 2 * timeout_s + 2

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        # What the receiver's window for replays looks at is real time, not the day that we may simulate.
        at = datetime.now(UTC)
        body = json.dumps(self._body(content, reference=reference), ensure_ascii=False)
        headers = {
            "content-type": "application/json",
            "webhook-id": reference,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(reference, at, body),
        }
        try:
            # A redirect could lead a signed message to somebody else.
            answer = requests.post(
                address, data=body.encode(), headers=headers, timeout=self._timeout_s, allow_redirects=False
            )
        except RequestException as exc:
            raise failure_of(exc) from exc
        if not 200 <= answer.status_code < 300:
            raise refusal_of(answer)
        return Receipt(provider_id=f"webhook-{reference}", state=MessageState.ACCEPTED)

    def look_up(self, pending: Pending) -> Receipt | None:  # noqa: ARG002
        """A connector cannot be asked."""
        return None

    def _body(self, content: Content, *, reference: str) -> dict[str, object]:
        data = {"id": reference, "subject": content.subject, "text": content.text, "link": content.link}
        return {"type": EVENT, "timestamp": self._clock.now().isoformat(), "data": data}
