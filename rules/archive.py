"""Rows of the telemetry history as a recording that the back-test takes, as if they stood in a file."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from rules.model import Kind
from rules.readings import Recording
from rules.samples import Channel, Ints

_COLUMNS = {"number": Kind.NUMBER, "boolean": Kind.BOOLEAN, "string": Kind.STRING}


def recording_of(rows: pl.DataFrame) -> Recording:
    """Of rows `device_id, metric, ts, received_at, number, boolean, string` (times UTC), one per reading, in order of
    arrival. Two messages of one device that were received in the same millisecond count as one.
    """
    ids = rows["device_id"].unique(maintain_order=True)
    codes = pl.DataFrame({"device_id": ids, "code": np.arange(len(ids), dtype=np.int64)})
    device = rows.select("device_id").join(codes, on="device_id", how="left", maintain_order="left")["code"]
    # The kind that came first is the metric's; of two channels, the last one named is it.
    channels = sorted(_channels(rows), key=lambda found: -int(found[2][0]))
    return Recording(
        ids.to_list(),
        device.to_numpy(),
        rows["ts"].dt.epoch("ms").to_numpy(),
        rows["received_at"].dt.epoch("ms").to_numpy(),
        np.ones(rows.height, dtype=np.bool_),
        {channel: values for channel, values, _ in channels},
        {channel: places for channel, _, places in channels},
    )


def _channels(rows: pl.DataFrame) -> Iterator[tuple[Channel, pl.Series, Ints]]:
    """Each metric's values of one kind, and in which rows they stand."""
    narrow = rows.select("metric", *_COLUMNS).with_row_index("row")
    for (metric,), part in narrow.partition_by("metric", as_dict=True, maintain_order=True).items():
        for column, kind in _COLUMNS.items():
            held = part.filter(pl.col(column).is_not_null())
            if held.height:
                yield Channel(str(metric), kind), held[column], held["row"].to_numpy().astype(np.int64)
