"""A device's readings over a time, from the reading log, as series per metric."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.services import Services
from domain.clock import to_ms
from domain.telemetry import Value, partition_of

LATE = timedelta(minutes=5)
"""A stamp runs ahead of the receive time by that much at most, and the log is searched by receive time."""

Series = list[tuple[int, Value]]
"""(event time in epoch ms, value), in order of event time, each time once."""


def series(
    house: Services, device_id: str, metrics: Sequence[str] | None, *, since: datetime, until: datetime
) -> dict[str, Series]:
    """What the device sent with event times in [since, until], by metric; all metrics with None."""
    first, last = to_ms(since), to_ms(until)
    found: dict[str, dict[int, Value]] = {}
    partition = partition_of(device_id, house.partitions)
    for uplink in house.log.readings_of(device_id, partition, since - LATE):
        for sample in uplink.samples:
            if not first <= sample.event_time <= last:
                continue
            for metric, value in sample.values.items():
                if metrics is None or metric in metrics:
                    # The same reading twice counts once: the first stays.
                    found.setdefault(metric, {}).setdefault(sample.event_time, value)
    return {metric: sorted(points.items()) for metric, points in found.items()}
