"""When a technician works: shifts as manifests write them, and the hours that they mean on a day in their time zone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from domain.errors import SourceError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Shift:
    """Minutes after local midnight; a shift over midnight ends beyond 24 h."""

    start: int
    end: int


Shifts = Mapping[int, tuple[Shift, ...]]
"""By weekday, Monday is 0."""

DEFAULT: Shifts = dict.fromkeys(range(5), (Shift(8 * 60, 12 * 60), Shift(13 * 60, 17 * 60)))
"""For a technician of whom no shifts are known."""


def parse_shifts(raw: Mapping[str, Any] | None) -> Shifts:
    """From {"mon-fri": ["08:00-12:00", …], "sat": […]}; none at all means office hours.

    Raises SourceError that names the key and what would be right.
    """
    if not raw:
        return DEFAULT
    if not isinstance(raw, Mapping):
        raise SourceError(f"{raw!r} is no table of shifts", key="shifts", cure='write {mon-fri: ["08:00-12:00"]}')
    shifts: dict[int, tuple[Shift, ...]] = {}
    for days, spans in raw.items():
        key = f"shifts.{days}"
        if not isinstance(spans, list):
            raise SourceError(f"{spans!r} is no list", key=key, cure='write for example ["08:00-12:00", "13:00-17:00"]')
        hours = tuple(_span(span, f"{key}.{index}") for index, span in enumerate(spans))
        for day in _days(str(days), key):
            if day in shifts:
                raise SourceError(f"{DAYS[day]} is named twice", key=key, cure="name each day once")
            shifts[day] = _apart(hours, key)
    return shifts


def on_day(shifts: Shifts, day: date) -> tuple[Shift, ...]:
    """The shifts that begin on `day`."""
    return shifts.get(day.weekday(), ())


def moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """`minute` minutes of wall time after midnight of `day` in `zone`, in UTC.

    A wall time that daylight saving skips is read with the offset from before the gap.
    """
    days, rest = divmod(minute, _DAY_MIN)
    wall = time(rest // 60, rest % 60)
    return datetime.combine(day + timedelta(days=days), wall, tzinfo=zone).astimezone(UTC)


def next_start(shifts: Shifts, now: datetime, zone: ZoneInfo) -> datetime | None:
    """`now` inside a shift, else when the next one begins; None if none does within two weeks."""
    today = now.astimezone(zone).date()
    for ahead in range(-1, 15):
        day = today + timedelta(days=ahead)
        for shift in on_day(shifts, day):
            if now < moment(day, shift.end, zone):
                return max(now, moment(day, shift.start, zone))
    return None


def _days(text: str, key: str) -> Iterator[int]:
    for part in text.replace(" ", "").lower().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            cure = f"write one of {', '.join(DAYS)}, or a range such as mon-fri"
            raise SourceError(f"{part!r} names no days", key=key, cure=cure)
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        yield from ((begin + offset) % 7 for offset in range(length + 1))


def _span(text: Any, key: str) -> Shift:
    match = _SPAN.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    if match is None:
        raise SourceError(f"{text!r} is no shift", key=key, cure="write for example 08:00-12:00")
    hour, minute, end_hour, end_minute = map(int, match.groups())
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if max(minute, end_minute) > 59 or start >= _DAY_MIN or end > _DAY_MIN or start == end:
        raise SourceError(
            f"{text!r} is no shift", key=key, cure="hours run from 00:00 to 24:00, and a shift has length"
        )
    return Shift(start, end if end > start else end + _DAY_MIN)


def _apart(hours: tuple[Shift, ...], key: str) -> tuple[Shift, ...]:
    ordered = tuple(sorted(hours, key=lambda shift: shift.start))
    if any(later.start < earlier.end for earlier, later in pairwise(ordered)):
        raise SourceError("shifts of one day overlap", key=key, cure="let each begin after the one before has ended")
    return ordered
