"""The readings that windows look back on: kept per device, read in place by one board."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.board import Board, Points
from rules.model import Kind
from rules.samples import Channel, Floats, Ints, numbers
from rules.segments import bound
from rules.signals.blocks import Blocks
from rules.slots import SlotInts


@dataclass(slots=True)
class History:
    """The recent readings of one channel in one lane: at least those within `horizon` of the device's last sample."""

    horizon: int = 0
    """How far back any window reaches, in ms."""
    blocks: Blocks = field(default_factory=Blocks)

    def reach(self, horizon: int, evaluated: SlotInts) -> None:
        """Look further back from now on; what the shorter horizon had let go does not come back by chance."""
        if horizon > self.horizon:
            self.trim(evaluated)
            self.horizon = horizon

    def trim(self, evaluated: SlotInts) -> None:
        """Let go of what is beyond the horizon of each device's last evaluated sample."""
        slots = np.arange(len(self.blocks.end))
        self.blocks.trim(slots, evaluated.get(slots) - self.horizon)


class Readings(NamedTuple):
    """Readings of a board's devices: each device's stand side by side in `ts` and `value`, which hold others too."""

    ts: Ints
    value: Floats
    """Of numbers; what is no number can only be counted."""
    first: Ints
    """Per device: where its readings begin."""
    old: Ints
    """Per device: how many of them lie before the board."""
    new: Ints
    """Per device: how many lie on the board, behind the old ones."""
    seen: Ints
    """Per row of the board: end of the device's readings up to and including the row."""

    @property
    def fresh(self) -> Ints:
        """Per device: where its new readings begin."""
        return self.first + self.old


class Window(NamedTuple):
    """Readings `start` to `end` (exclusive) for each point."""

    start: Ints
    end: Ints

    @property
    def size(self) -> Ints:
        return self.end - self.start


def readings_on(board: Board, channel: Channel, history: History) -> Readings:
    """Put the board's readings behind those that were kept; once a board."""
    joined = board.joined.get(channel)
    rows = np.flatnonzero(joined.fresh) if joined is not None else np.empty(0, dtype=np.int64)
    value = None
    if len(rows) and channel.kind is Kind.NUMBER:
        value = numbers(board.rows.values[channel], rows)
    return lay_behind(history.blocks, board, rows, value, horizon=history.horizon)


def lay_behind(blocks: Blocks, board: Board, rows: Ints, value: Floats | None, *, horizon: int) -> Readings:
    """Put what these rows of the board hold behind what the blocks have."""
    new = np.bincount(board.group[rows], minlength=len(board.slots)).astype(np.int64)
    if len(rows):
        busy = np.flatnonzero(new)
        blocks.append(board.slots[busy], new[busy], board.rows.ts[rows], value, horizon=horizon)
    first, end = blocks.stretches(board.slots)
    counted = np.zeros(len(board.rows) + 1, dtype=np.int64)
    counted[rows + 1] = 1
    running = np.cumsum(counted)
    seen = (end - new - running[board.starts])[board.group] + running[1:]
    return Readings(blocks.ts, blocks.values, first, end - new - first, new, seen)


def up_to(board: Board, points: Points, readings: Readings) -> Ints:
    """End of the readings that each point has seen; at a tick also none that is stamped later."""
    end = readings.fresh[points.group]
    if len(board.rows):
        inside = points.row >= board.starts[points.group]
        end = np.where(inside, readings.seen[points.row], end)
    if points.tick.any():
        end = np.minimum(end, bound(readings.ts, readings.first[points.group], end, points.time + 1))
    return end


def window(points: Points, readings: Readings, end: Ints, over_ms: int) -> Window:
    """The readings in (t - over, t]."""
    return Window(bound(readings.ts, readings.first[points.group], end, points.time - over_ms + 1), end)


def chunks(window: Window, *, cells: int = 100_000) -> Iterator[Ints]:
    """Points in portions of windows of like size, so that one table of a portion has about `cells` cells."""
    order = np.argsort(window.size, kind="stable")
    ordered = window.size[order]
    at = 0
    while at < len(order):
        width = 1 << int(ordered[at]).bit_length()
        step = min(max(1, cells // width), int(np.searchsorted(ordered, width)) - at)
        yield order[at : at + step]
        at += step
