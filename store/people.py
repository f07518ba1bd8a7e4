"""People at rest become recipients: who a message is for, and the wishes it must honour, as they are now."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
import phonenumbers
from phonenumbers.timezone import time_zones_for_number
from sqlalchemy.orm import Session

from domain.hours import QuietHours
from domain.messages import Channel, Purpose, RecipientKind
from domain.people import Recipient
from store import consent
from store.tables import Customer, Device, Maker, Technician

CALENDAR = range(2020, 2051)
"""Years whose public holidays are known."""


def customer(
    session: Session, customer_id: str, *, device: Device | None = None, maker: Maker | None = None
) -> Recipient:
    """The customer, with what `maker` has for those who said nothing of their own. A deleted one has no address left.

    Their zone is the one they chose, else the device's, else what their number leaves possible, else UTC.
    """
    row = session.get(Customer, customer_id)
    if row is None:
        return _gone(RecipientKind.CUSTOMER, customer_id)
    known = _zone(row.timezone, device.timezone if device else None)
    possible = () if known else zones_of(row.phone or "")
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
        timezone=known or (possible[0] if len(possible) == 1 else "UTC"),
        zones=possible,
        quiet_hours=_quiet_hours(row, maker),
        digest=row.digest == "daily",
        away_until=row.away_until,
    )
    return _with_wishes(session, person)


def zone_of(row: Customer) -> str:
    """The customer's own time zone; UTC where they have named none."""
    return _zone(row.timezone) or "UTC"


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
        timezone=_zone(row.timezone) or "UTC",
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


def _quiet_hours(row: Customer, maker: Maker | None) -> QuietHours | None:
    if row.quiet_from is None or row.quiet_to is None:
        return None
    usual: Mapping[str, Any] = (maker.body.get("quiet_hours") if maker else None) or {}
    if usual and "quiet_hours" not in row.body:
        return _hours(usual["from"], usual["to"], sundays=usual.get("sundays", False), country=usual.get("holidays"))
    return _hours(row.quiet_from, row.quiet_to, sundays=row.quiet_sundays, country=row.quiet_holidays)


def _hours(start: str, end: str, *, sundays: bool, country: str | None) -> QuietHours:
    days = public_holidays(country) if country else frozenset[date]()
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end), sundays, days)


@lru_cache(maxsize=64)
def public_holidays(country: str) -> frozenset[date]:
    """The public holidays of a country (ISO 3166); none of one that nobody knows."""
    try:
        return frozenset(holidays.country_holidays(country, years=CALENDAR))
    except NotImplementedError:
        return frozenset()


@lru_cache(maxsize=10_000)
def zones_of(phone: str) -> tuple[str, ...]:
    """Where in the world a number (E.164) may be; nothing where it does not say."""
    try:
        found = time_zones_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for name in found if (zone := _zone(name)))


def _zone(*names: str | None) -> str | None:
    """The first that exists: a zone nobody knows must not keep a message from going out."""
    for name in filter(None, names):
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return None
