"""What a caller asks for goes to their ticket once; and who was promised a person gets one, whatever happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.inbound import receive
from api.senders import Person, find_person
from domain.messages import Channel, MessageStage, RecipientKind, ReplyIntent
from domain.tickets import Announce, Effect
from store import due
from store.tables import Customer, Due, Inbound, Message, Technician
from tickets import service

CALL_BACK = "call_back"
"""Kind of appointment: who was being put through to a person is called back if we never hear how that went."""
NO_WORD = timedelta(minutes=30)
"""We hear of it when the talk is over, so it is given time."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a call."""

    sid: str
    """Names the call."""
    number: str
    """E.164, as far as it can be seen."""
    person: Person | None
    message: Message | None
    """What it was that we called about."""


def caller_of(session: Session, sid: str, *, number: str, message_id: int | None) -> Caller:
    """The person is the one whom the message is for, or else whose number it is."""
    message = session.get(Message, message_id) if message_id is not None else None
    if message is None:
        person = find_person(session, Channel.VOICE, number)
    elif message.recipient_kind == RecipientKind.CUSTOMER:
        person = session.get(Customer, message.recipient_id)
    else:
        person = session.get(Technician, message.recipient_id)
    return Caller(sid, number, person, message)


def hears(session: Session, caller: Caller, intent: ReplyIntent, *, key: str = "", now: datetime) -> Sequence[Effect]:
    """What was pressed goes the way of every answer, once for each call and key."""
    return receive(
        session,
        channel=Channel.VOICE,
        text=key,
        provider_id=f"{caller.sid}-{key}" if key else caller.sid,
        address=caller.number,
        person=caller.person,
        ticket_id=caller.message.ticket_id if caller.message else None,
        intent=intent,
        now=now,
    )


def call_wanted(session: Session, caller: Caller, *, now: datetime) -> Sequence[Effect]:
    """Somebody is told to call, once a call. A customer's own ticket says it; for others the desk is told apart."""
    asked = select(Inbound.id).where(Inbound.provider_id == f"{caller.sid}-9")
    if session.scalar(asked) is not None:
        return []
    effects = hears(session, caller, ReplyIntent.CALL_ME, key="9", now=now)
    if isinstance(caller.person, Customer):
        return effects
    about = caller.message.ticket_id if caller.message else None
    if about is None:
        return [*effects, *service.on_stranger(session, number=caller.number, reference=caller.sid, now=now)]
    who = {"caller": caller.number, "caller_name": caller.person.name if caller.person else ""}
    return [*effects, Announce(about, MessageStage.CALL_WANTED, caller.sid, who)]


def putting_through(session: Session, caller: Caller, *, now: datetime) -> None:
    """From now on we owe them a person."""
    message_id = caller.message.id if caller.message else None
    due.schedule(session, CALL_BACK, caller.sid, at=now + NO_WORD, number=caller.number, message=message_id)


def put_through(session: Session, caller: Caller) -> None:
    """We have heard how it went."""
    due.cancel(session, CALL_BACK, caller.sid)


def on_due(session: Session, row: Due, *, now: datetime) -> Sequence[Effect]:
    """Nobody told us how it went: they are called back."""
    caller = caller_of(session, row.ref, number=str(row.detail["number"]), message_id=row.detail["message"])
    return call_wanted(session, caller, now=now)
