"""From Polars to truth: TRUE, FALSE and UNKNOWN as 1, 0 and -1, one per point."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from rules.machine import UNKNOWN
from rules.samples import Floats, Ints


def frame_of(columns: Mapping[str, pl.Series], height: int) -> pl.DataFrame:
    """The columns side by side; a frame without columns still has its height."""
    if not columns:
        return pl.DataFrame({"": pl.repeat(None, height, dtype=pl.Null, eager=True)})
    return pl.DataFrame({name: column.alias(name) for name, column in columns.items()})


def codes(frame: pl.DataFrame, condition: pl.Expr) -> Ints:
    """The condition at each row."""
    found = frame.select(condition.cast(pl.Int64).fill_null(UNKNOWN).alias("truth")).to_series().to_numpy()
    if len(found) != frame.height:
        return np.full(frame.height, int(found[0]) if len(found) else UNKNOWN, dtype=np.int64)
    return found


def null_where_nan(values: Floats) -> pl.Series:
    """A signal as a column: what is not finite is NULL."""
    column = pl.Series(values)
    return column if np.isfinite(values).all() else column.set(~column.is_finite(), None)
