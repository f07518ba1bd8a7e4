"""Lanes: rules that wait equally long for samples out of order share one order of samples and their last values."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from rules.model import Kind
from rules.samples import NEVER, Channel, Ints, Rows, concat
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
        """Turn away late samples and keep those that must wait; the others by device, in the order of evaluation."""
        if self.lateness == 0:
            return self._admit_at_once(rows)
        waiting = self.waiting
        both = concat([waiting, rows]) if waiting is not None else rows
        fresh_from = len(waiting) if waiting is not None else 0
        order = np.argsort(both.slot, kind="stable")
        released, kept, bounds, entries = [], [], [], []
        for places in _groups(both.slot, order):
            slot = int(both.slot[places[0]])
            old = int(np.searchsorted(places, fresh_from))
            if old == len(places):
                kept.append(places)
                continue
            when = self._releases(slot, both.ts[places], old)
            self.late += int(np.count_nonzero(when == _LATE))
            out = np.flatnonzero(when >= 0)
            out = out[np.lexsort((out, both.ts[places[out]], when[out]))]
            arrival = places[when[out]]
            released.append(places[out])
            bounds.append(both.bound[arrival])
            entries.append(both.entry[arrival])
            kept.append(places[when == _WAITING])
            if len(out):
                self.evaluated.put_one(slot, int(both.ts[places[out[-1]]]))
        self._keep(both, kept)
        if not released:
            return rows.take(np.empty(0, dtype=np.int64))
        taken = both.take(np.concatenate(released))
        return taken.released(bound=np.concatenate(bounds), entry=np.concatenate(entries))

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
            self._keep(self.waiting, [np.flatnonzero(self.waiting.slot != slot)])

    def _admit_at_once(self, rows: Rows) -> Rows:
        order = np.argsort(rows.slot, kind="stable")
        ranked = rows if np.array_equal(order, np.arange(len(order))) else rows.take(order)
        ts, starts = ranked.ts, group_starts(ranked.slot)
        if not len(starts):
            return ranked
        heads = self.evaluated.get(ranked.slot[starts])
        tops = running_maximum(ts, starts, heads)
        self.evaluated.put(ranked.slot[starts], tops[group_ends(starts, len(ts)) - 1])
        late = ts < tops
        if not late.any():
            return ranked
        self.late += int(np.count_nonzero(late))
        return ranked.take(np.flatnonzero(~late))

    def _releases(self, slot: int, ts: Ints, old: int) -> Ints:
        """For each sample of one device, the arrival that lets it go, or _LATE, or _WAITING; the first `old` waited.

        A sample goes with the first arrival that lifts the device's newest event time to `lateness` past it. What is
        late raises nothing, so the last evaluated time is the maximum over all that would have gone by then.
        """
        horizon = np.maximum.accumulate(np.maximum(ts, self.newest.one(slot)))
        horizon[:old] = NEVER
        self.newest.put_one(slot, int(horizon[-1]))
        release = np.maximum(np.searchsorted(horizon - self.lateness, ts), np.arange(len(ts)))
        top = np.full(len(ts) + 1, self.evaluated.one(slot))
        np.maximum.at(top, np.minimum(release, len(ts)), np.where(release < len(ts), ts, NEVER))
        done = np.maximum.accumulate(top)
        before = np.concatenate([[self.evaluated.one(slot)], done[: len(ts) - 1]])
        late = ts < before
        late[:old] = False
        found: Ints = np.where(late, _LATE, np.where(release < len(ts), release, _WAITING))
        return found

    def _keep(self, rows: Rows, kept: list[Ints]) -> None:
        places = np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.int64)
        self.waiting = rows.take(places) if len(places) else None


_LATE, _WAITING = -1, -2


def group_starts(slot: Ints) -> Ints:
    """Where each device's rows begin, in rows ordered by device."""
    if not len(slot):
        return np.empty(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(slot[1:] != slot[:-1]) + 1])


def group_ends(starts: Ints, total: int) -> Ints:
    """Where each device's rows end (exclusive)."""
    return np.append(starts[1:], total) if len(starts) else starts


def running_maximum(values: Ints, starts: Ints, heads: Ints) -> Ints:
    """Per group the largest so far, `heads` counting as a value before the first."""
    tops = values.copy()
    tops[starts] = np.maximum(tops[starts], heads)
    falls = np.flatnonzero(tops[1:] < tops[:-1]) + 1
    ends = group_ends(starts, len(values))
    for group in np.unique(np.searchsorted(starts, falls, side="right") - 1):
        part = slice(starts[group], ends[group])
        tops[part] = np.maximum.accumulate(tops[part])
    return tops


def _groups(slot: Ints, order: Ints) -> Iterator[Ints]:
    starts = group_starts(slot[order])
    for start, end in zip(starts, group_ends(starts, len(order)), strict=True):
        yield order[start:end]
