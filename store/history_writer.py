"""Moves a partition of the reading log into the telemetry history, in batches: each reading once, whoever is killed."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

import polars as pl
import structlog

from domain.clock import from_ms
from domain.telemetry import LogBatch, LogExtent, Tick, Uplink
from store.history import Source
from store.history_rows import RowBuilder

ROWS, EVERY_S = 100_000, 60.0
IDLE_S = 600.0
"""A log without readings holds ticks all the same; past them, readers need not look."""
ROWS_PER_STEP = 400_000
_ENTRIES = 5_000

log = structlog.get_logger()


class ReadingLog(Protocol):
    """The part of the reading log that the writer uses."""

    def extent(self) -> LogExtent: ...

    def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]: ...


class Archive(Protocol):
    """The part of `store.history.History` that the writer uses."""

    def position(self, source: Source) -> int: ...

    def append(self, source: Source, rows: pl.DataFrame, *, after: int, up_to: int) -> None: ...


class HistoryWriter:
    """One partition. The only memory that counts is the history's own: after any failure it begins again from there."""

    def __init__(
        self,
        archive: Archive,
        reading_log: ReadingLog,
        *,
        partition: int,
        partitions: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seen_at: datetime | None = None
        """How far it has read, by the log's own times."""
        self._archive, self._log, self._monotonic = archive, reading_log, monotonic
        self._partition, self._partitions = partition, partitions
        self._source: Source | None = None
        self._committed = self._read = 0
        self._appended_at = 0.0
        self._builder = RowBuilder(partitions)

    def step(self) -> None:
        """Read what has come; append when there are `ROWS` or `EVERY_S` seconds have passed.

        Raises LogUnavailable, HistoryUnavailable, or LeaseLost if another writer is at work.
        """
        with self._forgetting():
            source = self._source or self._open()
            rows = 0
            while rows < ROWS_PER_STEP:
                before = len(self._builder)
                batches = self._log.read(self._partition, after=self._read, max_entries=_ENTRIES, wait_s=0)
                for batch in batches:
                    self._take(batch)
                rows += len(self._builder) - before
                if len(self._builder) >= ROWS:
                    self._append(source)
                if not batches:
                    break
            waited = self._monotonic() - self._appended_at
            if waited >= (EVERY_S if len(self._builder) else IDLE_S):
                self._append(source)

    def flush(self) -> None:
        """Append what is in hand: at a clean stop, so that nothing depends on when the next one starts."""
        with self._forgetting():
            if self._source is not None and len(self._builder):
                self._append(self._source)

    def forget(self) -> None:
        """Begin again from what the history says."""
        self._source = None

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.forget()  # nobody knows whether an append came through; the history does
            raise

    def _open(self) -> Source:
        extent = self._log.extent()
        source = Source(self._partition, self._partitions, extent.identity)
        self._committed = self._read = self._archive.position(source)
        if 0 < self._committed < extent.first - 1:
            log.warning(
                "the reading log let go of messages before the history had them: it was not written for too long",
                partition=self._partition,
                after=self._committed,
                before=extent.first,
            )
        self._builder.clear()
        self._source, self._appended_at = source, self._monotonic()
        return source

    def _take(self, batch: LogBatch) -> None:
        self._builder.add(batch)
        self._read = batch.sequence
        for entry in reversed(batch.entries):
            if isinstance(entry, Uplink | Tick):
                self.seen_at = from_ms(entry.received_at if isinstance(entry, Uplink) else entry.at)
                return

    def _append(self, source: Source) -> None:
        if self._read > self._committed:
            self._archive.append(source, self._builder.rows(), after=self._committed, up_to=self._read)
        self._committed, self._appended_at = self._read, self._monotonic()
        self._builder.clear()
