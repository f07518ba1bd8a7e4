"""Somebody whom nobody here knows wants to be called: a ticket of their own, so that the promise is kept."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.messages import Channel, MessageStage, ReplyIntent
from domain.tickets import Announce, Effect, TicketCause, TicketState
from store import timeline
from tickets.lifecycle import open_new, open_with_key, shift

_TITLE = {"en": "A caller asks to be called back", "fr": "Quelqu'un demande à être rappelé"}


def on_stranger(session: Session, *, number: str, reference: str, now: datetime) -> list[Effect]:
    """`number` (E.164) is to be called; the same `reference` again changes nothing. One ticket a number at a time."""
    family = f"caller:{number}"
    ticket = open_with_key(session, "", family) or open_new(
        session,
        device_id="",
        family=family,
        customer_id=None,
        cause=TicketCause.CUSTOMER,
        severity=Severity.MINOR,
        title=_TITLE,
        onset=now,
        actor="caller",
        now=now,
        first_contact_at=now,
    )
    detail = {"intent": ReplyIntent.CALL_ME, "text": number, "channel": Channel.VOICE, "reference": reference}
    timeline.note(session, ticket.id, "reply", at=now, actor="caller", **detail)
    shift(session, ticket, TicketState.PENDING_AGENT, actor="caller", now=now, reason="a call was asked for")
    return [Announce(ticket.id, MessageStage.CALL_WANTED, reference, {"caller": number})]
