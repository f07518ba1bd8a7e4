"""Ticks among a board's rows: which seconds a rule that uses silence must look at, without looking at all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rules.board import Board, Points
from rules.samples import Batch, Ints
from rules.segments import running_maximum

STEP_MS = 1000
"""From tick to tick in a recording."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Ticks `first` to `end` (exclusive, by position) of one device between two of its rows."""

    group: Ints
    row: Ints
    """The device's last row before them; one less than its first row if there is none."""
    first: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.group)

    def take(self, index: Ints) -> "Stretches":
        return Stretches(self.group[index], self.row[index], self.first[index], self.end[index])


def position(ticks: Sequence[int], moments: Ints) -> Ints:
    """How many ticks lie before each moment."""
    if isinstance(ticks, range):
        found: Ints = np.clip(-((ticks.start - moments) // ticks.step), 0, len(ticks))
        return found
    return np.searchsorted(np.array(ticks, dtype=np.int64), moments).astype(np.int64)


def times(ticks: Sequence[int], places: Ints) -> Ints:
    """The ticks at these positions."""
    if isinstance(ticks, range):
        found: Ints = ticks.start + places * ticks.step
        return found
    return np.array(ticks, dtype=np.int64)[places]


def stretches(board: Board, batch: Batch, *, ticked: Ints, until: Ints) -> Stretches:
    """All ticks of the batch after `ticked` and before `until` (per device of the board), between the rows."""
    ticks, count = batch.ticks, len(board.slots)
    begin = position(ticks, ticked + 1)
    ends = np.maximum(position(ticks, until), begin)
    before = position(ticks, board.rows.bound)
    busy = np.flatnonzero(board.ends > board.starts)
    if len(busy):
        before = running_maximum(before, board.starts[busy], begin[busy])
        previous = np.empty_like(before)
        previous[1:] = before[:-1]
        previous[board.starts[busy]] = begin[busy]
        begin = begin.copy()
        begin[busy] = before[board.ends[busy] - 1]
    else:
        previous = before
    rows = np.arange(len(board.rows))
    every = Stretches(
        np.concatenate([board.group, np.arange(count)]),
        np.concatenate([rows - 1, board.ends - 1]),
        np.concatenate([previous, begin]),
        np.concatenate([before, np.maximum(ends, begin)]),
    )
    found = every.take(np.flatnonzero(every.end > every.first))
    return found.take(np.lexsort((found.first, found.group)))


def split(parts: Stretches, owner: Ints, places: Ints) -> Stretches:
    """Cut the stretches `owner` at the positions; cuts at or beyond an edge cut nothing."""
    inside = (places > parts.first[owner]) & (places < parts.end[owner])
    owner, places = owner[inside], places[inside]
    who = np.concatenate([np.arange(len(parts)), owner])
    first = np.concatenate([parts.first, places])
    order = np.lexsort((first, who))
    who, first = who[order], first[order]
    fresh = np.ones(len(who), dtype=np.bool_)
    fresh[1:] = (who[1:] != who[:-1]) | (first[1:] != first[:-1])
    who, first = who[fresh], first[fresh]
    end = parts.end[who].copy()
    same = who[1:] == who[:-1]
    end[:-1][same] = first[1:][same]
    return Stretches(parts.group[who], parts.row[who], first, end)


def spread(parts: Stretches) -> Stretches:
    """One stretch per tick."""
    size = parts.end - parts.first
    who = np.repeat(np.arange(len(parts)), size)
    first = np.arange(len(who)) - np.repeat(np.cumsum(size) - size, size) + parts.first[who]
    return Stretches(parts.group[who], parts.row[who], first, first + 1)


def as_points(parts: Stretches, ticks: Sequence[int]) -> Points:
    """The first tick of each stretch."""
    return Points(parts.group, parts.row, times(ticks, parts.first), np.ones(len(parts), dtype=np.bool_))


def interleave(samples: Points, parts: Points) -> Ints:
    """The order in which each device meets its rows and ticks: positions in both, laid end to end."""
    group = np.concatenate([samples.group, parts.group])
    place = np.concatenate([2 * samples.row, 2 * parts.row + 1])
    moment = np.concatenate([np.zeros(len(samples), dtype=np.int64), parts.time])
    order: Ints = np.lexsort((moment, place, group))
    return order


def join_points(samples: Points, parts: Points, order: Ints) -> Points:
    """Both, in that order."""
    return Points(
        np.concatenate([samples.group, parts.group])[order],
        np.concatenate([samples.row, parts.row])[order],
        np.concatenate([samples.time, parts.time])[order],
        np.concatenate([samples.tick, parts.tick])[order],
    )
