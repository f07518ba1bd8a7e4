"""Cells of recorded files: what kind of value a column holds, and what time a stamp means."""

import polars as pl

from rules.model import Kind
from rules.samples import DTYPES

_TRUTH = {"true": True, "false": False}


def flat(table: pl.DataFrame) -> pl.DataFrame:
    """Nested objects as columns with dotted names."""
    while structs := [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Struct)]:
        for name in structs:
            inner = table[name].struct.unnest()
            inner.columns = [f"{name}.{key}" for key in inner.columns]
            table = table.drop(name).hstack(inner)
    return table


def kind_and_values(column: pl.Series) -> tuple[Kind, pl.Series]:
    """What most cells are, and the column as that; cells of another kind, empty or not finite are NULL."""
    if column.dtype == pl.Boolean:
        return Kind.BOOLEAN, column
    if column.dtype.is_numeric():
        return Kind.NUMBER, _finite(column.cast(pl.Float64))
    if column.dtype == pl.Null:
        return Kind.NUMBER, column.cast(pl.Float64)
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    numbers = text.cast(pl.Float64, strict=False)
    filled = len(text) - text.null_count()
    numeric = len(text) - numbers.null_count()
    if numeric == filled:
        return Kind.NUMBER, _finite(numbers)
    truth = text.str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=DTYPES[Kind.BOOLEAN])
    if 2 * (len(text) - truth.null_count()) > filled:
        return Kind.BOOLEAN, truth
    if 2 * numeric >= filled:
        return Kind.NUMBER, _finite(numbers)
    return Kind.STRING, text


def to_epoch_ms(column: pl.Series) -> pl.Series:
    """Epoch milliseconds; a time without zone is UTC. NULL where a cell is neither a number nor ISO 8601."""
    dtype = column.dtype
    if dtype.is_integer():
        return column.cast(pl.Int64)
    if dtype.is_float() or isinstance(dtype, pl.Decimal):
        return _finite(column.cast(pl.Float64)).round().cast(pl.Int64)
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        return column.cast(pl.Datetime("us")).dt.epoch("us") // 1000
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Int64, strict=False)
    if numbers.null_count() == len(text) or numbers.null_count():
        numbers = _finite(text.cast(pl.Float64, strict=False)).round().cast(pl.Int64)
    if not numbers.null_count():
        return numbers
    parsed = pl.DataFrame({"stamp": text}).select(_iso(pl.col("stamp"))).to_series()
    return numbers.zip_with(numbers.is_not_null(), parsed.dt.epoch("us") // 1000)


def _iso(stamp: pl.Expr) -> pl.Expr:
    """ISO 8601 as people write it: a blank for the T, no seconds, no date's time, no zone."""
    full = stamp.str.replace(" ", "T", literal=True)
    full = pl.when(full.str.contains("T", literal=True)).then(full).otherwise(full + "T00:00:00")
    full = full.str.replace(r"T(\d\d:\d\d)($|[Z+-])", "T${1}:00${2}").str.replace(r"([+-]\d\d)(\d\d)$", "${1}:${2}")
    full = pl.when(full.str.contains(r"(Z|[+-]\d\d:\d\d)$")).then(full).otherwise(full + "Z")
    return full.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")


def _finite(column: pl.Series) -> pl.Series:
    return column.set(~column.is_finite(), None)
