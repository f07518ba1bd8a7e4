"""Hours and maintenance windows on a wall clock: whether they hold now, and when that changes next. Pure.

A window is laid on the wall clock and then put into UTC, edge by edge, so that "08:00" is 08:00 on both sides of a
change of daylight saving. An edge that falls into the hour that is left out is where the clock jumps; one that comes
twice is taken the first time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

from domain.errors import SourceError

_DAY = timedelta(days=1)
_WEEK_AND_MORE = 9
_LONGEST_CHAIN = 50
"""Turns that are looked through for a gap: a window without one is looked at again after so many."""
FINEST = frozenset({"YEARLY", "MONTHLY", "WEEKLY", "DAILY"})


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to `end` on each of `days` (Monday is 0), in minutes of wall time; beyond 24 h: on the next day."""

    days: frozenset[int]
    start: int
    end: int


def read_hours(rows: Iterable[Mapping[str, Any]]) -> tuple[Hours, ...]:
    """From a rule version's `active`."""
    return tuple(_hours(row) for row in rows)


def _hours(row: Mapping[str, Any]) -> Hours:
    start, end = _minutes(row["from"]), _minutes(row["to"])
    return Hours(frozenset(row["days"]), start, end if end > start else end + 24 * 60)


def opens(hours: Sequence[Hours], now: datetime, zone: ZoneInfo) -> datetime | None:
    """When a rule with these hours may act: `now` inside them, or without any; None if they never come."""
    if not hours:
        return now
    coming = [start for start, end in _spans(hours, now.astimezone(zone).date(), zone) if now < end and start < end]
    return max(now, min(coming)) if coming else None


def _spans(hours: Sequence[Hours], today: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    for ahead in range(-2, _WEEK_AND_MORE):
        day = today + ahead * _DAY
        for one in hours:
            if day.weekday() in one.days:
                yield _edge(day, one.start, zone), _edge(day, one.end, zone)


def _edge(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, rest = divmod(minutes, 24 * 60)
    return instant(datetime.combine(day + days * _DAY, time(rest // 60, rest % 60)), zone)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which a clock in `zone` shows `wall` or, where that is left out, has passed it."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Left out: `fold` 0 and 1 lie on both sides of the jump (PEP 495).
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window that begins at `start` on the wall clock, and again by `recurs` (RFC 5545), each time for
    `duration` of real time."""

    start: datetime
    zone: ZoneInfo
    duration: timedelta
    recurs: str | None = None


def check_recurrence(text: str) -> None:
    """Raises SourceError, with key `rrule`, for what is no recurrence or repeats more often than daily."""
    example = "write for example FREQ=WEEKLY;BYDAY=SU"
    parts = dict(part.split("=", 1) for part in text.upper().removeprefix("RRULE:").split(";") if "=" in part)
    if parts.get("UNTIL", "").endswith("Z"):
        cure = "leave out the Z: UNTIL is wall time, as start is"
        raise SourceError(f"{text!r} ends at a time in UTC", key="rrule", cure=cure)
    try:
        found = rrulestr(text, dtstart=datetime(2026, 1, 1))  # noqa: DTZ001 - wall time
    except (ValueError, TypeError, AttributeError) as exc:
        raise SourceError(f"{text!r} is no recurrence rule", key="rrule", cure=example) from exc
    if isinstance(found, rruleset) or "FREQ" not in parts:
        raise SourceError(f"{text!r} is no recurrence rule", key="rrule", cure=example)
    if parts["FREQ"] not in FINEST:
        raise SourceError(f"{text!r} repeats more often than daily", key="rrule", cure="write several windows a day")


def closes(window: Window, now: datetime) -> datetime | None:
    """When the window that holds now ends, those that follow without a gap included; None if none holds now."""
    end: datetime | None = None
    for start in _starts(window, now):
        if start > (end or now):
            break
        if start + window.duration > (end or now):
            end = start + window.duration
    return end


def _starts(window: Window, now: datetime) -> Iterator[datetime]:
    """The starts that may reach to `now` or lie after it, in order."""
    if window.recurs is None:
        yield instant(window.start, window.zone)
        return
    # A day of slack: wall time and elapsed time differ by what daylight saving moves.
    earliest = (now - window.duration).astimezone(window.zone).replace(tzinfo=None) - _DAY
    starts = _recurrence(window.recurs, window.start).xafter(earliest, count=_LONGEST_CHAIN, inc=True)
    for wall in starts:
        yield instant(wall, window.zone)


@lru_cache(maxsize=512)
def _recurrence(text: str, start: datetime) -> rrule | rruleset:
    """Its dates are kept: asking a second time does not begin at `start` again."""
    return rrulestr(text, dtstart=start, cache=True)


def _minutes(wall: str) -> int:
    hours, minutes = wall.split(":")
    return int(hours) * 60 + int(minutes)
