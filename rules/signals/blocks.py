"""The recent readings of all devices in two arrays: a block each, written to at its end, read in place.

A batch costs what it brings: a device's readings move only when its block is full, and then a part of it is free again.
"""

from dataclasses import dataclass, field

import numpy as np

from rules.samples import Floats, Ints
from rules.segments import bound, spans

LEAST_ROOM = 4


def _none() -> Ints:
    return np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Blocks:
    """Event times and values per device, oldest first, at `begin` … `end` (exclusive) of the arrays.

    A reading takes 8 bytes for its time, 8 for its value, and up to half as much for room to grow; a device takes 32
    beside.
    """

    valued: bool = True
    """Whether there are values beside the times."""
    ts: Ints = field(default_factory=_none)
    value: Floats = field(default_factory=lambda: np.empty(0))
    start: Ints = field(default_factory=_none)
    """Where the device's block starts: before `begin` lies what was let go."""
    begin: Ints = field(default_factory=_none)
    end: Ints = field(default_factory=_none)
    limit: Ints = field(default_factory=_none)
    """Where the device's block ends."""
    used: int = 0
    """Of the arrays, by blocks; some of these were left for larger ones."""

    @property
    def values(self) -> Floats:
        """Nought where there are none."""
        return self.value if self.valued else np.broadcast_to(np.float64(0), self.ts.shape)

    def stretches(self, slots: Ints) -> tuple[Ints, Ints]:
        """`begin` and `end` of these devices' readings."""
        self._cover(slots)
        return self.begin[slots], self.end[slots]

    def append(self, slots: Ints, count: Ints, ts: Ints, value: Floats | None, *, horizon: int | None) -> None:
        """Put `count` readings behind those of each device; `ts` and `value` hold them device by device.

        Where room is wanted, readings may go that are more than `horizon` older than the device's last before these;
        with None, none may.
        """
        self._cover(slots)
        tight = self.end[slots] + count > self.limit[slots]
        if tight.any():
            self._make_room(slots[tight], count[tight], horizon)
        place = spans(self.end[slots], count)
        self.ts[place] = ts
        if self.valued and value is not None:
            self.value[place] = value
        self.end[slots] += count

    def trim(self, slots: Ints, oldest: Ints) -> None:
        """Let go of what is older than that."""
        self._cover(slots)
        self.begin[slots] = bound(self.ts, self.begin[slots], self.end[slots], oldest)

    def keep_last(self, slots: Ints, count: int) -> None:
        """Let go of all but the last `count` readings."""
        self.begin[slots] = np.maximum(self.begin[slots], self.end[slots] - count)

    def forget(self, slot: int) -> None:
        if slot < len(self.begin):
            self.begin[slot] = self.end[slot]

    def packed(self) -> tuple[Ints, Ints, Floats]:
        """Readings per device (by number), and all of them, device by device."""
        size = self.end - self.begin
        place = spans(self.begin, size)
        return size, self.ts[place], self.value[place] if self.valued else np.empty(0)

    @classmethod
    def of(cls, size: Ints, ts: Ints, value: Floats, *, valued: bool = True) -> "Blocks":
        """What `packed` gave."""
        end = np.cumsum(size)
        return cls(valued, ts, value, end - size, end - size, end, end.copy(), len(ts))

    def _cover(self, slots: Ints) -> None:
        size = int(slots.max()) + 1 if len(slots) else 0
        if size > len(self.begin):
            extra = np.zeros(max(size, len(self.begin) * 5 // 4, 16) - len(self.begin), dtype=np.int64)
            self.start, self.begin, self.end, self.limit = (
                np.concatenate([each, extra]) for each in (self.start, self.begin, self.end, self.limit)
            )

    def _make_room(self, slots: Ints, count: Ints, horizon: int | None) -> None:
        begin, end = self.begin[slots], self.end[slots]
        if horizon is not None and len(self.ts):
            # Times ascend, so the last reading itself is never before `oldest`, and an empty stretch stays empty.
            oldest = self.ts[np.maximum(end - 1, 0)] - horizon
            self.begin[slots] = bound(self.ts, begin, end, oldest)
        wanted = self.end[slots] - self.begin[slots] + count
        slides = wanted + wanted // 8 + 1 <= self.limit[slots] - self.start[slots]
        self._move(slots[slides], self.start[slots[slides]])
        slots, wanted = slots[~slides], wanted[~slides]
        room = wanted + wanted // 4 + LEAST_ROOM
        total = int(room.sum())
        if self.used + total > len(self.ts):
            self._lay_anew(slots, room)
            return
        at = self.used + np.cumsum(room) - room
        self._move(slots, at)
        self.start[slots], self.limit[slots] = at, at + room
        self.used += total

    def _move(self, slots: Ints, at: Ints) -> None:
        begin = self.begin[slots]
        live = self.end[slots] - begin
        source, place = spans(begin, live), spans(at, live)
        self.ts[place] = self.ts[source]
        if self.valued:
            self.value[place] = self.value[source]
        self.begin[slots], self.end[slots] = at, at + live

    def _lay_anew(self, slots: Ints, wanted: Ints) -> None:
        """All blocks end to end in new arrays: these as long as wanted, the others as they were, and some to spare."""
        live = self.end - self.begin
        room = np.where(live > 0, self.limit - self.start, 0)
        room[slots] = wanted
        at = np.cumsum(room) - room
        self.used = int(room.sum())
        total = self.used + self.used // 8
        source, place = spans(self.begin, live), spans(at, live)
        ts = np.empty(total, dtype=np.int64)
        ts[place] = self.ts[source]
        if self.valued:
            value = np.empty(total)
            value[place] = self.value[source]
            self.value = value
        self.ts = ts
        self.start, self.begin, self.end, self.limit = at, at.copy(), at + live, at + room
