"""Whether anybody may act on a fault or ticket now: mutes, maintenance windows, a rule's hours, inhibition and storms.

Nothing here stops evaluation: episodes come and go in the record, and whoever acts asks here first.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from domain.quiet import Quiet
from domain.tickets import OPEN_STATES
from store import due
from store.foresight import MUTE, absent, scopes_of
from store.tables import Device, Due, Fault, Mute, Ticket
from tickets.faults import firing_of_ticket, version_of
from tickets.windows import Window, closes, opens, read_hours

SOMEDAY = datetime(9999, 1, 1, tzinfo=UTC)
"""The time of an appointment that something else, not the time, will bring about."""
PUT_OFF = ("step", "verify", "reply_wait", "major_visit")
"""Kinds of a ticket's appointments that are put off while it is quiet."""
STORM = "waits a moment, so that a storm can be seen as one"


def of_ticket(session: Session, ticket: Ticket, now: datetime) -> Quiet | None:
    """Why nobody may act on the ticket now; None: they may."""
    if ticket.held:
        return Quiet(STORM)
    parent = session.get(Ticket, ticket.parent_id) if ticket.parent_id else None
    if parent is not None and parent.state in OPEN_STATES:
        return Quiet(f"it is part of a wider fault, ticket {parent.id}")
    firing = firing_of_ticket(session, ticket.id)
    return of_device(session, ticket.device_id, now) or _all_of(of_fault(session, fault, now) for fault in firing)


def of_device(session: Session, device_id: str, now: datetime) -> Quiet | None:
    """A mute of the device, or a maintenance window over it."""
    device = session.get(Device, device_id)
    if device is None:
        return None
    if device.muted_until is not None and now < device.muted_until:
        return Quiet("the device is muted", device.muted_until)
    return _window(session, scopes_of(device), now)


def of_fault(session: Session, fault: Fault, now: datetime) -> Quiet | None:
    """What keeps this fault alone back: another that inhibits it, its rule's hours, or a window over its rule."""
    if fault.inhibited_by is not None:
        return Quiet(f"fault {fault.inhibited_by} inhibits it")
    version = version_of(session, fault)
    if version is not None and version.active:
        opening = opens(read_hours(version.active), now, zone_of(session, fault.device_id))
        if opening is None or opening > now:
            return Quiet("outside the hours of its rule", opening)
    return _window(session, {"rule": fault.rule}, now)


def zone_of(session: Session, device_id: str) -> ZoneInfo:
    """The time zone of the device's site; UTC where none is known."""
    device = session.get(Device, device_id)
    return ZoneInfo(device.timezone if device and device.timezone else "UTC")


def keep_back(session: Session, fault: Fault, quiet: Quiet) -> None:
    """Nobody hears of the fault now; it is looked at again when the quiet ends, if a time is known."""
    fault.kept_back = quiet.reason
    if quiet.until is not None:
        due.schedule(session, "surface", fault.id, at=quiet.until)


def freshen(session: Session, fault: Fault, *, now: datetime) -> None:
    """A fault that was kept back comes before people now: how long ago did its device last say anything?

    The ticks prove a silence themselves; a device that nobody has heard leaves the age that it had.
    """
    version, device = version_of(session, fault), session.get(Device, fault.device_id)
    fault.kept_back = None
    if (version is not None and version.silence) or device is None or device.last_seen is None:
        return
    fault.late_evidence_s = max(0.0, (now - max(device.last_seen, fault.received_at)).total_seconds())


def go_on(session: Session, ticket: Ticket, *, now: datetime) -> bool:
    """What was put off until something happened is due now; False if nothing was."""
    waiting = (Due.kind.in_(PUT_OFF), Due.ref == str(ticket.id), Due.due_at >= SOMEDAY)
    return bool(session.scalars(update(Due).where(*waiting).values(due_at=now).returning(Due.id)).all())


def look_again(session: Session, *, now: datetime) -> None:
    """A window was changed or lifted: everything that may have waited for its end is looked at now.

    Safe for all of them: each asks again whether it may act.
    """
    waiting = or_(Due.kind == "surface", and_(Due.kind == "step", Due.due_at < SOMEDAY))
    session.execute(update(Due).where(waiting, Due.due_at > now).values(due_at=now))


def muting_until(mute: Mute, now: datetime) -> datetime | None:
    """When the window ends that holds now; None if none does."""
    start, duration = datetime.fromisoformat(mute.start), timedelta(seconds=mute.duration_s)
    return closes(Window(start, ZoneInfo(mute.timezone), duration, mute.rrule), now)


def is_muting(mute: Mute, now: datetime) -> bool:
    """Whether the window holds now."""
    return muting_until(mute, now) is not None


def _window(session: Session, scopes: dict[str, str], now: datetime) -> Quiet | None:
    asked = [pair for pair in scopes.items() if not absent(session, MUTE, *pair)]
    if not asked:
        return None
    over = or_(*(and_(Mute.scope == scope, Mute.value == value) for scope, value in asked))
    found = [
        Quiet(f"maintenance window {mute.name}", end)
        for mute in session.scalars(select(Mute).where(over))
        if (end := muting_until(mute, now)) is not None
    ]
    return max(found, key=lambda quiet: quiet.until or SOMEDAY, default=None)


def _all_of(quiets: Iterable[Quiet | None]) -> Quiet | None:
    """A ticket is quiet while all that fires on it is; it wakes with the first."""
    found = list(quiets)
    if not found or any(quiet is None for quiet in found):
        return None
    return min(_present(found), key=lambda quiet: quiet.until or SOMEDAY)


def _present(quiets: Iterable[Quiet | None]) -> Iterator[Quiet]:
    return (quiet for quiet in quiets if quiet is not None)
