"""One click less: a person refuses by e-mail what one mail was for, and may take it back. Both stand in the ledger."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain.messages import Channel, Purpose, RecipientKind
from store import consent, people, timeline
from store.tables import Message

_REASONS = {False: "unsubscribed from these e-mails", True: "wants these e-mails after all"}


def refused_by(session: Session, message: Message) -> str | None:
    """The source of the word that refuses what this mail was for; None while it is wanted."""
    person = people.customer(session, message.recipient_id)
    return person.refused.get((Channel.EMAIL, Purpose(message.purpose)))


def may_refuse(message: Message) -> bool:
    """Danger is not refused by a click, and who works here does not subscribe."""
    return message.recipient_kind == RecipientKind.CUSTOMER and message.purpose != Purpose.SAFETY


def refuse(session: Session, message: Message, *, evidence: str, now: datetime) -> None:
    """No more mails of that purpose; said twice it counts once."""
    if may_refuse(message) and refused_by(session, message) is None:
        _record(session, message, granted=False, evidence=evidence, now=now)


def take_back(session: Session, message: Message, *, evidence: str, now: datetime) -> None:
    """Mails of that purpose again. Only undoes a click: a STOP, or an address that is dead, stands."""
    if refused_by(session, message) == consent.Source.UNSUBSCRIBE:
        _record(session, message, granted=True, evidence=evidence, now=now)


def _record(session: Session, message: Message, *, granted: bool, evidence: str, now: datetime) -> None:
    if message.ticket_id is not None:
        kind, who = ("opted_in" if granted else "opted_out"), f"customer:{message.recipient_id}"
        note = {"channels": [Channel.EMAIL], "purposes": [message.purpose], "reason": _REASONS[granted]}
        timeline.note(session, message.ticket_id, kind, at=now, actor=who, **note)
    consent.record(
        session,
        RecipientKind.CUSTOMER,
        message.recipient_id,
        channels=[Channel.EMAIL],
        purposes=[Purpose(message.purpose)],
        granted=granted,
        source=consent.Source.UNSUBSCRIBE,
        actor=f"customer:{message.recipient_id}",
        evidence=f"{evidence}, about message {message.id}",
        now=now,
    )
