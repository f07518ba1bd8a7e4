"""One device's day out of ten million rows of the telemetry history, through the reader that REST uses, and as a ratio
to a scan that reads all rows of the same table. Also what writing and compacting cost.

Usage: python benchmarks/history_day.py [ROWS]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from domain.clock import to_ms
from domain.telemetry import LogBatch, Sample, Uplink, partition_of
from store.history import History, Source
from store.history_rows import COLUMNS, RowBuilder, moment
from store.history_upkeep import keep_up

DAY = datetime(2026, 3, 3, tzinfo=UTC)
PARTITIONS, DEVICES, METRICS = 8, 1000, 10
ROWS_PER_APPEND = 100_000
LIMIT_S = 1.0


def main(rows: int) -> int:
    """Print the figures; exit code 1 if a day takes longer than the issue allows."""
    with tempfile.TemporaryDirectory() as folder:
        history = History(folder)
        wrote = timed(lambda: fill(history, rows))
        print(f"{rows:,} rows of {DEVICES} devices, {METRICS} metrics, one day, appended by {ROWS_PER_APPEND:,}")
        print(f"  write          {rows / wrote:12,.0f} rows/s ({wrote:.1f} s)")
        print(f"  decode to rows {1 / decoding():12,.0f} rows/s")
        fresh = asks(History(folder))
        compacted = timed(lambda: keep_up(History(folder), today=DAY.date() + timedelta(days=2), keep_days=400))
        print(f"  compact        {rows / compacted:12,.0f} rows/s ({compacted:.1f} s)")
        cold = timed(lambda: day(History(folder), "device-7"))
        asked = asks(History(folder))
        scan = timed(lambda: scan_all(History(folder)))
        print(f"one device's day ({day(history, 'device-7'):,} rows):")
        print(f"  before compaction {fresh * 1000:8.1f} ms")
        print(f"  first, cold       {cold * 1000:8.1f} ms")
        print(f"  then, median      {asked * 1000:8.1f} ms")
        print(f"  full scan         {scan * 1000:8.1f} ms, {scan / asked:.0f} times as long")
    return int(max(cold, asked) > LIMIT_S)


def fill(history: History, rows: int) -> None:
    """Rows as the writers append them: each append holds one partition's devices."""
    names = [f"device-{n}" for n in range(DEVICES)]
    of = {p: [name for name in names if partition_of(name, PARTITIONS) == p] for p in range(PARTITIONS)}
    rng, start = np.random.default_rng(0), to_ms(DAY)
    appends = max(1, rows // ROWS_PER_APPEND)
    positions = dict.fromkeys(range(PARTITIONS), 0)
    for number in range(appends):
        partition = number % PARTITIONS
        at = start + number * 86_000_000 // appends
        source = Source(partition, PARTITIONS, "benchmark")
        frame = batch(rng, of[partition], at, min(ROWS_PER_APPEND, rows), source.slice)
        history.append(source, frame, after=positions[partition], up_to=number + 1)
        positions[partition] = number + 1


def batch(rng: np.random.Generator, names: list[str], at: int, rows: int, slice_: str) -> pl.DataFrame:
    """`rows` readings of these devices within some seconds."""
    times = at + rng.integers(0, 60_000, rows)
    return (
        pl.DataFrame(
            {
                "device_id": pl.Series(names).gather(rng.integers(0, len(names), rows)),
                "metric": pl.Series([f"metric_{n}" for n in range(METRICS)]).gather(rng.integers(0, METRICS, rows)),
                "ts": times,
                "received_at": times,
                "number": rng.normal(20, 5, rows).round(2),
                "sequence": np.arange(rows),
            }
        )
        .with_columns(
            moment(pl.col("ts")),
            moment(pl.col("received_at")),
            boolean=pl.lit(None, pl.Boolean),
            string=pl.lit(None, pl.String),
            restamped=pl.lit(value=False),
            entry=pl.lit(0, pl.Int32),
            slice=pl.lit(slice_),
            day=pl.lit(DAY.date()),
        )
        .sort("device_id", "metric", "ts")
        .select(*COLUMNS)
    )


def decoding() -> float:
    """Seconds per row to turn decoded log messages into rows."""
    samples = tuple(Sample(n, {f"m{k}": float(k) for k in range(METRICS)}) for n in range(10))
    entries = tuple(Uplink(f"device-{n}", 0, samples) for n in range(200))
    builder = RowBuilder(PARTITIONS)

    def work() -> None:
        for sequence in range(5):
            builder.add(LogBatch(sequence, entries))
        builder.rows()

    return timed(work) / len(builder)


def day(history: History, device_id: str) -> int:
    """How many readings one day of a device has."""
    found = history.readings(device_id, None, since=DAY, until=DAY + timedelta(days=1), at_most=10_000_000)
    assert found is not None
    return found.height


def asks(history: History) -> float:
    """Median seconds of a day, over different devices."""
    return statistics.median(timed(lambda n=n: day(history, f"device-{n * 31}")) for n in range(15))


def scan_all(history: History) -> int:
    """Reads every row and keeps one device's."""
    with history.table() as table:
        frame = pl.scan_delta(table).select(*COLUMNS).collect()
    return frame.filter(pl.col("device_id") == "device-7").height


def timed(work: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
