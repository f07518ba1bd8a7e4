"""A recording cut into batches for the engine: rows of one device and event time in one message become one sample."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from rules.readings import Recording
from rules.samples import NEVER, Batch, Channel, Ints, Rows, empty_rows, gather, without_empty
from rules.segments import group_starts, running_maximum
from rules.ticks import STEP_MS


class _Order(NamedTuple):
    """The file's rows in the order in which they are taken, and the sample each belongs to."""

    row: Ints
    sample: Ints
    message: Ints
    """Of each sample."""
    head: Ints
    """Of each sample, its first row in the file."""
    plain: bool
    """Each row is a sample, in the order of the file."""


def batches(
    recording: Recording, slots: Ints, *, ticks: bool, rows: int = 50_000, every_ms: int | None = None
) -> Iterator[Batch]:
    """Batches of about `rows` samples, no message in two; `slots` number the recording's devices.

    With `every_ms` devices are taken side by side, and no batch goes beyond a multiple of it in received time.
    """
    order = _order(recording)
    every = _ticks(recording) if ticks else ()
    bound = _bounds(recording)
    if every_ms is not None:
        order = _side_by_side(order, bound)
    spans = -(-bound[order.head] // every_ms) if every_ms is not None else np.zeros(len(order.head), dtype=np.int64)
    total = len(order.head)
    at = 0
    while at < total:
        end = min(at + rows, total)
        end = int(np.searchsorted(order.message, order.message[end - 1], side="right"))
        end = min(end, int(np.searchsorted(spans, spans[at], side="right")))
        yield Batch(_rows(recording, order, range(at, end), slots=slots, bound=bound), every)
        at = end
    if len(every):
        yield Batch(empty_rows(), every, until=every[-1] + 1)


def _order(recording: Recording) -> _Order:
    device, ts, received, explicit = recording.device, recording.ts, recording.received, recording.explicit
    size = len(recording)
    fresh = np.ones(size, dtype=np.bool_)
    fresh[1:] = (device[1:] != device[:-1]) | (explicit[1:] != explicit[:-1]) | (received[1:] != received[:-1])
    row = np.arange(size)
    if fresh.all():
        return _Order(row, row, row, row, plain=True)
    message = np.cumsum(fresh) - 1
    if size and (np.diff(ts)[~fresh[1:]] < 0).any():
        row = np.lexsort((row, ts, message))
    begins = np.ones(size, dtype=np.bool_)
    begins[1:] = (message[row][1:] != message[row][:-1]) | (np.diff(ts[row]) != 0)
    plain = bool(begins.all()) and bool((row[1:] > row[:-1]).all())
    return _Order(row, np.cumsum(begins) - 1, message[row][begins], row[begins], plain)


def _side_by_side(order: _Order, bound: Ints) -> _Order:
    """In order of received time over all devices; each device's own order stays, and so do its messages."""
    place = np.argsort(bound[order.head], kind="stable")
    rank = np.empty_like(place)
    rank[place] = np.arange(len(place))
    sample = rank[order.sample]
    row = np.argsort(sample, kind="stable")
    message = order.message[place]
    fresh = np.ones(len(message), dtype=np.bool_)
    fresh[1:] = message[1:] != message[:-1]
    return _Order(order.row[row], sample[row], np.cumsum(fresh) - 1, order.head[place], plain=False)


def _bounds(recording: Recording) -> Ints:
    """Per row the running maximum of its device's receive times: ticks before that come before the row."""
    if (recording.received[1:] >= recording.received[:-1]).all():
        return recording.received
    order = np.argsort(recording.device, kind="stable")
    starts = group_starts(recording.device[order])
    found = np.empty_like(recording.received)
    found[order] = running_maximum(recording.received[order], starts, np.full(len(starts), NEVER))
    return found


def _ticks(recording: Recording) -> Sequence[int]:
    """Each whole second between the first and the last time of receipt."""
    if not len(recording):
        return ()
    first, last = int(recording.received.min()), int(recording.received.max())
    return range(-(-first // STEP_MS) * STEP_MS, last + 1, STEP_MS)


def _rows(recording: Recording, order: _Order, samples: range, *, slots: Ints, bound: Ints) -> Rows:
    start, end = samples.start, samples.stop
    first, last = np.searchsorted(order.sample, [start, end])
    row, sample = order.row[first:last], order.sample[first:last] - start
    head = order.head[start:end]
    if order.plain and not recording.places:
        values: dict[Channel, pl.Series | None] = {
            channel: column.slice(start, end - start) for channel, column in recording.values.items()
        }
    else:
        values = {channel: _cells(recording, channel, row, sample, len(samples)) for channel in recording.values}
    made = Rows(
        slots[recording.device[head]],
        recording.ts[head],
        recording.received[head],
        bound[head],
        order.message[start:end],
        {channel: column for channel, column in values.items() if column is not None},
    )
    return without_empty(made)


def _cells(recording: Recording, channel: Channel, row: Ints, sample: Ints, samples: int) -> pl.Series | None:
    """One channel's cell per sample: of several rows of one sample the first that holds the metric."""
    column, places = recording.values[channel], recording.places.get(channel)
    index = row
    if places is not None:
        if not len(places):
            return None
        index = np.searchsorted(places, row)
        index = np.where(places[np.minimum(index, len(places) - 1)] == row, index, -1)
        held = np.flatnonzero(index >= 0)
    elif len(row) == samples:
        return column.gather(row)
    else:
        held = np.flatnonzero(column.gather(row).is_not_null().to_numpy())
    if not len(held):
        return None
    picked = np.full(samples, -1, dtype=np.int64)
    picked[sample[held][::-1]] = index[held][::-1]
    return gather(column, picked)
