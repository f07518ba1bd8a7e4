"""A small chart as SVG coordinates: works without scripts, on any phone; the template draws it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from domain.telemetry import Value

_NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything in units of the view box."""

    width: int
    height: int
    paths: Sequence[str]
    """One per unbroken stretch."""
    base_y: float
    top_y: float
    limit_y: float | None
    limit_label: str
    span_x: float | None
    """Where the trouble begins; it reaches to `span_end`."""
    span_end: float
    low: str
    high: str
    label: str
    """What a screen reader says."""
    since_ms: int
    """Where it begins: with the first reading, if that is later than what was asked for."""
    since: str = ""
    until: str = ""
    """The same and its end in words."""


def limit_of(when: str | None, metric: str, attributes: Mapping[str, Any]) -> float | None:
    """The number that a rule's condition compares `metric` with, where that is plain to see; else None."""
    quoted = rf'(?<![\w."])"?{re.escape(metric)}"?(?![\w."])'
    operand = rf"(?:coalesce\(\s*(?P<first>\w+)\s*,\s*(?P<other>{_NUMBER})\s*\)|(?P<number>{_NUMBER})|(?P<name>\w+))"
    found = re.search(rf"{quoted}\s*(?:>=|<=|>|<)\s*{operand}", when or "", re.IGNORECASE)
    if not found:
        return None
    parts = found.groupdict()
    if parts["number"] is not None:
        return float(parts["number"])
    value = attributes.get(parts["first"] or parts["name"], parts["other"])
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def draw(
    points: Sequence[tuple[int, Value]],
    *,
    since_ms: int,
    until_ms: int,
    label: str,
    onset_ms: int | None = None,
    over_ms: int | None = None,
    limit: float | None = None,
    limit_label: str = "",
    width: int = 340,
    height: int = 120,
    foot: int = 22,
) -> Chart | None:
    """The chart of `points` (time, number) between two times; None with fewer than two numbers."""
    numbers = [(at, float(value)) for at, value in points if not isinstance(value, str)]
    if len(numbers) < 2:
        return None
    since_ms = max(since_ms, numbers[0][0])
    values = [value for _, value in numbers] + ([limit] if limit is not None else [])
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    bottom, top, base = low - room, high + room, height - foot

    def x(at: int) -> float:
        return round((at - since_ms) / max(until_ms - since_ms, 1) * width, 1)

    def y(value: float) -> float:
        return round(base - (value - bottom) / (top - bottom) * (base - 6), 1)

    end = x(min(over_ms or until_ms, until_ms))
    return Chart(
        width=width,
        height=height,
        paths=["M" + "L".join(f"{x(at)} {y(value)}" for at, value in stretch) for stretch in _stretches(numbers)],
        base_y=float(base),
        top_y=6.0,
        limit_y=None if limit is None else y(limit),
        limit_label=limit_label,
        span_x=None if onset_ms is None else max(x(onset_ms), 0.0),
        span_end=end,
        low=f"{low:g}",
        high=f"{high:g}",
        label=label,
        since_ms=since_ms,
    )


def _stretches(points: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Split where the device was silent: six times the usual distance, and ten points' worth of time at least."""
    gaps = sorted(after[0] - before[0] for before, after in pairwise(points))
    usual = gaps[len(gaps) // 2]
    stretches = [[points[0]]]
    for before, after in pairwise(points):
        if after[0] - before[0] > max(usual * 6, 1):
            stretches.append([])
        stretches[-1].append(after)
    return [stretch for stretch in stretches if len(stretch) > 1]
