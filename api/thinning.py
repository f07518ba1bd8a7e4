"""Fewer points for a chart, without losing a single extreme."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import polars as pl

Value = TypeVar("Value", bound="float | bool | str")

KINDS = {"number": pl.Float64(), "boolean": pl.Boolean(), "string": pl.String()}
POINTS: dict[str, pl.DataType] = {"ts": pl.Int64(), **KINDS}
"""A series: epoch ms in ascending order, and the value in the column of its kind."""


def thinned(points: pl.DataFrame, max_points: int) -> pl.DataFrame:
    """At most `max_points` of `points` (as `POINTS`): first, last, and each bucket's minimum and maximum.

    The extremes of the whole are among them from four points on. Text has no extremes: where there is any, the changes
    are kept as far as there is room, then every n-th.
    """
    if max_points < 2:
        raise ValueError("a thinned series needs two points at least")
    if points.height <= max_points:
        return points
    if points["string"].null_count() < points.height:
        return _changes(points, max_points)
    # Buckets of equal count, without the ends, which stay anyway.
    inner, buckets = points.height - 2, (max_points - 2) // 2
    bounds = np.arange(1, buckets) * inner // max(buckets, 1)
    places = pl.Series(np.arange(1, inner + 1))
    level = points[1:-1].select(level=pl.coalesce("number", pl.col("boolean").cast(pl.Float64))).to_series()
    extremes = (
        pl.DataFrame({"level": level, "place": places, "bucket": np.searchsorted(bounds, np.arange(inner), "right")})
        .group_by("bucket")
        .agg(
            low=pl.col("place").get(pl.col("level").arg_min()),
            high=pl.col("place").get(pl.col("level").arg_max()),
        )
        if buckets
        else pl.DataFrame(schema={"low": pl.Int64, "high": pl.Int64})
    )
    kept = {0, points.height - 1, *extremes["low"].to_list(), *extremes["high"].to_list()}
    return points[sorted(kept)]


def thin(points: Sequence[tuple[int, Value]], max_points: int) -> list[tuple[int, Value]]:
    """As `thinned`, for (time, value) pairs."""
    values = [value for _, value in points]
    kinds = {
        "number": [None if isinstance(value, bool | str) else float(value) for value in values],
        "boolean": [value if isinstance(value, bool) else None for value in values],
        "string": [value if isinstance(value, str) else None for value in values],
    }
    kept = thinned(pl.DataFrame({"ts": np.arange(len(points)), **kinds}, schema=POINTS), max_points)
    return [points[place] for place in kept["ts"]]


def pairs(points: pl.DataFrame) -> list[tuple[int, float | bool | str]]:
    """A series as (epoch ms, value)."""
    return [
        (at, number if number is not None else boolean if boolean is not None else string)
        for at, number, boolean, string in points.select(*POINTS).iter_rows()
    ]


def _changes(points: pl.DataFrame, max_points: int) -> pl.DataFrame:
    kept = points.filter(pl.struct(*KINDS).rle_id().diff().fill_null(1) != 0)
    if kept.height > max_points:
        kept = kept[(np.arange(max_points) * (kept.height / max_points)).astype(np.int64)]
    return kept
