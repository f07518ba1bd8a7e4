"""Signals that are made reading by reading and stand until the next: `baseline`, `usage`, `anomaly`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from rules.board import Board, Points
from rules.devices import Devices
from rules.model import Kind, Signal
from rules.samples import NEVER, Channel, Floats, Ints
from rules.signals.anomaly import Anomaly
from rules.signals.baseline import WEEK_MS, Baseline
from rules.signals.usage import Usage
from rules.slots import SlotInts, SlotValues

OPS = frozenset({"baseline", "usage", "anomaly"})


class Model(Protocol):
    """What is learned of all devices of a lane."""

    def take(self, slots: Ints, ts: Ints, values: Floats, devices: Devices) -> Floats:
        """A value per sample, from what came before it. Shapes: slots (n,) grouped by device, ts (n,) in order within a
        device, values (n, metrics), finite. The result depends on a device's own samples alone, not on how they are cut
        into calls."""
        ...

    def forget(self, slot: int) -> None: ...

    def dump(self) -> Mapping[str, Any]: ...


_LOADERS: Mapping[str, Callable[[Mapping[str, Any]], Model]] = {
    "baseline": Baseline.load,
    "usage": Usage.load,
    "anomaly": Anomaly.load,
}


class Key(NamedTuple):
    """Signals with one key share a trail."""

    op: str
    channels: tuple[Channel, ...]
    option: str
    """What else makes them different: weeks of a baseline, kind of a detector."""
    within_ms: int
    """How old another metric's value may be, where there are several."""


def key_of(signal: Signal, kinds: Mapping[str, Kind], join_within: int) -> Key:
    channels = tuple(Channel(metric, kinds[metric]) for metric in signal.metrics)
    option = str(signal.options.get("detector", ""))
    if signal.op == "baseline":
        option = str((signal.over_ms or 0) // WEEK_MS)
    return Key(signal.op, channels, option, join_within if len(channels) > 1 else 0)


def _model(key: Key) -> Model:
    if key.op == "baseline":
        return Baseline(int(key.option))
    return Usage() if key.op == "usage" else Anomaly.make(key.option, len(key.channels))


@dataclass(slots=True)
class Trail:
    """One signal on all devices, and its last value on each."""

    model: Model
    at: SlotInts = field(default_factory=SlotInts)
    value: SlotValues = field(default_factory=lambda: SlotValues(Kind.NUMBER))


class Course(NamedTuple):
    """A signal over one board."""

    value: Floats
    """Per row, where it holds a new reading of the signal's metrics."""
    last: Ints
    """Per row, the last such row of the device; -1 where that lies before the board."""
    seeds: tuple[Ints, Floats]
    """Per device, event time and value of the last one before the board."""


@dataclass(slots=True)
class Trails:
    """All that the signals of one lane have learned."""

    by_key: dict[Key, Trail] = field(default_factory=dict)

    def reach(self, key: Key) -> None:
        """Learn from now on."""
        if key not in self.by_key:
            self.by_key[key] = Trail(_model(key))

    def forget(self, slot: int) -> None:
        """The device is gone."""
        for trail in self.by_key.values():
            trail.at.put_one(slot, NEVER)
            trail.model.forget(slot)

    def serviced(self, slot: int, at: int) -> None:
        """The device was serviced at `at`: its usage begins anew."""
        for trail in self.by_key.values():
            if isinstance(trail.model, Usage) and (growth := trail.model.serviced(slot, at)) is not None:
                trail.value.put(np.array([slot]), np.array([growth]))

    def dump(self) -> list[Any]:
        return [
            (key, trail.at.data.tobytes(), trail.value.data.tobytes(), trail.model.dump())
            for key, trail in self.by_key.items()
        ]

    @classmethod
    def load(cls, dump: list[Any]) -> "Trails":
        made = cls()
        for (op, channels, option, within_ms), at, value, model in dump:
            key = Key(op, tuple(Channel(metric, Kind(kind)) for metric, kind in channels), option, within_ms)
            made.by_key[key] = Trail(
                _LOADERS[op](model),
                SlotInts(np.frombuffer(at, dtype=np.int64).copy()),
                SlotValues(Kind.NUMBER, np.frombuffer(value).copy()),
            )
        return made


def follow(key: Key, trail: Trail, board: Board, devices: Devices) -> Course:
    """Take in the board's samples; the trail is left as it is after the last. Once per board."""
    seeds = trail.at.get(board.slots), trail.value.get(board.slots)
    joined = [board.joined[channel] for channel in key.channels if channel in board.joined]
    found = np.full(len(board.rows), np.nan)
    if not joined or not len(board.rows):
        return Course(found, np.full(len(board.rows), -1, dtype=np.int64), seeds)
    rows = np.flatnonzero(np.logical_or.reduce([one.fresh for one in joined]))
    points = board.samples(rows)
    columns = [board.values(channel, points, join_within=key.within_ms).to_numpy() for channel in key.channels]
    values = np.column_stack(columns)
    whole = np.flatnonzero(np.isfinite(values).all(axis=1))
    taken = rows[whole]
    found[taken] = trail.model.take(board.rows.slot[taken], board.rows.ts[taken], values[whole], devices)
    last = np.maximum.reduce([one.last for one in joined])
    busy = np.flatnonzero(board.ends > board.starts)
    end = last[board.ends[busy] - 1]
    here, slots = end >= 0, board.slots[busy]
    trail.at.put(slots[here], board.rows.ts[end[here]])
    trail.value.put(slots[here], found[end[here]])
    return Course(found, last, seeds)


def value(signal: Signal, course: Course, board: Board, points: Points, *, join_within: int) -> Floats:
    """The signal's last value at each point. What says something of a reading stands as long as the reading does."""
    at, found = (seed[points.group] for seed in course.seeds)
    if len(board.rows):
        inside = points.row >= board.starts[points.group]
        source = np.where(inside, course.last[points.row], -1)
        here = source >= 0
        at, found = np.where(here, board.rows.ts[source], at), np.where(here, course.value[source], found)
    stands = at > NEVER if signal.op == "usage" else points.time - at <= join_within
    return np.where(stands, found, np.nan)
