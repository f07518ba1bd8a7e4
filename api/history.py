"""A device's readings over a time, as series per metric: from the history, and its tail from the reading log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import structlog

from api.services import Services
from api.thinning import KINDS, pairs
from domain.errors import LogUnavailable, SourceError
from domain.telemetry import Uplink, Value, partition_of
from store.history import AHEAD, Source
from store.history_rows import ARRIVAL, rows_of

AT_MOST = 5_000_000
"""So many readings are looked at for one answer."""
TAIL_PATIENCE_S = 5.0
"""So long the log is looked through. Its tail is a minute long, unless nobody writes the history."""

Series = list[tuple[int, Value]]
"""(event time in epoch ms, value), in order of event time, each time once."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """What the device sent."""

    series: dict[str, pl.DataFrame]
    """By metric: columns as `POINTS`, each event time once."""
    complete: bool
    """False: the newest readings, or those that the log alone holds, could not all be read now."""


def series(
    house: Services, device_id: str, metrics: Sequence[str] | None, *, since: datetime, until: datetime
) -> dict[str, Series]:
    """What the device sent with event times in [since, until], by metric; all metrics with None."""
    found = read(house, device_id, metrics, since=since, until=until)
    return {metric: pairs(points) for metric, points in found.series.items()}


def read(house: Services, device_id: str, metrics: Sequence[str] | None, *, since: datetime, until: datetime) -> Found:
    """As `series`, in columns. Raises HistoryUnavailable, and SourceError where there is too much."""
    # The tail first: what moves from the log into the history meanwhile is seen twice rather than not at all.
    tail, complete = _tail(house, device_id, since=since)
    stored = house.history.readings(device_id, metrics, since=since, until=until, at_most=AT_MOST)
    if stored is None:
        raise SourceError(
            f"more than {AT_MOST} readings", cure="ask for a shorter time, or for fewer metrics at once", key="from"
        )
    fresh = rows_of(tail).filter(pl.col("ts").is_between(pl.lit(since), pl.lit(until)))
    if metrics is not None:
        fresh = fresh.filter(pl.col("metric").is_in(list(metrics)))
    # The same reading twice counts once: the first stays.
    rows = pl.concat([stored, fresh]).sort(ARRIVAL).unique(["metric", "ts"], keep="first").sort("ts")
    points = rows.select("metric", pl.col("ts").dt.epoch("ms"), *KINDS)
    by_metric = points.partition_by("metric", as_dict=True, include_key=False)
    return Found({str(metric): frame for (metric,), frame in by_metric.items()}, complete)


def _tail(house: Services, device_id: str, *, since: datetime) -> tuple[list[Uplink], bool]:
    """What the history does not hold yet of a device, and whether that is all of it."""
    tail: list[Uplink] = []
    try:
        partition = partition_of(device_id, house.partitions)
        source = Source(partition, house.partitions, house.log.extent().identity)
        after = house.history.position(source)
        # A stamp runs ahead of the receive time a little, and the log is searched by receive time.
        for uplink in house.log.readings_of(
            device_id, partition=partition, since=since - AHEAD, after=after, patience_s=TAIL_PATIENCE_S
        ):
            tail.append(uplink)  # noqa: PERF402 - what came before an error counts
    except LogUnavailable as exc:
        log.warning("readings without the newest ones", device_id=device_id, detail=str(exc))
        return tail, False
    return tail, True
