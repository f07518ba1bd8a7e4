"""Text messages by Twilio."""

from domain.messages import Channel
from domain.outbox import Content, Pending, Receipt
from notify.channels.twilio_client import LOOK_UP_AFTER_S, PROVIDER, TIMEOUT_S, TwilioAccount, TwilioClient


class TwilioSms:
    """The SMS channel."""

    channel = Channel.SMS
    provider = PROVIDER
    look_up_after_s = LOOK_UP_AFTER_S
    authoritative = True
    repeatable = False

    def __init__(self, account: TwilioAccount, *, status_callback: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """`status_callback`: our public address for receipts."""
        self._twilio = TwilioClient(account, status_callback=status_callback, timeout_s=timeout_s)
        self.sender, self.patience_s, self.close = self._twilio.sender, self._twilio.patience_s, self._twilio.close

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        return self._twilio.write(
            address, reference=reference, origin=content.origin, body=content.text, smart_encoded=False
        )

    def look_up(self, pending: Pending) -> Receipt | None:
        # The text holds our signed link, so no other message reads like it.
        return self._twilio.written(pending.address, pending, lines=(pending.body,))

    def fetch(self, provider_id: str) -> Receipt:
        """What became of anything that Twilio took, be it a text or a call. Raises DeliveryError."""
        return self._twilio.fetch(provider_id)
