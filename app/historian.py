"""Part of the clock role: moves the reading log into the telemetry history, and keeps that history in shape.

Each partition is written by the one process that holds its lease; the history itself refuses a second one.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from domain.clock import Clock
from domain.errors import LeaseLost, PrevenantError
from store import leases, meta
from store.database import Database
from store.history import History
from store.history_rows import slice_name
from store.history_upkeep import keep_up
from store.history_writer import HistoryWriter, ReadingLog

WRITE_EVERY_S, LOOK_EVERY_S = 1.0, 300.0
LEASE_S, RENEW_S = 60.0, 20.0
UPKEEP_EVERY_S, UPKEEP_LEASE_S = 3600.0, 3600.0
LATE = timedelta(hours=1)
"""So far behind, somebody should know: the log lets go of what is 48 hours old, written or not."""
_UPKEEP, _KEPT_UP_AT = "history-upkeep", "history_kept_up_at"

log = structlog.get_logger()


class Historian:
    """Called by the clock role's ticker. One step, and one round of upkeep, at a time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reading_log: ReadingLog,
        history: History,
        *,
        partitions: int,
        owner: str,
        keep_days: int,
    ) -> None:
        self._database, self._clock, self._history = database, clock, history
        self._partitions, self._owner, self._keep_days = partitions, owner, keep_days
        self._writers = {
            partition: HistoryWriter(history, reading_log, partition=partition, partitions=partitions)
            for partition in range(partitions)
        }
        self._held: set[int] = set()
        self._renewed_at = float("-inf")

    def write(self) -> None:
        """Move what has come in all partitions that are ours. Raises LogUnavailable, HistoryUnavailable."""
        for partition in sorted(self._held_now()):
            try:
                self._writers[partition].step()
            except LeaseLost as exc:
                log.warning("somebody else writes this part of the history", detail=str(exc))
                self._held.discard(partition)

    def close(self) -> None:
        """At a clean stop: append what is in hand, and let others go on at once."""
        for partition in self._held:
            try:
                self._writers[partition].flush()
            except PrevenantError as exc:
                log.warning("some readings are not in the history yet; the next start takes them", detail=str(exc))
        with self._database.write() as session:
            for partition in self._held:
                leases.hold(session, self._lease(partition), owner=self._owner, seconds=0)

    def keep_up(self) -> None:
        """Compact, expire and clean at most hourly, whoever does it. Raises HistoryUnavailable."""
        with self._database.write() as session:
            last = float(meta.get(session, _KEPT_UP_AT) or 0)
            if time.time() - last < UPKEEP_EVERY_S:
                return
            if not leases.hold(session, _UPKEEP, owner=self._owner, seconds=UPKEEP_LEASE_S):
                return
        # A view of its own: appends go on meanwhile.
        done = keep_up(History(self._history.url), today=self._clock.now().date(), keep_days=self._keep_days)
        with self._database.write() as session:
            meta.put(session, _KEPT_UP_AT, str(time.time()))
        log.info("history kept up", compacted=done.compacted, expired=done.expired_files, removed=done.removed_files)

    def report(self) -> Mapping[str, Any]:
        """For status: how many partitions are ours, and how far the slowest is behind."""
        now = self._clock.now()
        behind = [now - at for partition in self._held if (at := self._writers[partition].seen_at)]
        slowest = max(behind, default=timedelta())
        late = slowest > LATE
        return {
            "history_partitions": len(self._held),
            "history_behind_s": round(max(slowest.total_seconds(), 0.0), 1),
            "trouble": f"history is {slowest} behind; the log keeps 48 hours" if late else None,
        }

    def _held_now(self) -> set[int]:
        if time.monotonic() - self._renewed_at >= RENEW_S:
            with self._database.write() as session:
                held = {
                    partition
                    for partition in range(self._partitions)
                    if leases.hold(session, self._lease(partition), owner=self._owner, seconds=LEASE_S)
                }
            for partition in held - self._held:
                self._writers[partition].forget()  # somebody else may have written meanwhile
            self._held, self._renewed_at = held, time.monotonic()
        return set(self._held)

    def _lease(self, partition: int) -> str:
        return f"history-{slice_name(partition, self._partitions)}"
