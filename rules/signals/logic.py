"""What an expression was on the samples that a rule sees: `since`, `held`, `times`.

The expression is followed on samples alone; its signal can be read at any point, ticks too.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.board import Board, Points
from rules.model import Signal
from rules.samples import NEVER, Flags, Floats, Ints
from rules.segments import bound
from rules.signals.blocks import Blocks
from rules.signals.history import Readings, lay_behind
from rules.slots import SlotInts

TRUE, FALSE = 1, 0


@dataclass(slots=True)
class Memory:
    """What one expression signal remembers of each device."""

    known: SlotInts = field(default_factory=SlotInts)
    """What it was when it was last known."""
    before: SlotInts = field(default_factory=SlotInts)
    """What it was at the last sample that was seen."""
    last_true: SlotInts = field(default_factory=SlotInts)
    true_from: SlotInts = field(default_factory=SlotInts)
    """Begin of the last stretch in which it was TRUE, now and then unknown, but never FALSE."""
    rises: Blocks = field(default_factory=lambda: Blocks(valued=False))
    """`times`: when it became TRUE."""

    def forget(self, slot: int) -> None:
        """The device starts anew."""
        for times in (self.known, self.before, self.last_true, self.true_from):
            if slot < len(times.data):
                times.put_one(slot, NEVER)
        self.rises.forget(slot)


class Course(NamedTuple):
    """The expression over one board: per row, and per device what came before."""

    known: Ints
    last_true: Ints
    true_from: Ints
    seeds: tuple[Ints, Ints, Ints]
    rises: Readings | None


def follow(signal: Signal, truth: Ints, seen: Flags, board: Board, memory: Memory) -> Course:
    """Take in the truth on the rows that are seen; the memory is left as it is after the last."""
    slots = board.slots
    first = board.starts[board.group]
    seeds = (memory.known.get(slots), memory.last_true.get(slots), memory.true_from.get(slots))
    is_true, is_known = seen & (truth == TRUE), seen & (truth >= FALSE)
    known = _carry(is_known, first, truth, seeds[0][board.group])
    streak = _shift(known, board, seeds[0])
    begins = is_true & (streak != TRUE)
    last_true = _carry(is_true, first, board.rows.ts, seeds[1][board.group])
    true_from = _carry(begins, first, board.rows.ts, seeds[2][board.group])
    before = memory.before.get(slots)
    latest, rises = _carry(seen, first, truth, before[board.group]), None
    if signal.op == "times":
        rose = is_true & (_shift(latest, board, before) != TRUE)
        horizon = (signal.over_ms or 0) + _SLACK_MS
        rises = lay_behind(memory.rises, board, np.flatnonzero(rose), None, horizon=horizon)
    busy = np.flatnonzero(board.ends > board.starts)
    ends, here = board.ends[busy] - 1, slots[busy]
    for store, column in (
        (memory.known, known),
        (memory.before, latest),
        (memory.last_true, last_true),
        (memory.true_from, true_from),
    ):
        store.put(here, column[ends])
    return Course(known, last_true, true_from, seeds, rises)


def value(signal: Signal, course: Course, board: Board, points: Points) -> Floats:
    """The signal at each point; NaN for NULL."""
    inside = points.row >= board.starts[points.group]
    row = np.where(inside, points.row, 0)
    found: Floats
    if course.rises is not None:
        seen = course.rises.seen[row] if len(board.rows) else row
        begin = course.rises.first[points.group]
        end = np.where(inside, seen, course.rises.fresh[points.group])
        end = np.minimum(end, bound(course.rises.ts, begin, end, points.time + 1))
        start = bound(course.rises.ts, begin, end, points.time - (signal.over_ms or 0) + 1)
        return (end - start).astype(np.float64)
    columns = (course.known, course.last_true, course.true_from)
    known, last_true, true_from = (
        np.where(inside, column[row] if len(board.rows) else row, seed[points.group])
        for column, seed in zip(columns, course.seeds, strict=True)
    )
    if signal.op == "since":
        found = np.where(last_true > NEVER, (points.time - last_true) / 1000, np.nan)
    else:
        found = np.where(known == TRUE, (points.time - true_from) / 1000, np.where(known == FALSE, 0.0, np.nan))
    return found


_SLACK_MS = 600_000
"""A device's clock may be ahead of the ticks."""


def _carry(marks: Flags, first: Ints, values: Ints, seeds: Ints) -> Ints:
    """The value at the last mark up to each row; before the device's first mark, the seed."""
    last = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))
    found: Ints = np.where(last >= first, values[last], seeds) if len(marks) else seeds
    return found


def _shift(values: Ints, board: Board, seeds: Ints) -> Ints:
    """The value at the row before, of the same device."""
    before = np.empty_like(values)
    before[1:] = values[:-1]
    busy = np.flatnonzero(board.ends > board.starts)
    before[board.starts[busy]] = seeds[busy]
    return before
