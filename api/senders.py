"""Who writes to us: people by their addresses, and machines by how they write."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.messages import Channel, RecipientKind
from notify.loops import WITHIN, Heard, loop
from store.tables import Customer, Inbound, Message, Technician

Person = Customer | Technician

_LAST_OF_OURS = 5


def find_person(session: Session, channel: Channel, address: str) -> Person | None:
    """Whose address it is; of several, the one whom we wrote to last."""
    return max(at_address(session, channel, address), key=lambda one: _last_written(session, one), default=None)


def at_address(session: Session, channel: str, address: str) -> Sequence[Person]:
    """Everybody whom `channel` reaches there."""
    address = address.strip()
    if not address:
        return []
    if channel == Channel.EMAIL:
        lowered = address.lower()
        return [
            *session.scalars(select(Customer).where(func.lower(Customer.email) == lowered)),
            *session.scalars(select(Technician).where(func.lower(Technician.email) == lowered)),
        ]
    return [
        *session.scalars(select(Customer).where(Customer.phone == address)),
        *session.scalars(select(Technician).where(Technician.phone == address)),
    ]


def kind_of(who: Person | None) -> RecipientKind | None:
    """A customer or a technician; None for a stranger."""
    if who is None:
        return None
    return RecipientKind.CUSTOMER if isinstance(who, Customer) else RecipientKind.TECHNICIAN


def address_of(who: Person | None, channel: str) -> str:
    """Where this person is on that channel; empty for a page."""
    if who is None or channel == "web":
        return ""
    return (who.email if channel == Channel.EMAIL else who.phone) or ""


def looping(session: Session, heard: Inbound, *, now: datetime) -> str:
    """Why this sender looks like a machine; empty if it does not."""
    same = (Inbound.recipient_kind == heard.recipient_kind) & (Inbound.recipient_id == heard.recipient_id)
    earlier = select(Inbound.at, Inbound.body).where(
        same, Inbound.id != heard.id, Inbound.channel == heard.channel, Inbound.at >= now - WITHIN
    )
    before = [Heard(at, body) for at, body in session.execute(earlier)]
    ours = select(Message.body).where(
        Message.recipient_kind == heard.recipient_kind,
        Message.recipient_id == heard.recipient_id,
        Message.body.is_not(None),
    )
    last = session.scalars(ours.order_by(Message.id.desc()).limit(_LAST_OF_OURS)).all()
    return loop(heard.body, before=before, ours=[body for body in last if body], now=now)


def _last_written(session: Session, who: Person) -> int:
    query = select(func.max(Message.id)).where(Message.recipient_kind == kind_of(who), Message.recipient_id == who.id)
    return session.scalar(query) or 0
