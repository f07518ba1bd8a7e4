"""Keeps the telemetry history quick and bounded: small files made into sorted ones, old days and dead files removed."""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from deltalake import DeltaTable

from store.history import WRITING, History

TARGET_BYTES = 128 * 1024 * 1024
_SMALL = TARGET_BYTES // 2
SMALL_FILES_TODAY = 24
"""A day that is not over is rewritten only when so many small files have come together."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round did."""

    compacted: int = 0
    """Pairs of slice and day."""
    expired_files: int = 0
    removed_files: int = 0


def keep_up(history: History, *, today: date, keep_days: int) -> Upkeep:
    """Expire what was received more than `keep_days` days ago, compact, and remove files that nobody needs.

    Appends may go on meanwhile, by any process. Raises HistoryUnavailable.
    """
    with history.table() as table:
        expired = _expire(table, before=today - timedelta(days=keep_days))
        due = scattered(table, today=today)
        for slice_, day in due:
            # One column: a plain sort, so a device's readings of the day stand together and the rest is skipped.
            table.optimize.z_order(
                ["device_id"],
                partition_filters=[("slice", "=", slice_), ("day", "=", day.isoformat())],
                target_size=TARGET_BYTES,
                writer_properties=WRITING,
            )
        removed = table.vacuum(dry_run=False)
        if expired or due:
            table.create_checkpoint()
            table.cleanup_metadata()
    return Upkeep(len(due), expired, len(removed))


def scattered(table: DeltaTable, *, today: date) -> list[tuple[str, date]]:
    """The pairs of slice and day whose readings lie in more small files than they should, oldest first."""
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    if files.is_empty():
        return []
    small = (
        files.filter(pl.col("size_bytes") < _SMALL)
        .group_by(slice="partition.slice", day="partition.day")
        .agg(files=pl.len())
        .filter(pl.col("files") >= pl.when(pl.col("day") >= today).then(SMALL_FILES_TODAY).otherwise(2))
    )
    return [(row["slice"], row["day"]) for row in small.sort("day", "slice").iter_rows(named=True)]


def _expire(table: DeltaTable, *, before: date) -> int:
    days = {partition["day"] for partition in table.partitions()}
    if not any(day < before.isoformat() for day in days):
        return 0
    return int(table.delete(f"day < '{before.isoformat()}'")["num_removed_files"])
