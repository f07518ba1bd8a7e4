"""Web push to a person's browser: encrypted for it alone (RFC 8291), signed by our VAPID key (RFC 8292).

A repeat shows nothing twice: `Topic` (RFC 8030 section 5.4) replaces what still waits, and the page's worker shows one
notification a message.
"""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid, VapidException
from pywebpush import WebPushException, webpush
from requests import Response, Session
from requests.exceptions import RequestException

from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.posting import failure_of, refusal_of

TIMEOUT_S = 8.0
TTL_S = 1800
"""A browser that is not there within this time is not told any more: what is true may have changed."""


@dataclass(frozen=True, slots=True)
class PushIdentity:
    """Who pushes: a P-256 private key (base64url), and whom a push service may write to (mailto: or https:)."""

    private_key: str
    subject: str


def new_private_key() -> str:
    """A fresh P-256 private key, base64url of its 32 bytes."""
    vapid = Vapid()
    vapid.generate_keys()
    return _base64url(vapid.private_key.private_numbers().private_value.to_bytes(32, "big"))


def public_key(private_key: str) -> str:
    """What a browser subscribes with (`applicationServerKey`): the uncompressed point, base64url."""
    public = Vapid.from_string(private_key).public_key
    return _base64url(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


class WebPush:
    """The address is a browser's subscription, as its `PushSubscription.toJSON()` gives it."""

    channel = Channel.PUSH
    provider = "web-push"
    look_up_after_s: tuple[float, ...] = ()
    authoritative = False
    repeatable = True

    def __init__(self, identity: PushIdentity, *, timeout_s: float = TIMEOUT_S) -> None:
        self._vapid, self._subject = Vapid.from_string(identity.private_key), identity.subject
        self.sender = identity.subject
        self._timeout_s, self.patience_s = timeout_s, 2 * timeout_s + 2

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        subscription = _subscription(address)
        payload = {"id": reference, "title": content.subject, "body": content.text, "link": content.link}
        # Base64url without padding, 32 characters at most.
        headers: dict[str, str | int | float] = {
            "Urgency": "high",
            "Topic": sha256(reference.encode()).hexdigest()[:32],
        }
        try:
            answer = webpush(
                subscription,
                json.dumps(payload, ensure_ascii=False),
                vapid_private_key=self._vapid,
                vapid_claims={"sub": self._subject},
                ttl=TTL_S,
                headers=headers,
                timeout=self._timeout_s,
                requests_session=_Direct(),
            )
        except WebPushException as exc:
            if exc.response is None:
                raise DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail=exc.message) from exc
            raise refusal_of(exc.response) from exc
        except RequestException as exc:
            raise failure_of(exc) from exc
        except (VapidException, ValueError) as exc:
            raise DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail="no key fits this subscription") from exc
        location = "" if isinstance(answer, str) else answer.headers.get("Location", "")
        return Receipt(provider_id=location or f"push-{reference}", state=MessageState.ACCEPTED)

    def look_up(self, pending: Pending) -> Receipt | None:  # noqa: ARG002
        """A push service cannot be asked."""
        return None


class _Direct(Session):
    """Follows no redirect: it could lead what is meant for a push service to somebody else."""

    def post(self, url: Any, data: Any = None, json: Any = None, **rest: Any) -> Response:
        return super().post(url, data=data, json=json, allow_redirects=False, **rest)


def _subscription(address: str) -> dict[str, object]:
    try:
        told = json.loads(address)
        if not str(told["endpoint"]).startswith(("https://", "http://127.0.0.1")) or not told["keys"]:
            raise ValueError(address)
    except (ValueError, KeyError, TypeError) as exc:
        raise DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail="this is no push subscription") from exc
    return {"endpoint": told["endpoint"], "keys": told["keys"]}
