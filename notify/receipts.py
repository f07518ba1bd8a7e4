"""What a provider reports later, in our words. Pure; `store.receipts.receipt` keeps what comes out."""

from collections.abc import Mapping

from domain.messages import MessageState, Refusal
from domain.outbox import Receipt

TWILIO_STATES = {
    "accepted": MessageState.ACCEPTED,
    "scheduled": MessageState.ACCEPTED,
    "queued": MessageState.ACCEPTED,
    "sending": MessageState.ACCEPTED,
    "sent": MessageState.SENT,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.DELIVERED,
    "undelivered": MessageState.UNDELIVERED,
    "failed": MessageState.FAILED,
    "canceled": MessageState.FAILED,
}
"""https://www.twilio.com/docs/messaging/api/message-resource#message-status-values; `sent` is not `delivered`."""

_ADDRESS_REFUSED = {"30005": Refusal.BAD_ADDRESS, "30006": Refusal.BAD_ADDRESS, "21610": Refusal.OPTED_OUT}
"""An unknown number, a landline, and a carrier that knows of a STOP."""


def receipt_of(fields: Mapping[str, str]) -> Receipt | None:
    """The receipt in a Twilio status callback; None for a status or a call that means nothing to us."""
    state = TWILIO_STATES.get((fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower())
    provider_id = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if state is None or not provider_id:
        return None
    code = fields.get("ErrorCode") or ""
    detail = f"the carrier says {code}" if code else ""
    return Receipt(provider_id, state, code=code, detail=detail, refusal=_ADDRESS_REFUSED.get(code))
