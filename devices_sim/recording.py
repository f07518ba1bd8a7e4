"""Recorded telemetry from a file: CSV, NDJSON or Parquet, long or wide, as samples in file order."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

Value = float | bool | str
LONG = {"metric", "value"}
RECEIVED_AT = "received_at"
"""When it was received then says nothing about now: never published as a metric."""
SLICE = 5_000


@dataclass(frozen=True, slots=True)
class Sample:
    """All values of one device at one time; `ts` is epoch milliseconds."""

    device_id: str
    ts: int
    values: Mapping[str, Value]


class Recording:
    """One file of recorded telemetry. Raises ValueError that says what is wrong in it, and where."""

    def __init__(
        self,
        path: Path,
        *,
        time_column: str = "ts",
        device: str | None = None,
        ignore: Collection[str] = (),
        delimiter: str = ",",
    ) -> None:
        """`device` names the device of every row; without it the file's `device_id` does, or it is "device"."""
        self._time_column, self._device = time_column, device
        frame = _read(path, delimiter=delimiter)
        missing = [name for name in (time_column, *ignore) if name not in frame.columns]
        if missing:
            raise ValueError(f"no column {missing[0]!r}; it has {', '.join(frame.columns)}")
        self._frame = frame.drop([name for name in ignore if name != time_column])
        self._times = [self._epoch_ms(cell, row) for row, cell in enumerate(frame[time_column].to_list(), start=1)]

    @property
    def first_ts(self) -> int:
        return min(self._times)

    @property
    def last_ts(self) -> int:
        return max(self._times)

    @property
    def rows(self) -> int:
        return len(self._times)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics it holds, in order of appearance."""
        if self._is_long:
            return tuple(str(name) for name in self._frame["metric"].unique(maintain_order=True).drop_nulls())
        return tuple(self._metric_columns)

    def samples(self) -> Iterator[Sample]:
        """In file order; adjacent rows of one device and time are one sample, and one without any value is none."""
        for (device_id, ts), rows in groupby(self._rows(), key=lambda row: row[:2]):
            values = {name: value for _, _, found in rows for name, value in found.items()}
            if values:
                yield Sample(device_id, ts, values)

    @property
    def _is_long(self) -> bool:
        return set(self._frame.columns) >= LONG

    @property
    def _metric_columns(self) -> list[str]:
        return [name for name in self._frame.columns if name not in {self._time_column, "device_id", RECEIVED_AT}]

    def _rows(self) -> Iterator[tuple[str, int, dict[str, Value]]]:
        wide = None if self._is_long else self._metric_columns
        times = iter(self._times)
        for part in self._frame.iter_slices(SLICE):
            for row in part.iter_rows(named=True):
                device_id = self._device or str(row.get("device_id") or "device")
                cells = {str(row["metric"]): row["value"]} if wide is None else {name: row[name] for name in wide}
                typed = ((name, _typed(cell)) for name, cell in cells.items())
                yield device_id, next(times), {name: value for name, value in typed if value is not None}

    def _epoch_ms(self, cell: Any, row: int) -> int:
        try:
            return _epoch_ms(cell)
        except (ValueError, OverflowError) as exc:
            raise ValueError(
                f"row {row}, column {self._time_column!r}: {cell!r} is neither ISO 8601 nor epoch ms"
            ) from exc


def _read(path: Path, *, delimiter: str) -> pl.DataFrame:
    readers = {
        ".csv": lambda: pl.read_csv(path, separator=delimiter, infer_schema=False),
        ".ndjson": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".jsonl": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".parquet": lambda: pl.read_parquet(path),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.suffix or 'no ending'} is not known; use {', '.join(readers)}")
    try:
        frame = reader()
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise ValueError(f"cannot be read: {exc}") from exc
    if frame.is_empty():
        raise ValueError("no rows")
    return frame


def _epoch_ms(cell: Any) -> int:
    """Epoch milliseconds from epoch ms or ISO 8601; a time without a zone is UTC."""
    if isinstance(cell, str):
        text = cell.strip()
        try:
            return round(float(text))
        except ValueError:
            cell = datetime.fromisoformat(text)
    if isinstance(cell, datetime):
        return round((cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(cell, date):
        return round(datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp() * 1000)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return round(cell)
    raise ValueError(cell)


def _typed(cell: Any) -> Value | None:
    """A value as telemetry knows it; None for what is none: empty, null, NaN, infinite."""
    if isinstance(cell, str):
        return _typed_text(cell.strip())
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, int | float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, date):  # a datetime is one too
        return cell.isoformat()
    return json.dumps(cell, default=str)


def _typed_text(text: str) -> Value | None:
    if not text or text.lower() in {"nan", "null", "none"}:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else None
