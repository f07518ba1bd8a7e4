"""What people write to us, whatever way it came: kept once, understood, and given to the ticket it is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.messages import Channel, RecipientKind, ReplyIntent
from domain.tickets import Effect
from notify.replies import understand
from store import events
from store.tables import Customer, Inbound, Message, Technician
from store.upsert import insert_once
from tickets import service

Person = Customer | Technician


def receive(
    session: Session,
    *,
    channel: Channel | Literal["web"],
    text: str,
    provider_id: str,
    now: datetime,
    address: str = "",
    person: Person | None = None,
    ticket_id: int | None = None,
    intent: ReplyIntent | None = None,
) -> Sequence[Effect]:
    """Take one message in; the same `provider_id` twice counts once. The person is named, or found by `address`;
    `intent` is given where a button said it.

    A customer's words go to their ticket (`ticket_id`, or the one they are likely to mean). What a stranger, a
    technician or a machine writes is kept and shown, and moves nothing.
    """
    who = person or (find_person(session, channel, address) if channel != "web" else None)
    intent = intent or understand(text, language=who.language if who else "en")
    heard: dict[str, Any] = {
        "channel": channel,
        "address": address or _address(who, channel),
        "intent": intent,
        "body": text,
    }
    kind, key = _kind(who), who.id if who else None
    heard |= {"recipient_kind": kind, "recipient_id": key, "ticket_id": ticket_id, "at": now}
    inbound_id = insert_once(session, Inbound, provider_id=provider_id, **heard)
    if inbound_id is None:
        return []
    told = {"inbound_id": inbound_id, "channel": channel, "sender_kind": kind}
    if not isinstance(who, Customer) or intent is ReplyIntent.AUTOMATIC:
        events.publish(session, "inbound.received", at=now, **told)
        return []
    about, effects = service.on_reply(
        session,
        customer_id=who.id,
        ticket_id=ticket_id,
        intent=intent,
        text=text,
        channel=channel,
        inbound_id=inbound_id,
        now=now,
    )
    session.get_one(Inbound, inbound_id).ticket_id = about
    events.publish(session, "inbound.received", at=now, **told, ticket_id=about)
    return effects


def find_person(session: Session, channel: Channel, address: str) -> Person | None:
    """Whose address it is; of several, the one whom we wrote to last."""
    address = address.strip()
    if not address:
        return None
    if channel is Channel.EMAIL:
        lowered = address.lower()
        customers = session.scalars(select(Customer).where(func.lower(Customer.email) == lowered)).all()
        technicians = session.scalars(select(Technician).where(func.lower(Technician.email) == lowered)).all()
    else:
        customers = session.scalars(select(Customer).where(Customer.phone == address)).all()
        technicians = session.scalars(select(Technician).where(Technician.phone == address)).all()
    people: list[Person] = [*customers, *technicians]
    return max(people, key=lambda one: _last_written(session, one), default=None)


def _last_written(session: Session, who: Person) -> int:
    query = select(func.max(Message.id)).where(Message.recipient_kind == _kind(who), Message.recipient_id == who.id)
    return session.scalar(query) or 0


def _kind(who: Person | None) -> RecipientKind | None:
    if who is None:
        return None
    return RecipientKind.CUSTOMER if isinstance(who, Customer) else RecipientKind.TECHNICIAN


def _address(who: Person | None, channel: str) -> str:
    if who is None or channel == "web":
        return ""
    return (who.email if channel is Channel.EMAIL else who.phone) or ""
