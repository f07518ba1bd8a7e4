"""One lane's rows of one batch, with what each device carries into them: where the rules of the lane read."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from rules.lanes import Carry, Lane
from rules.model import Kind
from rules.samples import DTYPES, NEVER, Channel, Flags, Ints, Rows, gather, numbers, pick
from rules.segments import group_ends, group_starts, running_maximum
from rules.slots import SlotValues


@dataclass(frozen=True, slots=True)
class Points:
    """Where a rule looks: samples that it sees, and ticks."""

    group: Ints
    """Which device of the board."""
    row: Ints
    """The device's last row at or before the point; one less than its first row if there is none."""
    time: Ints
    tick: Flags

    def __len__(self) -> int:
        return len(self.group)

    def take(self, index: Ints) -> "Points":
        return Points(self.group[index], self.row[index], self.time[index], self.tick[index])


class _Joined(NamedTuple):
    """One channel's readings on the board."""

    fresh: Flags
    """A new reading in this row."""
    last: Ints
    """Row of the device's last reading at or before this row; -1 if it was before the board."""
    full: bool
    """Each row has a new reading."""


@dataclass(slots=True)
class Board:
    """Rows by device and in order; without readings that were seen before, and rows that hold nothing else."""

    lane: Lane
    rows: Rows
    slots: Ints
    """The devices, ascending; some may have no rows here."""
    starts: Ints
    ends: Ints
    group: Ints
    """Of each row, the index of its device in `slots`."""
    heard: Ints
    """Running maximum of receive times, per row."""
    joined: dict[Channel, _Joined] = field(default_factory=dict)
    _columns: dict[Channel, pl.Series] = field(default_factory=dict)

    def fresh(self, channels: Collection[Channel]) -> Flags:
        """Rows with a new reading of any of the channels."""
        found = np.zeros(len(self.rows), dtype=np.bool_)
        for channel in channels:
            if channel in self.joined:
                found |= self.joined[channel].fresh
        return found

    def samples(self, index: Ints) -> Points:
        """The points of these rows themselves."""
        return Points(self.group[index], index, self.rows.ts[index], np.zeros(len(index), dtype=np.bool_))

    def sources(self, channel: Channel, points: Points) -> Ints:
        """Row of the last reading of the channel at each point; -1 where it lies before the board, or nowhere."""
        if channel not in self.joined or not len(self.rows):
            return np.full(len(points), -1, dtype=np.int64)
        inside = points.row >= self.starts[points.group]
        found: Ints = np.where(inside, self.joined[channel].last[points.row], -1)
        return found

    def born(self, channel: Channel, points: Points) -> Ints:
        """Event time of the channel's last reading at each point; NEVER if there was none."""
        carry = self.lane.carries.get(channel)
        if carry is None:
            return np.full(len(points), NEVER, dtype=np.int64)
        source = self.sources(channel, points)
        here = source >= 0
        if here.all() and len(here):
            return self.rows.ts[source]
        seeds = carry.ts.get(self.slots)[points.group]
        found: Ints = np.where(here, self.rows.ts[source], seeds) if len(self.rows) else seeds
        return found

    def values(self, channel: Channel, points: Points, *, join_within: int) -> pl.Series:
        """The channel's last value at each point if not older than `join_within`, else NULL."""
        carry = self.lane.carries.get(channel)
        if carry is None:
            return pl.repeat(None, len(points), dtype=DTYPES[channel.kind], eager=True)
        if channel in self.joined and self.joined[channel].full and join_within >= 0 and not points.tick.any():
            return pick(self.rows.values[channel], points.row)
        source, born = self.sources(channel, points), self.born(channel, points)
        here = source >= 0
        index = np.where(here, source + len(self.slots), points.group)
        index[points.time - born > join_within] = -1
        return gather(self._stacked(channel, carry), index)

    def settle(self) -> None:
        """Carry the last values on to the next batch; the board must not be read afterwards."""
        busy = np.flatnonzero(self.ends > self.starts)
        ends, slots = self.ends[busy] - 1, self.slots[busy]
        if not len(busy):
            return
        self.lane.heard.put(slots, self.heard[ends])
        times = self.rows.ts[ends]
        for channel, joined in self.joined.items():
            carry, places, rows, ts = self.lane.carries[channel], slots, ends, times
            if not joined.full:
                last = joined.last[ends]
                here = last >= 0
                places, rows = slots[here], last[here]
                ts = self.rows.ts[rows]
            if len(rows):
                carry.ts.put(places, ts)
                carry.values.put(places, numbers(self.rows.values[channel], rows))

    def _stacked(self, channel: Channel, carry: Carry) -> pl.Series:
        if channel not in self._columns:
            known = carry.values.get(self.slots)
            seeds = pl.Series(known.tolist() if channel.kind is Kind.STRING else known, dtype=DTYPES[channel.kind])
            if channel in self.rows.values:
                seeds = pl.concat([seeds, self.rows.values[channel]])
            self._columns[channel] = seeds
        return self._columns[channel]


def lay_out(lane: Lane, rows: Rows, *, extra: Ints) -> Board:
    """The board of `rows` as the lane admitted them; `extra` devices are on it even without a row."""
    rows, joined = _without_repeats(lane, rows)
    slots = rows.slot[group_starts(rows.slot)]
    if len(extra):
        slots = np.union1d(slots, extra)
    starts = np.searchsorted(rows.slot, slots)
    ends = group_ends(starts, len(rows))
    busy = np.flatnonzero(ends > starts)
    heard = running_maximum(rows.received, starts[busy], lane.heard.get(slots[busy])) if len(busy) else rows.received
    group = np.repeat(np.arange(len(slots)), ends - starts)
    return Board(lane, rows, slots, starts, ends, group, heard, joined)


def _without_repeats(lane: Lane, rows: Rows) -> tuple[Rows, dict[Channel, _Joined]]:
    starts = group_starts(rows.slot)
    joined = {channel: _join(lane, rows, channel, starts) for channel in rows.values}
    if any(one.full for one in joined.values()):
        return rows, joined
    anything = np.zeros(len(rows), dtype=np.bool_)
    for one in joined.values():
        anything |= one.fresh
    if anything.all():
        return rows, joined
    kept = np.flatnonzero(anything)
    place = np.cumsum(anything) - 1
    return rows.take(kept), {
        channel: _joined(one.fresh[kept], np.where(one.last[kept] >= 0, place[one.last[kept]], -1))
        for channel, one in joined.items()
    }


def _join(lane: Lane, rows: Rows, channel: Channel, starts: Ints) -> _Joined:
    """Find each row's last reading; the same event time again is no new reading, whatever its value."""
    carry = lane.carries.setdefault(channel, Carry(channel.kind, values=SlotValues(channel.kind)))
    column, total = rows.values[channel], len(rows)
    seeds = carry.ts.get(rows.slot[starts])
    if total and not column.null_count():
        previous = np.empty_like(rows.ts)
        previous[1:], previous[starts] = rows.ts[:-1], seeds
        fresh = previous != rows.ts
        if fresh.all():
            return _Joined(fresh, np.arange(total), full=True)
    held = column.is_not_null().to_numpy()
    if not total:
        return _Joined(held, np.empty(0, dtype=np.int64), full=False)
    size = group_ends(starts, total) - starts
    first = np.repeat(starts, size)
    last = _last_true(held, first)
    before = np.empty_like(last)
    before[1:], before[starts] = last[:-1], -1
    fresh = held & (np.where(before >= 0, rows.ts[before], np.repeat(seeds, size)) != rows.ts)
    return _joined(fresh, last if np.array_equal(fresh, held) else _last_true(fresh, first))


def _joined(fresh: Flags, last: Ints) -> _Joined:
    return _Joined(fresh, last, full=bool(len(fresh)) and bool(fresh.all()))


def _last_true(flags: Flags, first: Ints) -> Ints:
    """Index of the last TRUE at or before each row, not before the row's device begins; else -1."""
    last = np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))
    last[last < first] = -1
    return last
