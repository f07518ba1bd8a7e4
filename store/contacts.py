"""Whom a device concerns: its owner and other contacts, and what each is told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from domain.messages import Purpose, RecipientKind
from domain.people import EVERYTHING, OWNER, TELLS, TELLS_OTHERS
from store.ownership import disowned
from store.tables import Customer, Device, Message, Ticket


@dataclass(frozen=True, slots=True)
class Contact:
    """One person whom a device concerns."""

    customer_id: str
    role: str
    tells: frozenset[Purpose]


def contacts_of(device: Device | None, *, owner_id: str | None) -> list[Contact]:
    """The owner first, then the others in the manifest's order; nobody twice."""
    found = {owner_id: Contact(owner_id, OWNER, EVERYTHING)} if owner_id else {}
    for said in device.contacts if device else ():
        role, tells = said.get("role") or "contact", said.get("tells")
        told = TELLS.get(role, TELLS_OTHERS) if tells is None else frozenset(Purpose(name) for name in tells)
        found.setdefault(said["customer"], Contact(said["customer"], role, told))
    return list(found.values())


def told_of(
    session: Session, device: Device | None, purpose: Purpose, *, owner_id: str | None, now: datetime
) -> list[str]:
    """Who is told of `purpose`; while all of them are away, everybody else whom the device concerns as well."""
    everybody = contacts_of(device, owner_id=owner_id)
    told = [contact.customer_id for contact in everybody if purpose in contact.tells]
    if len(told) < len(everybody) and all(_is_away(session, one, now=now) for one in told):
        return [contact.customer_id for contact in everybody]
    return told


def role_of(device: Device | None, customer_id: str, *, owner_id: str | None) -> str:
    """What a person is to a device; "contact" for one who is nothing to it any more."""
    found = (one.role for one in contacts_of(device, owner_id=owner_id) if one.customer_id == customer_id)
    return next(found, "contact")


def devices_of(session: Session, customer_id: str) -> Sequence[Device]:
    """What concerns a person, as owner or otherwise, without what they said is not theirs."""
    not_theirs = disowned(session, customer_id)
    return [device for device in _named(session, customer_id) if device.id not in not_theirs]


def disowned_of(session: Session, customer_id: str) -> Sequence[Device]:
    """What is still ours to put right: it names a person who said that it is not theirs."""
    not_theirs = disowned(session, customer_id)
    return [device for device in _named(session, customer_id) if device.id in not_theirs]


def _named(session: Session, customer_id: str) -> Sequence[Device]:
    # The text of a JSON list is not searched by an index: for a page, not for the flow.
    named = cast(Device.contacts, String).contains(f'"{customer_id}"', autoescape=True)
    rows = session.scalars(select(Device).where(or_(Device.customer_id == customer_id, named)).order_by(Device.id))
    return [
        row
        for row in rows
        if row.customer_id == customer_id or any(one["customer"] == customer_id for one in row.contacts)
    ]


def others_have_its_link(session: Session, ticket: Ticket) -> bool:
    """Whether others than the owner were told of it: all get the same link, so its page decides nothing personal."""
    query = select(Message.id).where(
        Message.ticket_id == ticket.id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id != ticket.customer_id,
    )
    return session.scalar(query.limit(1)) is not None


def _is_away(session: Session, customer_id: str, *, now: datetime) -> bool:
    row = session.get(Customer, customer_id)
    return row is not None and row.away_until is not None and row.away_until > now
