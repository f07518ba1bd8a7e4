"""When each device was last heard, by receive time: in order of arrival, for a late sample is a sign of life too."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from rules.board import Board, Points
from rules.samples import NEVER, Channel, Flags, Ints, Rows
from rules.segments import bound, group_ends, group_starts, running_maximum, spans
from rules.signals.blocks import Blocks
from rules.slots import SlotInts

ANYTHING = None
"""Key of the device as a whole, beside the names of metrics."""
REMEMBERED = 256
"""Event times per device and channel by which a repetition is known for one."""


@dataclass(slots=True)
class Known:
    """Event times of one channel that came last, per device in order of arrival: at most 2 kB a device."""

    blocks: Blocks = field(default_factory=lambda: Blocks(valued=False))
    newest: SlotInts = field(default_factory=SlotInts)
    """The latest of all times, not only of those remembered."""

    def take(self, slot: Ints, ts: Ints) -> Flags:
        """Remember these; which are none of the last `REMEMBERED` again. By device, in order of arrival."""
        starts = group_starts(slot)
        slots, size = slot[starts], np.diff(np.append(starts, len(slot)))
        newest = self.newest.get(slots)
        tops = running_maximum(ts, starts, newest)
        before = np.empty_like(tops)
        before[1:], before[starts] = tops[:-1], newest
        fresh = np.ones(len(slot), dtype=np.bool_)
        doubtful = np.unique(np.repeat(np.arange(len(starts)), size)[ts <= before])
        if len(doubtful):
            rows = spans(starts[doubtful], size[doubtful])
            fresh[rows] = self._unheard(slots[doubtful], size[doubtful], ts[rows])
        self.blocks.append(slots, size, ts, None, horizon=None)
        self.blocks.keep_last(slots, REMEMBERED)
        self.newest.put(slots, tops[starts + size - 1])
        return fresh

    def _unheard(self, slots: Ints, size: Ints, ts: Ints) -> Flags:
        begin, end = self.blocks.stretches(slots)
        old = end - begin
        device, count = np.arange(len(slots)), old.sum()
        who = np.concatenate([np.repeat(device, old), np.repeat(device, size)])
        moment = np.concatenate([self.blocks.ts[spans(begin, old)], ts])
        turn = np.concatenate([spans(-old, old), spans(np.zeros_like(size), size)])
        order = np.lexsort((turn, moment, who))
        again = np.zeros(len(order), dtype=np.bool_)
        again[1:] = (np.diff(who[order]) == 0) & (np.diff(moment[order]) == 0) & (np.diff(turn[order]) <= REMEMBERED)
        fresh = np.empty_like(again)
        fresh[order] = ~again
        return fresh[count:]

    def forget(self, slot: int) -> None:
        self.blocks.forget(slot)
        self.newest.put_one(slot, NEVER)


@dataclass(slots=True)
class Ears:
    """What one lane's silence signals remember."""

    heard: dict[str | None, SlotInts] = field(default_factory=dict)
    """Receive time of the last reading, per metric, and of any."""
    known: dict[Channel, Known] = field(default_factory=dict)

    def listen_for(self, metrics: Collection[str | None]) -> None:
        for metric in metrics:
            self.heard.setdefault(metric, SlotInts())

    def listen(self, rows: Rows) -> "Hearing":
        """Take in rows, by device and in order of arrival."""
        if not self.heard or not len(rows):
            return Hearing(self, rows.slot, rows.bound, rows.entry, {})
        starts = group_starts(rows.slot)
        fresh: dict[str | None, Flags] = {}
        for channel, column in rows.values.items():
            if channel.metric in self.heard or ANYTHING in self.heard:
                new = column.is_not_null().to_numpy().copy()
                held = np.flatnonzero(new)
                new[held] = self.known.setdefault(channel, Known()).take(rows.slot[held], rows.ts[held])
                for key in (channel.metric, ANYTHING):
                    fresh[key] = fresh[key] | new if key in fresh else new
        last: dict[str | None, Ints] = {}
        for key, times in self.heard.items():
            if key in fresh:
                heard = np.where(fresh[key], rows.received, NEVER)
                last[key] = running_maximum(heard, starts, times.get(rows.slot[starts]))
        return Hearing(self, rows.slot, rows.bound, rows.entry, last)

    def forget(self, slot: int) -> None:
        for times in self.heard.values():
            times.put_one(slot, NEVER)
        for known in self.known.values():
            known.forget(slot)


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard during one batch, by device and in order of arrival."""

    ears: Ears
    slot: Ints
    bound: Ints
    entry: Ints
    last: dict[str | None, Ints]

    def at(self, metric: str | None, board: Board, points: Points) -> Ints:
        """Receive time of the last reading at each point; NEVER if there was none.

        A sample knows of all that came with its message, a tick of all that came before it.
        """
        before = self.ears.heard[metric].get(board.slots)[points.group]
        last = self.last.get(metric)
        if last is None:
            return before
        first = np.searchsorted(self.slot, board.slots)[points.group]
        end = np.searchsorted(self.slot, board.slots, side="right")[points.group]
        heard = bound(self.bound, first, end, points.time + 1)
        if not points.tick.all():
            entry = board.rows.entry[np.where(points.tick, 0, points.row)]
            heard = np.where(points.tick, heard, bound(self.entry, first, end, entry + 1))
        found: Ints = np.where(heard > first, last[heard - 1], before)
        return found

    def settle(self) -> None:
        """Remember for the next batch."""
        starts = group_starts(self.slot)
        ends = group_ends(starts, len(self.slot)) - 1
        for metric, last in self.last.items():
            self.ears.heard[metric].put(self.slot[starts], last[ends])
