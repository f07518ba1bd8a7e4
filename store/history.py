"""The telemetry history: one Delta Lake table of all readings, in a folder or on S3, which outlives the reading log.

A row's place is its log partition (`slice`) and the day it was received (`day`). Receive time cannot lie, so a device
with a mad clock makes no thousand partitions, a past day never changes again, and expiry drops whole partitions.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from domain.errors import HistoryUnavailable, LeaseLost
from store.history_rows import ARRIVAL, COLUMNS, PARTITIONED_BY, day_of, delta_schema, holds, slice_name

AHEAD = timedelta(minutes=5)
"""An event time runs ahead of its receive time by that much at most."""
ROWS_PER_GROUP = 65_536
"""A device's readings stand together; a reader skips the groups that cannot hold them."""
WRITING = WriterProperties(max_row_group_size=ROWS_PER_GROUP, compression="ZSTD", compression_level=3)
_SETTINGS = {
    "delta.checkpointInterval": "100",
    # Readers hold a snapshot for as long as a query takes; a day is plenty.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
_CONFLICT = "Concurrent transaction failed"
_FAILURES = (DeltaError, OSError, pl.exceptions.ComputeError)


@dataclass(frozen=True, slots=True)
class Source:
    """The writer of one log partition, by name: `log` is the log's identity, since another log counts anew."""

    partition: int
    partitions: int
    log: str

    @property
    def slice(self) -> str:
        """The partition of the table that it writes."""
        return slice_name(self.partition, self.partitions)

    @property
    def app_id(self) -> str:
        """Under which name the table keeps how far it has got."""
        return f"prevenant/{self.slice}/{self.log}"


class History:
    """Reads and appends. Any thread; the table is made on first use. All methods raise HistoryUnavailable."""

    def __init__(self, url: str, *, options: Mapping[str, str] | None = None) -> None:
        """`url`: a folder, or an address such as s3://bucket/path, for which `options` or AWS_* variables say more."""
        self.url = url
        self._options = dict(options or {})
        self._lock = threading.Lock()
        self._opened: DeltaTable | None = None

    def position(self, source: Source) -> int:
        """Sequence of the log up to which all of the source's readings are in the history; 0 at the beginning."""
        with self._table() as table:
            return _position(table, source)

    def append(self, source: Source, rows: pl.DataFrame, *, after: int, up_to: int) -> None:
        """Add `rows` (as `COLUMNS`) and move the source's position from `after` to `up_to`, both or neither.

        Raises LeaseLost, and adds nothing, when the position is not `after` any more: somebody else writes as well.
        Delta itself would take a second append; it refuses only one that began before the first had ended.
        """
        with self.table() as table:
            found = _position(table, source)
            if found != after:
                raise LeaseLost(f"history {source.slice} stands at {found} and not at {after}")
            commit = CommitProperties(app_transactions=[Transaction(source.app_id, up_to)])
            try:
                if rows.is_empty():
                    schema = table.schema()
                    table.create_write_transaction([], "append", schema, PARTITIONED_BY, commit_properties=commit)
                else:
                    write_deltalake(table, rows, mode="append", writer_properties=WRITING, commit_properties=commit)
            except CommitFailedError as exc:
                if _CONFLICT in str(exc):
                    raise LeaseLost(f"history {source.slice} was written to by another process") from exc
                raise

    def readings(
        self, device_id: str, metrics: Sequence[str] | None, *, since: datetime, until: datetime, at_most: int
    ) -> pl.DataFrame | None:
        """Readings of one device with event times in [since, until], as `COLUMNS`, in no order; duplicates stand.

        None if there are more than `at_most`.
        """
        chosen = pl.col("device_id") == device_id
        if metrics is not None:
            chosen &= pl.col("metric").is_in(list(metrics))
        return self._collect(chosen, device_id, since=since, until=until, at_most=at_most)

    def recording(
        self, device_ids: Sequence[str] | None, *, since: datetime, until: datetime, at_most: int
    ) -> pl.DataFrame | None:
        """As `readings`, of several devices or of all, in order of arrival."""
        chosen = pl.lit(value=True) if device_ids is None else pl.col("device_id").is_in(list(device_ids))
        found = self._collect(chosen, None, since=since, until=until, at_most=at_most)
        return None if found is None else found.sort(ARRIVAL, maintain_order=True)

    @contextmanager
    def table(self) -> Iterator[DeltaTable]:
        """The table as it is now, made if there is none; nothing else happens through this object meanwhile."""
        with self._lock, self._failing():
            yield self._newest() or self._create()

    def _collect(
        self, chosen: pl.Expr, device_id: str | None, *, since: datetime, until: datetime, at_most: int
    ) -> pl.DataFrame | None:
        with self._failing():
            found = self._scan(chosen, device_id, since=since, until=until).head(at_most + 1).collect()
        return found if found.height <= at_most else None

    def _scan(self, chosen: pl.Expr, device_id: str | None, *, since: datetime, until: datetime) -> pl.LazyFrame:
        with self._table() as table:
            if table is None:
                return pl.LazyFrame(schema=COLUMNS)
            first = pl.lit(day_of(since - AHEAD))
            where = (
                chosen
                & (pl.col("day") >= first)
                & pl.col("ts").is_between(pl.lit(since.astimezone(UTC)), pl.lit(until.astimezone(UTC)))
            )
            if device_id is not None:
                names = {partition["slice"] for partition in table.partitions()}
                where &= pl.col("slice").is_in([name for name in sorted(names) if holds(name, device_id)])
            # The list of files is taken here: it belongs to the snapshot that the lock guards.
            return pl.scan_delta(table, storage_options=self._options or None).select(*COLUMNS).filter(where)

    @contextmanager
    def _table(self) -> Iterator[DeltaTable | None]:
        """The newest snapshot; None where there is no table yet."""
        with self._lock, self._failing():
            yield self._newest()

    def _newest(self) -> DeltaTable | None:
        if self._opened is not None:
            try:
                self._opened.update_incremental()
                return self._opened
            except DeltaError:
                self._opened = None  # we slept through the life of the log's entries: read it from its checkpoint
        try:
            self._opened = DeltaTable(self.url, storage_options=self._options or None)
        except TableNotFoundError:
            return None
        return self._opened

    def _create(self) -> DeltaTable:
        self._opened = DeltaTable.create(
            self.url,
            delta_schema(),
            mode="ignore",
            partition_by=PARTITIONED_BY,
            name="readings",
            configuration=_SETTINGS,
            storage_options=self._options or None,
        )
        return self._opened

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as exc:
            self._opened = None
            raise HistoryUnavailable(f"history at {self.url}: {exc}") from exc


def _position(table: DeltaTable | None, source: Source) -> int:
    return (table.transaction_version(source.app_id) if table is not None else None) or 0
