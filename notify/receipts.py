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
    "initiated": MessageState.ACCEPTED,
    "ringing": MessageState.SENT,
    "in-progress": MessageState.SENT,
    "completed": MessageState.DELIVERED,
    "busy": MessageState.UNDELIVERED,
    "no-answer": MessageState.UNDELIVERED,
}
"""Of messages (https://www.twilio.com/docs/messaging/api/message-resource#message-status-values) and of calls
(https://www.twilio.com/docs/voice/api/call-resource#call-status-values). `sent` is not `delivered`, and a call is
delivered once it was answered and has ended.
"""

TWILIO_REFUSALS = {
    "21610": Refusal.OPTED_OUT,
    "30001": Refusal.RATE_LIMITED,
    "30003": Refusal.UNREACHABLE,
    "30005": Refusal.BAD_ADDRESS,
    "30006": Refusal.BAD_ADDRESS,
    "30007": Refusal.MISCONFIGURED,
    "30008": Refusal.UNREACHABLE,
    "30034": Refusal.MISCONFIGURED,
    "30036": Refusal.EXPIRED,
    "63003": Refusal.BAD_ADDRESS,
    "63014": Refusal.OPTED_OUT,
    "63016": Refusal.NEEDS_TEMPLATE,
    "63024": Refusal.BAD_ADDRESS,
}
"""Why what Twilio took did not arrive: a STOP that the carrier knows of; a full queue; a phone switched off; an unknown
number; a landline; our texts filtered; nobody knows why; our sender not registered; too long in a queue; nobody on
WhatsApp; blocked there by the person; free text outside the 24 h window; a number that WhatsApp does not know.
https://www.twilio.com/docs/api/errors
"""

_NO_SUCH_NUMBER = {"404", "410", "484", "604"}
"""SIP answers (RFC 3261, section 21) to a call of a number that will never do."""
_CALL_WORDS = {
    "busy": "the line was busy",
    "no-answer": "nobody answered",
    "canceled": "the call was called off",
    "failed": "the call could not be put through",
}


def receipt_of(fields: Mapping[str, str]) -> Receipt | None:
    """The receipt in a Twilio status callback; None for a status that means nothing to us."""
    if "CallSid" in fields:
        return _receipt_of_call(fields)
    state = TWILIO_STATES.get((fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower())
    provider_id = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if state is None or not provider_id:
        return None
    code = fields.get("ErrorCode") or ""
    detail = f"the carrier says {code}" if code else ""
    return Receipt(provider_id, state, code=code, detail=detail, refusal=TWILIO_REFUSALS.get(code))


def _receipt_of_call(fields: Mapping[str, str]) -> Receipt | None:
    status, answered_by = fields.get("CallStatus", "").lower(), fields.get("AnsweredBy", "")
    state = TWILIO_STATES.get(status)
    if state is None or not fields["CallSid"]:
        return None
    if state is MessageState.DELIVERED:
        if answered_by == "fax":
            return Receipt(fields["CallSid"], MessageState.UNDELIVERED, code="fax", detail="a fax machine answered")
        machine = answered_by.startswith("machine")
        detail = "an answering machine took it" if machine else ""
        return Receipt(fields["CallSid"], state, code="machine" if machine else "", detail=detail)
    sip = fields.get("SipResponseCode", "")
    refusal = Refusal.BAD_ADDRESS if status == "failed" and sip in _NO_SUCH_NUMBER else None
    code = sip if status == "failed" and sip else status if status in _CALL_WORDS else ""
    return Receipt(fields["CallSid"], state, code=code, detail=_CALL_WORDS.get(status, ""), refusal=refusal)
