"""The readings that windows look back on: kept per device, laid end to end for one board."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.board import Board, Points
from rules.model import Kind
from rules.samples import Channel, Floats, Ints


@dataclass(slots=True)
class History:
    """The recent readings of one channel in one lane."""

    horizon: int = 0
    """How far back any window reaches, in ms."""
    kept: dict[int, tuple[Ints, Floats]] = field(default_factory=dict)
    """Per device: event times and values, oldest first."""


class Readings(NamedTuple):
    """Readings of a board's devices, device by device, in order."""

    ts: Ints
    value: Floats
    """Of numbers; what is no number can only be counted."""
    first: Ints
    """Per device: where its readings begin."""
    old: Ints
    """Per device: how many of them lie before the board."""
    seen: Ints
    """Per row of the board: end of the device's readings up to and including the row."""


class Window(NamedTuple):
    """Readings `start` to `end` (exclusive) for each point."""

    start: Ints
    end: Ints

    @property
    def size(self) -> Ints:
        return self.end - self.start


def readings_on(board: Board, channel: Channel, history: History) -> Readings:
    """The board's own readings behind those that were kept."""
    joined = board.joined.get(channel)
    devices = len(board.slots)
    rows = np.flatnonzero(joined.fresh) if joined is not None else np.empty(0, dtype=np.int64)
    new = np.bincount(board.group[rows], minlength=devices)
    kept = (history.kept.get(slot) for slot in board.slots.tolist())
    old = np.array([0 if one is None else len(one[0]) for one in kept], dtype=np.int64)
    first = np.cumsum(old + new) - (old + new)
    total = int((old + new).sum())
    ts, value = np.empty(total, dtype=np.int64), np.zeros(total)
    for device in np.flatnonzero(old).tolist():
        part = slice(first[device], first[device] + old[device])
        ts[part], value[part] = history.kept[int(board.slots[device])]
    counted = np.zeros(len(board.rows), dtype=np.int64)
    if len(rows):
        counted[rows] = 1
        running = np.cumsum(counted)
        before = running[board.starts[board.group]] - counted[board.starts[board.group]]
        place = (first + old)[board.group] + running - before
        ts[place[rows] - 1] = board.rows.ts[rows]
        if channel.kind is Kind.NUMBER:
            value[place[rows] - 1] = board.rows.values[channel].gather(rows).to_numpy()
    else:
        place = (first + old)[board.group]
    return Readings(ts, value, first, old, place)


def keep(board: Board, readings: Readings, history: History) -> None:
    """Carry on what later windows may still want."""
    ends = np.append(readings.first[1:], len(readings.ts))
    for device in np.flatnonzero(board.ends > board.starts).tolist():
        start, end = int(readings.first[device]), int(ends[device])
        oldest = int(board.rows.ts[board.ends[device] - 1]) - history.horizon
        start += int(np.searchsorted(readings.ts[start:end], oldest))
        slot = int(board.slots[device])
        if start < end:
            history.kept[slot] = readings.ts[start:end].copy(), readings.value[start:end].copy()
        else:
            history.kept.pop(slot, None)


def up_to(board: Board, points: Points, readings: Readings) -> Ints:
    """End of the readings that each point has seen; at a tick also none that is stamped later."""
    first = readings.first[points.group]
    if len(board.rows):
        inside = points.row >= board.starts[points.group]
        end = np.where(inside, readings.seen[points.row], first + readings.old[points.group])
    else:
        end = first + readings.old[points.group]
    if points.tick.any():
        end = np.minimum(end, bound(readings.ts, first, end, points.time + 1))
    return end


def window(points: Points, readings: Readings, end: Ints, over_ms: int) -> Window:
    """The readings in (t - over, t]."""
    return Window(bound(readings.ts, readings.first[points.group], end, points.time - over_ms + 1), end)


def bound(ts: Ints, start: Ints, end: Ints, moment: Ints) -> Ints:
    """For each point the first of `start` … `end` that is not before `moment`, else `end`: bisection, all at once."""
    low, high = start.copy(), end.copy()
    if not len(ts):
        return low
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = (low + high) // 2
        right = open_ & (ts[np.minimum(middle, len(ts) - 1)] < moment)
        low = np.where(right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)


def chunks(window: Window, *, cells: int = 2_000_000) -> Iterator[Ints]:
    """Points in portions of windows of like size, so that one table of a portion has about `cells` cells."""
    order = np.argsort(window.size, kind="stable")
    ordered = window.size[order]
    at = 0
    while at < len(order):
        width = 1 << int(ordered[at]).bit_length()
        step = min(max(1, cells // width), int(np.searchsorted(ordered, width)) - at)
        yield order[at : at + step]
        at += step
