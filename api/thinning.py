"""Fewer points for a chart, without losing a single extreme."""

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value", bound="float | bool | str")


def thin(points: Sequence[tuple[int, Value]], max_points: int) -> list[tuple[int, Value]]:
    """At most `max_points` of `points` (time, value; in order of time): first, last, and each bucket's min and max.

    Text has no extremes: of texts, the changes are kept as far as there is room, then every n-th.
    """
    if max_points < 2:
        raise ValueError("a thinned series needs two points at least")
    if len(points) <= max_points:
        return list(points)
    if isinstance(points[0][1], str):
        return _changes(points, max_points)
    buckets = max((max_points - 2) // 2, 1)
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(buckets if max_points > 3 else 0):
        bucket = inner[index * len(inner) // buckets : (index + 1) * len(inner) // buckets]
        if bucket:
            low, high = min(bucket, key=lambda p: float(p[1])), max(bucket, key=lambda p: float(p[1]))
            kept += sorted({low, high}, key=lambda p: p[0])
    return [*kept, points[-1]]


def _changes(points: Sequence[tuple[int, Value]], max_points: int) -> list[tuple[int, Value]]:
    kept = [p for before, p in zip([None, *points], points, strict=False) if before is None or before[1] != p[1]]
    if len(kept) > max_points:
        step = len(kept) / max_points
        kept = [kept[int(index * step)] for index in range(max_points)]
    return kept
