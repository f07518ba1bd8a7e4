"""Recorded readings: CSV, NDJSON or Parquet, long or wide, into columns that the back-test cuts into batches."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from domain.errors import SourceError
from rules.cells import flat, kind_and_values, to_epoch_ms
from rules.model import Kind
from rules.samples import Channel, Flags, Ints, kind_of

LONG = frozenset({"metric", "value"})
DEVICE, TIME, RECEIVED = "device_id", "ts", "received_at"
ONLY_DEVICE = "device"
"""The device of a file that names none."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file differs from what the contract says of one."""

    time_column: str = TIME
    device: str | None = None
    """The device of all rows."""
    ignore: Collection[str] = ()
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Recording:
    """All rows of a file, in file order."""

    device_ids: list[str]
    """In order of appearance."""
    device: Ints
    """Per row, position in `device_ids`."""
    ts: Ints
    received: Ints
    explicit: Flags
    """Rows that say themselves when they were received."""
    values: Mapping[Channel, pl.Series]
    """Wide: per row. Long: only as many values as the metric has readings; `places` says in which rows."""
    places: Mapping[Channel, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The metrics."""
        return {channel.metric: channel.kind for channel in self.values}


def read_readings(path: Path, layout: Layout | None = None) -> Recording:
    """SourceError for a file that cannot be read as readings."""
    layout = layout or Layout()
    return recording_of(read_table(path, delimiter=layout.delimiter), layout, path=path)


def recording_of(table: pl.DataFrame, layout: Layout, *, path: Path) -> Recording:
    """A table's rows; `path` is what errors name."""
    if layout.time_column not in table.columns:
        raise SourceError(
            f"no column {layout.time_column!r}", cure=f"it has {', '.join(table.columns)}", file=str(path)
        )
    table = table.drop([name for name in layout.ignore if name in table.columns])
    ts = _times(table, layout.time_column, path)
    device_ids, device = _devices(table, layout)
    received, explicit = _received(table, ts, path)
    rest = table.drop([name for name in (layout.time_column, DEVICE, RECEIVED) if name in table.columns])
    values, places = _long(rest) if set(rest.columns) >= LONG else _wide(rest)
    return Recording(device_ids, device, ts, received, explicit, values, places)


def read_table(path: Path, *, delimiter: str = ",") -> pl.DataFrame:
    """A file as a table: CSV with cells as text, NDJSON and Parquet with the types they have; nested keys dotted."""
    if not path.is_file():
        raise SourceError("no such file", file=str(path))
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    kind = suffixes[-1] if suffixes else ".csv"
    try:
        if kind == ".parquet":
            return flat(pl.read_parquet(path))
        if kind in (".ndjson", ".jsonl", ".json"):
            return flat(_read_ndjson(path))
        return pl.read_csv(path, separator=delimiter, infer_schema=False, encoding="utf8")
    except pl.exceptions.NoDataError as exc:
        raise SourceError("the file is empty", file=str(path)) from exc
    except (pl.exceptions.PolarsError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise SourceError(f"not readable as {kind[1:]}: {exc}", file=str(path)) from exc


def _read_ndjson(path: Path) -> pl.DataFrame:
    """As Polars reads it; a key with values of several kinds, which that may refuse, as text."""
    with path.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"{}")
    # The values of a long file are of one kind per metric, not per column.
    texts = {"value": pl.String} if _keys(first) >= LONG else {}
    try:
        return pl.read_ndjson(path, infer_schema_length=None, schema_overrides=texts)
    except pl.exceptions.ComputeError:
        with path.open("rb") as lines:
            records = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines if line.strip()]
        keys = dict.fromkeys(key for record in records for key in record)
        return pl.DataFrame({key: _column([record.get(key) for record in records]) for key in keys})


def _keys(line: bytes) -> set[str]:
    try:
        return set(msgspec.json.decode(line, type=dict[str, Any]))
    except msgspec.MsgspecError:
        return set()


def _column(cells: list[Any]) -> pl.Series:
    if len({kind_of(cell) for cell in cells if isinstance(cell, bool | str | float | int)}) < 2:
        return pl.Series(cells, strict=False)
    return pl.Series(
        [None if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in cells]
    )


def _times(table: pl.DataFrame, name: str, path: Path) -> Ints:
    found = to_epoch_ms(table[name])
    if found.null_count():
        row = int(found.is_null().arg_max() or 0)
        wrong = table[name][row]
        raise SourceError(
            f"{wrong!r} is no time" if wrong is not None else "no time",
            cure="write ISO 8601 or epoch milliseconds",
            file=str(path),
            line=row + (2 if path.suffix.lower() == ".csv" else 1),
            key=name,
        )
    return found.to_numpy()


def _devices(table: pl.DataFrame, layout: Layout) -> tuple[list[str], Ints]:
    if layout.device is not None or DEVICE not in table.columns:
        return [layout.device or ONLY_DEVICE], np.zeros(table.height, dtype=np.int64)
    ids = table[DEVICE].cast(pl.String).fill_null(ONLY_DEVICE)
    unique = ids.unique(maintain_order=True)
    codes = pl.DataFrame({DEVICE: unique, "code": np.arange(len(unique), dtype=np.int64)})
    places = pl.DataFrame({DEVICE: ids}).join(codes, on=DEVICE, how="left", maintain_order="left")
    return unique.to_list(), places["code"].to_numpy()


def _received(table: pl.DataFrame, ts: Ints, path: Path) -> tuple[Ints, Flags]:
    if RECEIVED not in table.columns:
        return ts, np.zeros(len(ts), dtype=np.bool_)
    said = table[RECEIVED]
    blank = said.is_null()
    if said.dtype == pl.String:
        blank |= said.str.strip_chars() == ""
    explicit = ~blank.fill_null(value=True).to_numpy()
    rows = np.flatnonzero(explicit)
    received = ts.copy()
    received[rows] = _times(table.select(RECEIVED)[rows], RECEIVED, path)
    return received, explicit


def _wide(table: pl.DataFrame) -> tuple[dict[Channel, pl.Series], dict[Channel, Ints]]:
    values = {}
    for name in table.columns:
        kind, column = kind_and_values(table[name])
        values[Channel(name, kind)] = column
    return values, {}


def _long(table: pl.DataFrame) -> tuple[dict[Channel, pl.Series], dict[Channel, Ints]]:
    values, places = {}, {}
    table = table.select("metric", "value").with_row_index("row").filter(pl.col("metric").is_not_null())
    for (name,), part in table.partition_by("metric", as_dict=True, maintain_order=True).items():
        kind, column = kind_and_values(part["value"])
        channel, held = Channel(str(name), kind), column.is_not_null()
        values[channel] = column.filter(held)
        places[channel] = part["row"].filter(held).to_numpy().astype(np.int64)
    return values, places
