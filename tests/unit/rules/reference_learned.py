"""The naive signals beyond windows: each computed anew from all readings of the device, or of its peers."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tests.unit.rules.reference_expressions import Row, Value
from tests.unit.rules.reference_signals import Readings, duration_ms

MINUTE, DAY = 60_000, 86_400_000
EARTH_M = 6_371_008.8
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def robust(value: float, others: Sequence[float], *, least: int) -> Value:
    """(value - median) in robust deviations of the others, NULL if they are fewer than `least`."""
    if len(others) < least:
        return None
    median = statistics.median(others)
    mad = statistics.median(abs(x - median) for x in others)
    return (value - median) / max(1.4826 * mad, 1e-3 * max(1.0, abs(median)))


def baseline(spec: Mapping[str, Any], readings: Readings, *, zone: Value) -> Value:
    """The last reading against the first one of each ten minutes of its hour of the week, in the weeks before."""
    weeks = duration_ms(spec["over"]) // (7 * DAY)
    place = ZoneInfo(zone) if zone in {"Europe/Paris", "America/New_York"} else UTC
    slots: dict[tuple[int, int], float] = {}
    now = _week_and_part(readings[-1][0], place)
    for ts, x in readings:
        slots.setdefault(_week_and_part(ts, place), x)
    hour = now[1] // 6
    same = [x for (week, part), x in slots.items() if part // 6 == hour and 1 <= now[0] - week <= weeks]
    return robust(readings[-1][1], same, least=10)


def _week_and_part(ts: int, place: Any) -> tuple[int, int]:
    """The number of the week, and the ten minutes in it, on the wall."""
    wall = (EPOCH + timedelta(milliseconds=ts)).astimezone(place)
    since = wall.replace(tzinfo=UTC) - datetime(1970, 1, 5, tzinfo=UTC)
    return since // timedelta(days=7), since % timedelta(days=7) // timedelta(minutes=10)


def usage(readings: Readings, *, service: Value) -> Value:
    """What the counter grew by after the last service record; after a fall it began again at 0."""
    if not readings:
        return None
    since = -math.inf if service is None else (datetime.fromisoformat(str(service)) - EPOCH) / timedelta(milliseconds=1)
    total = 0.0
    for (_, before), (ts, x) in pairwise(readings):
        if ts > since:
            total += x - before if x >= before else x
    return total


def distance(spec: Mapping[str, Any], row: Row) -> Value:
    """Metres, as the angle between two unit vectors."""
    to = (row.get("site.lat"), row.get("site.lon")) if spec["to"] == "site" else spec["to"]
    ends = [row.get(spec["lat"]), row.get(spec["lon"]), *to]
    if any(end is None for end in ends):
        return None
    here, there = _vector(ends[0], ends[1]), _vector(ends[2], ends[3])
    cross = [here[i - 2] * there[i - 1] - here[i - 1] * there[i - 2] for i in range(3)]
    return EARTH_M * math.atan2(math.hypot(*cross), sum(a * b for a, b in zip(here, there, strict=True)))


def _vector(lat: float, lon: float) -> tuple[float, float, float]:
    phi, lam = math.radians(lat), math.radians(lon)
    return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)


class Scored:
    """`anomaly`: a detector that is given one sample after the other."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def score(self, ts: int, values: Sequence[Value]) -> Value:
        """NULL where a value is missing, which teaches nothing, or while too little is known."""
        if None in values:
            return None
        arrays = np.array([0], dtype=np.int64), np.array([ts], dtype=np.int64), np.array([values], dtype=np.float64)
        score = float(self.detector.update(*arrays)[0])
        return None if math.isnan(score) else score


Timeline = Sequence[tuple[int, int, float]]
"""(received, event time, value) of one metric on one device, in order of evaluation."""


def peers(spec: Mapping[str, Any], value: Value, *, received: int, others: Sequence[Timeline]) -> Value:
    """Against what each other device had last said by the whole minute before `received`."""
    minute = -(-received // MINUTE) * MINUTE - MINUTE
    latest = []
    for timeline in others:
        known = [(ts, x) for heard, ts, x in timeline if heard <= minute]
        if known and known[-1][0] >= minute - DAY:
            latest.append(known[-1][1])
    if value is None or len(latest) < 8:
        return None
    if spec.get("stat") == "percentile":
        below = sum(x < value for x in latest) + 0.5 * sum(x == value for x in latest)  # type: ignore[operator]
        return 100 * below / len(latest)
    return robust(value, latest, least=8)  # type: ignore[arg-type]
