"""`usage`: how far a counter has come since the device was last serviced."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.devices import Devices
from rules.model import Kind
from rules.samples import NEVER, Flags, Floats, Ints
from rules.segments import group_ends, group_starts
from rules.slots import SlotInts, SlotValues


def _floats() -> SlotValues:
    return SlotValues(Kind.NUMBER)


_COLUMNS = ("seen", "begun", "last", "offset")


@dataclass(slots=True)
class Usage:
    """Growth of one counter per device, in its own unit, since the last service record, or else the first reading.

    Where a reading is lower than the one before, the counter began again at 0. Kept as `reading + offset`, so that a
    counter without resets is a plain difference of two readings. 32 bytes per device.
    """

    seen: SlotInts = field(default_factory=SlotInts)
    """Event time of the last reading."""
    begun: SlotInts = field(default_factory=SlotInts)
    """From where it counts: the first reading, or the service record."""
    last: SlotValues = field(default_factory=_floats)
    offset: SlotValues = field(default_factory=_floats)

    def take(self, slots: Ints, ts: Ints, values: Floats, devices: Devices) -> Floats:
        """The growth at each reading. Shapes: slots (n,) grouped, ts (n,) in order within a device, values (n, 1)."""
        value = values[:, 0]
        starts = group_starts(slots)
        ends = group_ends(starts, len(slots))
        who = slots[starts]
        serviced = devices.serviced.get(who)
        known = self.seen.get(who) > NEVER
        offset = np.where(known, self.offset.get(who), -value[starts])
        before = np.empty_like(value)
        before[1:] = value[:-1]
        before[starts] = np.where(known, self.last.get(who), value[starts])
        owner = np.repeat(np.arange(len(who)), ends - starts)
        old = ts <= serviced[owner]
        offsets = offset[owner]
        fall = (value < before) & ~old
        for device in np.flatnonzero(np.bincount(owner[old | fall], minlength=len(who))).tolist():
            part = slice(starts[device], ends[device])
            offsets[part] = _course(value[part], before[part], old[part], fall[part], float(offset[device]))
        first = np.where(known, self.begun.get(who), ts[starts])
        self.begun.put(who, np.where(old[starts], serviced, first))
        self.seen.put(who, ts[ends - 1])
        self.last.put(who, value[ends - 1])
        self.offset.put(who, offsets[ends - 1])
        found: Floats = np.where(old, 0.0, value + offsets)
        return found

    def serviced(self, slot: int, at: int) -> float | None:
        """The device was serviced at `at`: the growth from there to its last reading; None if it has sent none.

        A record that is dated back finds its share of the growth so far, as if that had been even over time.
        """
        seen = self.seen.one(slot)
        if seen == NEVER:
            return None
        here = np.array([slot], dtype=np.int64)
        last, begun = float(self.last.get(here)[0]), self.begun.one(slot)
        growth = last + float(self.offset.get(here)[0])
        if at >= seen:
            growth = 0.0
        elif at > begun:
            growth *= (seen - at) / (seen - begun)
        self.begun.put_one(slot, max(at, begun))
        self.offset.put(here, np.array([growth - last]))
        return growth

    def forget(self, slot: int) -> None:
        """The device starts anew."""
        self.seen.put_one(slot, NEVER)

    def dump(self) -> Mapping[str, Any]:
        columns = (self.seen.data, self.begun.data, self.last.data, self.offset.data)
        return {name: column.tobytes() for name, column in zip(_COLUMNS, columns, strict=True)}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> "Usage":
        seen, begun = (SlotInts(np.frombuffer(dump[key], dtype=np.int64).copy()) for key in ("seen", "begun"))
        last, offset = (SlotValues(Kind.NUMBER, np.frombuffer(dump[key]).copy()) for key in ("last", "offset"))
        return cls(seen, begun, last, offset)


def _course(value: Floats, before: Floats, old: Flags, fall: Flags, offset: float) -> Floats:
    """What is added to each reading of one device: it changes where the counter fell, and up to the service record."""
    counted = int(np.count_nonzero(old))
    falls = np.flatnonzero(fall)
    steps = [offset if not counted else -float(value[counted - 1])]
    for reached in before[falls].tolist():
        steps.append(steps[-1] + reached)
    found: Floats = np.array(steps)[np.searchsorted(falls, np.arange(len(value)), side="right")]
    found[:counted] = -value[:counted]
    return found
