"""Firmwares: once a day each is compared with the others of its product, and one that is worse gets a ticket."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.orm import Session, aliased

from domain.faults import Severity
from domain.tickets import TicketCause, TicketState
from domain.verdicts import Judgement
from store import due, timeline
from store.tables import Device, Fault, FirmwarePeriod, Product, Ticket
from tickets.comparison import Comparison, Exposure, compare
from tickets.faults import SURFACING
from tickets.lifecycle import open_new, shift
from tickets.populations import FIRMWARE, GATEWAY, SITE
from tickets.storms import FLEET, Group

FAMILY = "firmware-comparison"
EVERY = timedelta(days=1)
WINDOW = timedelta(days=28)
STILL_THERE = timedelta(days=1)
"""A device that nobody has heard for so long is not exposed to anything any more."""
_DAY_S = 86_400.0


def comparisons(session: Session, product: str, *, now: datetime) -> list[Comparison]:
    """Each firmware of the product over the last four weeks, by name."""
    since = now - WINDOW
    devices: dict[str, set[str]] = defaultdict(set)
    days: dict[str, float] = defaultdict(float)
    for device_id, firmware, start, end in _stretches(session, product, since=since, now=now):
        devices[firmware].add(device_id)
        days[firmware] += (end - start).total_seconds() / _DAY_S
    counts: dict[str, set[tuple[str, str, object]]] = defaultdict(set)
    for firmware, device_id, rule, fired_at in _faults(session, product, since=since):
        counts[firmware].add((device_id, rule, fired_at.date()))
    seen = [Exposure(name, len(devices[name]), days[name], len(counts[name])) for name in sorted(devices)]
    return compare(seen)


def on_day(session: Session, *, now: datetime) -> None:
    """Compare all of them; the next time is tomorrow."""
    for product in session.scalars(select(Product.name).order_by(Product.name)).all():
        for found in comparisons(session, product, now=now):
            if found.worse:
                _tell(session, product, found, now=now)
    due.schedule(session, "firmware", "daily", at=now + EVERY)


def _stretches(
    session: Session, product: str, *, since: datetime, now: datetime
) -> Iterator[tuple[str, str, datetime, datetime]]:
    """(device, firmware, from, to) within the window, as far as the device was there to show a fault."""
    period = FirmwarePeriod
    query = (
        select(period.device_id, period.firmware, period.since, period.until, Device.last_seen)
        .join(Device, Device.id == period.device_id)
        .where(period.product == product, or_(period.until.is_(None), period.until > since))
    )
    for device_id, firmware, began, until, last_seen in session.execute(query):
        if last_seen is None:
            continue
        start, end = max(began, since), min(until or now, now, last_seen + STILL_THERE)
        if start < end:
            yield device_id, firmware, start, end


def _faults(session: Session, product: str, *, since: datetime) -> Iterable[Row[str, str, str, datetime]]:
    """Faults that may be the firmware's: not those that follow from another, or from what a place has in common."""
    period, parent = FirmwarePeriod, aliased(Ticket)
    elsewhere = parent.scope.in_((GATEWAY, SITE, FLEET))
    query = (
        select(period.firmware, Fault.device_id, Fault.rule, Fault.fired_at)
        .join(
            period,
            and_(
                period.device_id == Fault.device_id,
                period.since <= Fault.fired_at,
                or_(period.until.is_(None), period.until > Fault.fired_at),
            ),
        )
        .outerjoin(Ticket, Ticket.id == Fault.ticket_id)
        .outerjoin(parent, parent.id == Ticket.parent_id)
        .where(
            period.product == product,
            Fault.fired_at >= since,
            Fault.stage.in_(SURFACING),
            Fault.superseded.is_(False),
            Fault.inhibited_by.is_(None),
            Fault.verdict.is_distinct_from(Judgement.FALSE_ALARM),
            or_(parent.id.is_(None), ~elsewhere),
        )
    )
    return session.execute(query)


def _tell(session: Session, product: str, found: Comparison, *, now: datetime) -> None:
    """A ticket for agents, once for each firmware: what they made of it is theirs."""
    group = Group(FIRMWARE, f"{product}/{found.firmware}")
    before = select(Ticket.id).where(Ticket.device_id == group.key, Ticket.family == FAMILY).limit(1)
    if session.scalar(before) is not None:
        return
    times = f"{found.ratio:.1f}" if found.ratio is not None else f"{found.low:.1f}"
    ticket = open_new(
        session,
        device_id=group.key,
        family=FAMILY,
        customer_id=None,
        cause=TicketCause.FIRMWARE,
        severity=Severity.MAJOR,
        title={
            "en": f"Firmware {found.firmware} of {product}: {times} times the faults of the others",
            "fr": f"Micrologiciel {found.firmware} de {product} : {times} fois les pannes des autres",
        },
        onset=now - WINDOW,
        actor="clock",
        now=now,
        agents_only=True,
        scope=FIRMWARE,
    )
    bound = f"at most {found.high:.1f}" if found.high is not None else "without an upper bound"
    reason = (
        f"{found.faults} faults in {found.device_days:.0f} device-days against {found.rest_faults} in "
        f"{found.rest_device_days:.0f}: at least {found.low:.1f} times as many (95 %), {bound}"
    )
    timeline.note(session, ticket.id, "firmware_compared", at=now, actor="clock", reason=reason)
    shift(session, ticket, TicketState.PENDING_AGENT, actor="clock", now=now, reason=reason)
