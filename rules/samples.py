"""Samples as columns: what the engine evaluates, whether it came as uplinks from the log or from a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.telemetry import Sample, Uplink, Value
from rules.model import Kind

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

NEVER = -(2**62)
"""A time before all times; differences of real times with it do not overflow."""

DTYPES: Mapping[Kind, type[pl.DataType]] = {
    Kind.NUMBER: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
    Kind.STRING: pl.String,
}


class Channel(NamedTuple):
    """One metric's readings of one kind: a metric that changes its kind is another channel, and NULL for a rule."""

    metric: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples, one per row. `values` hold what the sample itself holds, NULL elsewhere."""

    slot: Ints
    """Number of the device."""
    ts: Ints
    received: Ints
    bound: Ints
    """Ticks before this time come before the row."""
    entry: Ints
    """Ordinal of the message that brought it, and on release of the message that released it."""
    values: Mapping[Channel, pl.Series]

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, index: Ints) -> "Rows":
        values = {channel: pick(column, index) for channel, column in self.values.items()}
        return Rows(
            self.slot[index], self.ts[index], self.received[index], self.bound[index], self.entry[index], values
        )

    def released(self, *, bound: Ints, entry: Ints) -> "Rows":
        return Rows(self.slot, self.ts, self.received, bound, entry, self.values)

    def only(self, wanted: Iterable[Channel]) -> "Rows":
        """Without the channels that nobody wants."""
        values = {channel: self.values[channel] for channel in wanted if channel in self.values}
        return Rows(self.slot, self.ts, self.received, self.bound, self.entry, values)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in order of arrival, and the ticks among them."""

    rows: Rows
    ticks: Sequence[int]
    """Ascending. A `range` stands for as many as you like."""
    until: int | None = None
    """All ticks before this time are over for every device; None: only as far as rows say."""
    tick_entries: Mapping[int, int] = field(default_factory=dict)
    """Ordinal of each tick among the messages, where there is an order."""

    def entry_of_tick(self, at: int) -> int:
        return self.tick_entries.get(at, -1)


def empty_rows() -> Rows:
    none = np.empty(0, dtype=np.int64)
    return Rows(none, none, none, none, none, {})


def concat(parts: Sequence[Rows]) -> Rows:
    """One after the other; a channel that a part lacks is NULL there."""
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty_rows()
    channels = dict.fromkeys(channel for part in parts for channel in part.values)
    values = {}
    for channel in channels:
        dtype = DTYPES[channel.kind]
        pieces = [
            part.values[channel] if channel in part.values else pl.repeat(None, len(part), dtype=dtype, eager=True)
            for part in parts
        ]
        values[channel] = pl.concat(pieces)
    return Rows(
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.received for part in parts]),
        np.concatenate([part.bound for part in parts]),
        np.concatenate([part.entry for part in parts]),
        values,
    )


def by_device(rows: Rows) -> Rows:
    """Device by device, each device's rows in the order they had."""
    if (rows.slot[1:] >= rows.slot[:-1]).all():
        return rows
    return rows.take(np.argsort(rows.slot, kind="stable"))


def without_empty(rows: Rows) -> Rows:
    """A row that holds no reading is no sample."""
    if any(not column.null_count() for column in rows.values.values()):
        return rows
    held = np.zeros(len(rows), dtype=np.bool_)
    for column in rows.values.values():
        held |= column.is_not_null().to_numpy()
    return rows if held.all() else rows.take(np.flatnonzero(held))


def kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.STRING if isinstance(value, str) else Kind.NUMBER


class RowBuilder:
    """Gathers uplinks into rows: a list per column, so that a batch costs little more than a look at each value."""

    def __init__(self) -> None:
        self._heads: tuple[list[int], ...] = ([], [], [], [], [])
        self._cells: list[Mapping[str, Value]] = []

    def add(self, uplink: Uplink, *, slot: int, bound: int, entry: int) -> None:
        """The samples of one message in order of event time; samples with one event time are one."""
        slots, times, received, bounds, entries = self._heads
        samples = uplink.samples if len(uplink.samples) == 1 else _merged(uplink.samples)
        for sample in samples:
            slots.append(slot)
            times.append(sample.event_time)
            received.append(uplink.received_at)
            bounds.append(bound)
            entries.append(entry)
            self._cells.append(sample.values)

    def rows(self) -> Rows:
        if not self._cells:
            return empty_rows()
        slot, ts, received, bound, entry = (np.array(head, dtype=np.int64) for head in self._heads)
        values: dict[Channel, pl.Series] = {}
        for metric in dict.fromkeys(chain.from_iterable(self._cells)):
            column = [cells.get(metric) for cells in self._cells]
            values |= {Channel(metric, kind): found for kind, found in _by_kind(column)}
        return without_empty(Rows(slot, ts, received, bound, entry, values))


def _merged(samples: Sequence[Sample]) -> list[Sample]:
    """By event time; of two values of one metric at one time the first stays."""
    found: list[Sample] = []
    for sample in sorted(samples, key=lambda sample: sample.event_time):
        if found and found[-1].event_time == sample.event_time:
            found[-1] = Sample(sample.event_time, {**sample.values, **found[-1].values})
        else:
            found.append(sample)
    return found


def _by_kind(column: Sequence[Value | None]) -> Iterator[tuple[Kind, pl.Series]]:
    """A column per kind of value, in order of appearance. A number that is not finite is no reading."""
    types = set(map(type, column)) - {type(None)}
    if types <= {float, int}:
        kinds = [Kind.NUMBER]
    else:
        kinds = list(dict.fromkeys(kind_of(value) for value in column if value is not None and _counts(value)))
    for kind in kinds:
        mine = column if len(types) < 2 or types == {float, int} else [_only(value, kind) for value in column]
        if kind is Kind.NUMBER:
            numbers = np.array(mine, dtype=np.float64)  # None becomes NaN
            cells = pl.Series(numbers)
            finite = np.isfinite(numbers)
            cells = cells if finite.all() else cells.set(pl.Series(~finite), None)
        else:
            cells = pl.Series(mine, dtype=DTYPES[kind])
        if cells.null_count() < len(cells):
            yield kind, cells


def _only(value: Value | None, kind: Kind) -> Value | None:
    return None if value is None or kind_of(value) is not kind else value


def _counts(value: Value) -> bool:
    return isinstance(value, str | bool) or isfinite(value)


def gather(column: pl.Series, index: Ints) -> pl.Series:
    """`column[index]`, NULL where the index is negative."""
    places = pl.Series(index)
    if len(index) and int(index.min()) < 0:
        places = places.set(places < 0, None)
    return column.gather(places)


def pick(column: pl.Series, index: Ints) -> pl.Series:
    """`column[index]`. Numbers go through NumPy, which needs no other thread for a few thousand of them."""
    if column.dtype == pl.Float64 and not column.null_count():
        return pl.Series(column.to_numpy()[index])
    return column.gather(index)


def numbers(column: pl.Series, index: Ints) -> Any:
    """`column[index]` as an array, where none of these is NULL."""
    if column.null_count():
        return column.gather(index).to_numpy()
    return column.to_numpy()[index]
