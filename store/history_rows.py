"""The telemetry history's rows: what one reading looks like in Delta Lake, and log messages turned into them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

import polars as pl
from deltalake.schema import Field, PrimitiveType, Schema

from domain.telemetry import LogBatch, Uplink, Value, partition_of

MOMENT = pl.Datetime("us", "UTC")
COLUMNS: dict[str, pl.DataType] = {
    "device_id": pl.String(),
    "metric": pl.String(),
    "ts": MOMENT,
    "received_at": MOMENT,
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "string": pl.String(),
    "restamped": pl.Boolean(),
    "sequence": pl.Int64(),
    "entry": pl.Int32(),
    "slice": pl.String(),
    "day": pl.Date(),
}
"""One row per reading. Exactly one of `number`, `boolean`, `string` is set. `sequence` and `entry` are its place in the
reading log. `slice` and `day` (of `received_at`, UTC) are the table's partition columns."""
PARTITIONED_BY = ["slice", "day"]
ARRIVAL = ["received_at", "sequence", "entry"]
"""Sorted by these, rows stand in the order in which they came."""

_DELTA = {
    pl.String(): "string",
    MOMENT: "timestamp",
    pl.Float64(): "double",
    pl.Boolean(): "boolean",
    pl.Int64(): "long",
    pl.Int32(): "integer",
    pl.Date(): "date",
}


def slice_name(partition: int, partitions: int) -> str:
    """Name of a log partition that says how many there were: a row is found again after their number changed."""
    return f"{partition}of{partitions}"


def holds(slice_: str, device_id: str) -> bool:
    """Whether the device's readings are in the slice."""
    partition, _, partitions = slice_.partition("of")
    return partition_of(device_id, int(partitions)) == int(partition)


def delta_schema() -> Schema:
    """`COLUMNS` as Delta Lake writes them."""
    return Schema([Field(name, PrimitiveType(_DELTA[dtype])) for name, dtype in COLUMNS.items()])


class RowBuilder:
    """Collects the readings of log messages of one partition, column by column."""

    def __init__(self, partitions: int) -> None:
        """`partitions`: how many the log has now."""
        self._partitions = partitions
        self._columns: dict[str, list[Value | int | bool | None]] = {}
        self.clear()

    def __len__(self) -> int:
        return len(self._columns["metric"])

    def clear(self) -> None:
        """Begin anew."""
        self._columns = {name: [] for name in COLUMNS if name not in PARTITIONED_BY}

    def add(self, batch: LogBatch) -> None:
        """The readings of one log message; what else it holds is no telemetry."""
        for entry, uplink in enumerate(batch.entries):
            if isinstance(uplink, Uplink):
                self._add(uplink, batch.sequence, entry)

    def rows(self) -> pl.DataFrame:
        """All of it, as `COLUMNS`, sorted so that a device's readings stand together."""
        times = {"ts", "received_at"}
        types = {name: pl.Int64() if name in times else COLUMNS[name] for name in self._columns}
        frame = pl.DataFrame(self._columns, schema=types)
        return (
            frame.with_columns(moment(pl.col(name)) for name in sorted(times))
            .with_columns(self._slices(frame["device_id"]), pl.col("received_at").dt.date().alias("day"))
            .sort("device_id", "metric", "ts")
            .select(*COLUMNS)
        )

    def _slices(self, device_ids: pl.Series) -> pl.Series:
        """By device, not by the partition that was read: what was written under another number of partitions may lie
        in the wrong one.
        """
        ids = device_ids.unique()
        names = [slice_name(partition_of(each, self._partitions), self._partitions) for each in ids]
        return device_ids.replace_strict(ids, names, return_dtype=pl.String).alias("slice")

    def _add(self, uplink: Uplink, sequence: int, entry: int) -> None:
        columns = self._columns
        for sample in uplink.samples:
            for metric, value in sample.values.items():
                columns["device_id"].append(uplink.device_id)
                columns["metric"].append(metric)
                columns["ts"].append(sample.event_time)
                columns["received_at"].append(uplink.received_at)
                # A boolean is an int to Python.
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                columns["number"].append(float(value) if is_number else None)
                columns["boolean"].append(value if isinstance(value, bool) else None)
                columns["string"].append(value if isinstance(value, str) else None)
                columns["restamped"].append(sample.restamped)
                columns["sequence"].append(sequence)
                columns["entry"].append(entry)


def rows_of(uplinks: Iterable[Uplink]) -> pl.DataFrame:
    """Uplinks that are not in the history yet, in order of arrival, with the columns of `COLUMNS`.

    Their places in the log are not known; they count as later than all that is in the history.
    """
    builder = RowBuilder(1)
    builder.add(LogBatch(2**62, tuple(uplinks)))
    return builder.rows().sort(ARRIVAL)


def moment(ms: pl.Expr) -> pl.Expr:
    """Epoch milliseconds as a time."""
    return pl.from_epoch(ms, time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")


def day_of(at: datetime) -> date:
    """The partition of what was received at `at`."""
    return at.astimezone(UTC).date()
