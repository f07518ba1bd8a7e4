"""Who should go: technicians ranked for one visit, each with a window, and a reason for each who is left out.

Pure. The earliest day comes first, on that day the nearest technician, then the earliest window.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import asin, cos, inf, radians, sin, sqrt
from zoneinfo import ZoneInfo

from dispatch.shifts import Shifts, moment, on_day
from domain.people import Place

WINDOW = timedelta(hours=2)
"""Within which a technician promises to arrive."""
LEAD = timedelta(minutes=30)
HORIZON_DAYS = 14
DETOUR, SPEED_KMH, EARTH_KM = 1.3, 40.0, 6371.0088
_GRID_MIN, _WINDOW_MIN = 30, 120


@dataclass(frozen=True, slots=True)
class Need:
    """What a visit takes."""

    skill: str | None
    """None: anybody."""
    duration: timedelta
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Hand:
    """A technician, as planning sees them."""

    id: str
    skills: frozenset[str]
    shifts: Shifts
    zone: ZoneInfo
    home: Place | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """Time that a technician has promised, or been offered, to somebody."""

    technician_id: str
    start: datetime
    end: datetime
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A technician who could come, and when at the earliest."""

    technician_id: str
    start: datetime
    end: datetime
    day: date
    """Of the start, in their zone."""
    km: float | None
    """As the crow flies from where they come from; None if a place is not known."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A technician who will not do, and why."""

    technician_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Best candidate first."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]


def rank(
    need: Need, hands: Sequence[Hand], booked: Sequence[Booking], *, now: datetime, refused: Collection[str] = ()
) -> Ranking:
    """Everybody who could come, and why the others could not. `refused` have declined this visit, or not answered."""
    candidates: list[Candidate] = []
    left_out: list[LeftOut] = []
    for hand in hands:
        reason = _unfit(need, hand, refused)
        window = None if reason else first_window(need, hand, booked, now=now)
        if window is not None:
            candidates.append(window)
        else:
            left_out.append(LeftOut(hand.id, reason or f"has no free window in the next {HORIZON_DAYS} days"))
    return Ranking(tuple(sorted(candidates, key=_order)), tuple(left_out))


def first_window(need: Need, hand: Hand, booked: Sequence[Booking], *, now: datetime) -> Candidate | None:
    """The earliest window that lies in a shift, can be reached in time, and that nothing else has taken."""
    taken = sorted((one for one in booked if one.technician_id == hand.id), key=lambda one: one.start)
    for day, start in _starts(need, hand, now):
        end = start + WINDOW
        if any(one.start < max(end, start + need.duration) and start < one.end for one in taken):
            continue
        km = distance_km(_origin(hand, taken, start, day), need.place)
        if start >= now + LEAD + travel(km):
            return Candidate(hand.id, start, end, day, km)
    return None


def travel(km: float | None) -> timedelta:
    """How long the way takes; nothing is known of an unknown one."""
    return timedelta(hours=(km or 0.0) * DETOUR / SPEED_KMH)


def distance_km(here: Place | None, there: Place | None) -> float | None:
    """Great-circle distance by the haversine formula, on a sphere of mean Earth radius."""
    if here is None or there is None:
        return None
    lat1, lat2 = radians(here.lat), radians(there.lat)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(radians(there.lon - here.lon) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))


def _unfit(need: Need, hand: Hand, refused: Collection[str]) -> str:
    if need.skill is not None and need.skill not in hand.skills:
        return f"lacks the skill {need.skill}"
    return "has declined, or did not answer" if hand.id in refused else ""


def _starts(need: Need, hand: Hand, now: datetime) -> Iterator[tuple[date, datetime]]:
    """Full and half hours at which a window may begin, in order; the visit itself must fit the shift too."""
    length = max(_WINDOW_MIN, need.duration.total_seconds() / 60)
    today = now.astimezone(hand.zone).date()
    for ahead in range(-1, HORIZON_DAYS):
        day = today + timedelta(days=ahead)
        for shift in on_day(hand.shifts, day):
            minute = -(-shift.start // _GRID_MIN) * _GRID_MIN
            while minute + length <= shift.end:
                start = moment(day, minute, hand.zone)
                if start > now:
                    yield start.astimezone(hand.zone).date(), start
                minute += _GRID_MIN


def _origin(hand: Hand, taken: Sequence[Booking], start: datetime, day: date) -> Place | None:
    """Where they come from: the visit before on the same day, else home."""
    before = [one for one in taken if one.end <= start and one.end.astimezone(hand.zone).date() == day]
    return (before[-1].place or hand.home) if before else hand.home


def _order(candidate: Candidate) -> tuple[date, float, datetime, str]:
    km = inf if candidate.km is None else candidate.km
    return candidate.day, km, candidate.start, candidate.technician_id
