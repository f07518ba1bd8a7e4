"""People at rest become recipients: who a message is for, and the wishes it must honour, as they are now."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from domain.messages import Channel, Purpose, RecipientKind
from domain.people import QuietHours, Recipient
from store import consent
from store.tables import Customer, Device, Technician


def customer(session: Session, customer_id: str, *, device: Device | None = None) -> Recipient:
    """The customer; without a time zone of their own, the device's. A deleted one has no address left."""
    row = session.get(Customer, customer_id)
    if row is None:
        return _gone(RecipientKind.CUSTOMER, customer_id)
    person = Recipient(
        kind=RecipientKind.CUSTOMER,
        id=row.id,
        name=row.name,
        language=row.language,
        phone=row.phone,
        email=row.email,
        push=row.push,
        webhook=row.webhook,
        postal="\n".join([row.name, *row.postal]) if row.postal else None,
        channels=tuple(_channels(row.channels)),
        timezone=_zone(row.timezone, device.timezone if device else None),
        quiet_hours=_quiet_hours(row),
    )
    return _with_wishes(session, person)


def wanted_channels(session: Session, row: Customer) -> list[str]:
    """The customer's channels without those on which they want no news of their products."""
    person = customer(session, row.id)
    return [channel for channel in person.channels if not person.refuses(channel, Purpose.SERVICE)]


def technician(session: Session, technician_id: str) -> Recipient:
    """The technician. A deleted one has no address left."""
    row = session.get(Technician, technician_id)
    if row is None:
        return _gone(RecipientKind.TECHNICIAN, technician_id)
    person = Recipient(
        kind=RecipientKind.TECHNICIAN,
        id=row.id,
        name=row.name,
        language=row.language,
        phone=row.phone,
        email=row.email,
        timezone=_zone(row.timezone),
    )
    return _with_wishes(session, person)


def _with_wishes(session: Session, person: Recipient) -> Recipient:
    addresses = {channel: person.address(channel) for channel in Channel}
    return replace(person, refused=consent.refused(session, person.kind, person.id, addresses=addresses))


def _gone(kind: RecipientKind, person_id: str) -> Recipient:
    return Recipient(kind=kind, id=person_id, name="", channels=())


def _channels(names: Iterable[str]) -> Iterable[Channel]:
    known = set(Channel)
    return (Channel(name) for name in names if name in known)


def _quiet_hours(row: Customer) -> QuietHours | None:
    if row.quiet_from is None or row.quiet_to is None:
        return None
    return QuietHours(start=time.fromisoformat(row.quiet_from), end=time.fromisoformat(row.quiet_to))


def _zone(*names: str | None) -> str:
    """The first that exists: a zone nobody knows must not keep a message from going out."""
    for name in filter(None, names):
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return "UTC"
