"""When each device was last heard, by receive time: in order of arrival, for a late sample is a sign of life too."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from rules.board import Board, Points
from rules.lanes import group_ends, group_starts, running_maximum
from rules.samples import NEVER, Channel, Flags, Ints, Rows
from rules.signals.history import bound
from rules.slots import SlotInts

ANYTHING = None
"""Key of the device as a whole, beside the names of metrics."""
REMEMBERED = 256
"""Event times per device and channel by which a repetition is known for one."""


@dataclass(slots=True)
class Ears:
    """What one lane's silence signals remember."""

    heard: dict[str | None, SlotInts] = field(default_factory=dict)
    """Receive time of the last reading, per metric, and of any."""
    known: dict[Channel, dict[int, Ints]] = field(default_factory=dict)
    """Recent event times, per channel and device."""

    def listen_for(self, metrics: Collection[str | None]) -> None:
        for metric in metrics:
            self.heard.setdefault(metric, SlotInts())

    def listen(self, rows: Rows) -> "Hearing":
        """Take in rows in order of arrival."""
        if not self.heard or not len(rows):
            return Hearing(self, rows.slot, rows.bound, rows.entry, {})
        order = np.argsort(rows.slot, kind="stable")
        slot, ts, received = rows.slot[order], rows.ts[order], rows.received[order]
        starts = group_starts(slot)
        fresh: dict[str | None, Flags] = {}
        for channel, column in rows.values.items():
            if channel.metric in self.heard or ANYTHING in self.heard:
                new = self._new(channel, slot, ts, column.is_not_null().to_numpy()[order])
                for key in (channel.metric, ANYTHING):
                    fresh[key] = fresh[key] | new if key in fresh else new
        last: dict[str | None, Ints] = {}
        for key, times in self.heard.items():
            if key in fresh:
                heard = np.where(fresh[key], received, NEVER)
                last[key] = running_maximum(heard, starts, times.get(slot[starts]))
        return Hearing(self, slot, rows.bound[order], rows.entry[order], last)

    def forget(self, slot: int) -> None:
        for times in self.heard.values():
            times.put_one(slot, NEVER)
        for known in self.known.values():
            known.pop(slot, None)

    def _new(self, channel: Channel, slot: Ints, ts: Ints, held: Flags) -> Flags:
        """Readings that are no repetitions."""
        known = self.known.setdefault(channel, {})
        rows = np.flatnonzero(held)
        starts = group_starts(slot[rows])
        fresh = held.copy()
        for start, end in zip(starts.tolist(), group_ends(starts, len(rows)).tolist(), strict=True):
            mine, whose = ts[rows[start:end]], int(slot[rows[start]])
            old = known.get(whose)
            alone = end - start == 1
            if (old is not None and mine[0] <= old.max()) or not (alone or (np.diff(mine) > 0).all()):
                fresh[rows[start:end]] = _first_time(mine, old)
            both = mine if old is None else np.concatenate([old, mine])
            known[whose] = both[-REMEMBERED:].copy()
        return fresh


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


def _first_time(ts: Ints, old: Ints | None) -> Flags:
    known = set() if old is None else set(old.tolist())
    fresh = np.empty(len(ts), dtype=np.bool_)
    for place, moment in enumerate(ts.tolist()):
        fresh[place] = moment not in known
        known.add(moment)
    return fresh
