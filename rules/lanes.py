"""Lanes: rules that wait equally long for samples out of order share one order of samples and their last values."""

from dataclasses import dataclass, field

import numpy as np

from rules.model import Kind
from rules.samples import NEVER, Channel, Rows, concat, empty_rows
from rules.segments import bound, group_ends, group_starts, running_maximum
from rules.slots import SlotInts, SlotValues


@dataclass(slots=True)
class Carry:
    """The last reading of one channel, per device."""

    kind: Kind
    ts: SlotInts = field(default_factory=SlotInts)
    values: SlotValues = field(default_factory=lambda: SlotValues(Kind.NUMBER))


@dataclass(slots=True)
class Lane:
    """What all devices' samples came to, for one `lateness`."""

    lateness: int
    evaluated: SlotInts = field(default_factory=SlotInts)
    """Event time of the last evaluated sample."""
    newest: SlotInts = field(default_factory=SlotInts)
    heard: SlotInts = field(default_factory=SlotInts)
    """When the device was last heard: the running maximum of receive times."""
    carries: dict[Channel, Carry] = field(default_factory=dict)
    waiting: Rows | None = None
    late: int = 0

    def admit(self, rows: Rows) -> Rows:
        """Turn away late samples and keep those that must wait; the others in the order of evaluation.

        Rows come by device and of each device in order of arrival, and so they go.
        """
        return self._admit_at_once(rows) if self.lateness == 0 else self._admit_in_time(rows)

    def flush(self) -> Rows | None:
        """At the end of a recording, what still waits, by device and in order; None if nothing does."""
        waiting, self.waiting = self.waiting, None
        if waiting is None:
            return None
        return waiting.take(np.lexsort((np.arange(len(waiting)), waiting.ts, waiting.slot)))

    def forget(self, slot: int) -> None:
        """The device is gone."""
        for times in (self.evaluated, self.newest, self.heard):
            times.put_one(slot, NEVER)
        for carry in self.carries.values():
            carry.ts.put_one(slot, NEVER)
        if self.waiting is not None:
            self._wait([self.waiting.take(np.flatnonzero(self.waiting.slot != slot))])

    def _admit_at_once(self, rows: Rows) -> Rows:
        ts, starts = rows.ts, group_starts(rows.slot)
        if not len(starts):
            return rows
        heads = self.evaluated.get(rows.slot[starts])
        tops = running_maximum(ts, starts, heads)
        self.evaluated.put(rows.slot[starts], tops[group_ends(starts, len(ts)) - 1])
        late = ts < tops
        if not late.any():
            return rows
        self.late += int(np.count_nonzero(late))
        return rows.take(np.flatnonzero(~late))

    def _admit_in_time(self, rows: Rows) -> Rows:
        """A sample goes with the first arrival that lifts the device's newest event time to `lateness` past it. What is
        late raises nothing, so the last evaluated time is the maximum over all that would have gone by then.
        """
        waited, asleep = self._awake(rows)
        both = concat([waited, rows])
        order = np.argsort(both.slot, kind="stable")  # what waited was here before
        both = both.take(order)
        ts, place = both.ts, np.arange(len(both))
        starts = group_starts(both.slot)
        ends = group_ends(starts, len(both))
        slots, first, end = both.slot[starts], *(np.repeat(each, ends - starts) for each in (starts, ends))
        arrived = order >= len(waited)
        horizon = running_maximum(np.where(arrived, ts, NEVER), starts, np.full(len(starts), NEVER))
        newest = self.newest.get(slots)
        reached = np.where(horizon > NEVER, np.maximum(horizon, np.repeat(newest, ends - starts)), NEVER)
        self.newest.put(slots, np.maximum(newest, horizon[ends - 1]))
        release = np.maximum(bound(reached - self.lateness, first, end, ts), place)
        goes = release < end
        evaluated = self.evaluated.get(slots)
        raised = np.full(len(both), NEVER)
        np.maximum.at(raised, release[goes], ts[goes])
        done = running_maximum(raised, starts, evaluated)
        before = np.empty_like(done)
        before[1:], before[starts] = done[:-1], evaluated
        late = arrived & (ts < before)
        self.late += int(np.count_nonzero(late))
        out = np.flatnonzero(goes & ~late)
        out = out[np.lexsort((out, ts[out], release[out], both.slot[out]))]
        self._wait([asleep, both.take(np.flatnonzero(~goes & ~late))])
        last = group_ends(group_starts(both.slot[out]), len(out)) - 1
        self.evaluated.put(both.slot[out[last]], ts[out[last]])
        arrival = release[out]
        return both.take(out).released(bound=both.bound[arrival], entry=both.entry[arrival])

    def _awake(self, rows: Rows) -> tuple[Rows, Rows]:
        """What waits, of devices that have new rows and of the others."""
        if self.waiting is None:
            return empty_rows(), empty_rows()
        mine = np.isin(self.waiting.slot, rows.slot)
        return self.waiting.take(np.flatnonzero(mine)), self.waiting.take(np.flatnonzero(~mine))

    def _wait(self, parts: list[Rows]) -> None:
        waiting = concat(parts)
        self.waiting = waiting if len(waiting) else None
