"""The columnar door: a frame of readings, as NDJSON bytes or as a wide table, straight into the engine's columns.

`observe` takes log entries, one object per message. Who has readings side by side already (a bulk upload, a stored
history, a benchmark) goes through here to `engine.observe_batch` and never makes an object per reading.
"""

import numpy as np
import polars as pl

from rules.cells import flat, to_epoch_ms
from rules.chunks import batches
from rules.devices import Devices
from rules.directory import numbers
from rules.model import Kind
from rules.readings import DEVICE, ONLY_DEVICE, RECEIVED, TIME, Recording
from rules.samples import Batch, Channel, empty_rows


def read_frame(data: bytes) -> pl.DataFrame:
    """NDJSON, one sample a line: `device_id`, `ts`, any metrics, perhaps `received_at`; nested keys become dotted.

    PolarsError for bytes that are none.
    """
    return flat(pl.read_ndjson(data))


def batch_of(frame: pl.DataFrame, devices: Devices) -> Batch:
    """The frame's samples in its order; a device that is new gets its number.

    As in a recorded file, adjacent rows of one device with one `received_at` are one message. Cells have the kind of
    their column: nothing is guessed from text.
    """
    ts = to_epoch_ms(frame[TIME]).to_numpy()
    device = numbers(frame[DEVICE].cast(pl.String).fill_null(ONLY_DEVICE), devices)
    explicit = np.zeros(len(ts), dtype=np.bool_)
    received = ts
    if RECEIVED in frame.columns:
        said = to_epoch_ms(frame[RECEIVED])
        explicit = said.is_not_null().to_numpy()
        received = np.where(explicit, said.fill_null(0).to_numpy(), ts)
    values = {}
    for column in frame.drop(TIME, DEVICE, RECEIVED, strict=False).iter_columns():
        kind, cells = _typed(column)
        if cells is not None:
            values[Channel(column.name, kind)] = cells
    # The devices have their numbers already.
    recording = Recording([], device, ts, received, explicit, values)
    slots = np.arange(len(devices.ids))
    return next(batches(recording, slots, ticks=False, rows=max(len(ts), 1)), Batch(empty_rows(), ()))


def _typed(column: pl.Series) -> tuple[Kind, pl.Series | None]:
    if column.dtype == pl.Boolean:
        return Kind.BOOLEAN, column
    if column.dtype == pl.String:
        return Kind.STRING, column
    if not column.dtype.is_numeric():
        return Kind.NUMBER, None
    cells = column.cast(pl.Float64)
    if not cells.null_count() and np.isfinite(cells.to_numpy()).all():
        return Kind.NUMBER, cells
    return Kind.NUMBER, cells.set(~cells.is_finite(), None)
