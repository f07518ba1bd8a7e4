"""WhatsApp by Twilio: free text for a day after the person last wrote to us there, an approved template after that."""

from dataclasses import replace
from datetime import timedelta

from domain.clock import Clock
from domain.errors import DeliveryError
from domain.messages import Channel, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.twilio_client import LOOK_UP_AFTER_S, PROVIDER, TIMEOUT_S, TwilioAccount, TwilioClient
from notify.channels.whatsapp_templates import Templates

WINDOW = timedelta(hours=24)
"""https://www.twilio.com/docs/whatsapp/key-concepts#the-customer-service-window"""
_MARGIN = timedelta(minutes=10)
"""What is sent at its very end may arrive after it."""
PREFIX = "whatsapp:"


class TwilioWhatsapp:
    """The WhatsApp channel; `account.sender` is a number."""

    channel = Channel.WHATSAPP
    provider = PROVIDER
    look_up_after_s = LOOK_UP_AFTER_S
    authoritative = True
    repeatable = False

    def __init__(
        self,
        account: TwilioAccount,
        clock: Clock,
        *,
        templates: Templates,
        status_callback: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`status_callback`: our public address for receipts."""
        sender = replace(account, sender=PREFIX + account.sender.removeprefix(PREFIX))
        self._twilio = TwilioClient(sender, status_callback=status_callback, timeout_s=timeout_s)
        self._clock, self._templates = clock, templates
        self.sender, self.patience_s, self.close = self._twilio.sender, self._twilio.patience_s, self._twilio.close

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        return self._twilio.write(f"{PREFIX}{address}", reference=reference, **self._words(content))

    def look_up(self, pending: Pending) -> Receipt | None:
        # A template's text is not ours, but it holds our link.
        lines = (pending.body, pending.brief.link)
        return self._twilio.written(f"{PREFIX}{pending.address}", pending, lines=lines)

    def _words(self, content: Content) -> dict[str, str]:
        heard = content.last_inbound
        if heard is not None and self._clock.now() - heard < WINDOW - _MARGIN:
            return {"body": content.text}
        name = f"{content.moment}.{content.language}"
        template = self._templates.get(name)
        if template is None:
            detail = f"the person has not written for a day, and there is no approved template {name}"
            raise DeliveryError(Refusal.NEEDS_TEMPLATE, retry=Retry.NEVER, detail=detail)
        return {"content_sid": template.sid, "content_variables": template.variables(content.facts)}
