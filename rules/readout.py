"""The columns that one rule reads at its points: metrics, attributes and signals by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from rules.board import Board, Points
from rules.devices import Devices
from rules.hearing import Ears, Hearing
from rules.model import Kind, Signal
from rules.program import Program
from rules.samples import DTYPES, NEVER, Channel, Flags, Floats, Ints
from rules.segments import bound
from rules.signals import ewma, folds, forecast, ranks
from rules.signals.beyond import OPS as BEYOND
from rules.signals.beyond import Beyond, View
from rules.signals.blocks import Blocks
from rules.signals.history import History, Readings, Window, readings_on, up_to, window
from rules.signals.silence import Coverage
from rules.slots import SlotInts

SLACK_MS = 600_000
"""How far a device's clock may be ahead of ticks and their windows still be whole."""


@dataclass(slots=True)
class Past:
    """What the signals of one lane remember."""

    histories: dict[Channel, History] = field(default_factory=dict)
    averages: dict[tuple[Channel, int], ewma.Averages] = field(default_factory=dict)
    ears: Ears = field(default_factory=Ears)
    beyond: Beyond = field(default_factory=Beyond)

    def reach(self, program: Program, kinds: Mapping[str, Kind], evaluated: SlotInts) -> None:
        """Remember as much as the program's signals look back on, from each device's last evaluated sample on."""
        self.ears.listen_for([signal.of for signal in program.signals.values() if signal.op == "silence"])
        for signal in program.signals.values():
            self.beyond.reach(signal, kinds, program.rule.join_within_ms)
            if signal.op == "silence" or signal.op in BEYOND or signal.of is None:
                continue
            channel = Channel(signal.of, kinds[signal.of])
            history = self.histories.setdefault(channel, History(blocks=Blocks(valued=channel.kind is Kind.NUMBER)))
            if signal.op == "ewma" and signal.half_life_ms is not None:
                self.averages.setdefault((channel, signal.half_life_ms), ewma.Averages())
            elif signal.over_ms is not None:
                back = 2 * signal.over_ms if signal.op == "delta" else signal.over_ms
                history.reach(back + (SLACK_MS if program.ticks else 0), evaluated)

    def forget(self, slot: int) -> None:
        for history in self.histories.values():
            history.blocks.forget(slot)
        for averages in self.averages.values():
            averages.forget(slot)
        self.ears.forget(slot)
        self.beyond.forget(slot)


@dataclass(slots=True)
class Readout:
    """One board, read by all rules of its lane; what two rules want is made once."""

    board: Board
    devices: Devices
    past: Past
    coverage: Coverage
    hearing: Hearing
    _readings: dict[Channel, Readings] = field(default_factory=dict)
    _averages: dict[tuple[Channel, int], ewma.Course] = field(default_factory=dict)
    _fresh: dict[frozenset[Channel], Flags] = field(default_factory=dict)
    _every: Flags | None = None
    _beyond: View = field(init=False)

    def __post_init__(self) -> None:
        self._beyond = View(self.board, self.devices, self.past.beyond)

    @property
    def every(self) -> Flags:
        """All rows of the board. Like all that is handed out here: not to be written to."""
        if self._every is None:
            self._every = np.ones(len(self.board.rows), dtype=np.bool_)
        return self._every

    def fresh(self, channels: frozenset[Channel]) -> Flags:
        """Rows with a new reading of any of the channels."""
        if channels not in self._fresh:
            full = any((joined := self.board.joined.get(channel)) and joined.full for channel in channels)
            self._fresh[channels] = self.every if full else self.board.fresh(channels)
        return self._fresh[channels]

    def column(self, name: str, kind: Kind, join_within: int) -> pl.Series:
        """`value` at all rows."""
        joined = self.board.joined.get(Channel(name, kind))
        if joined is not None and joined.full and join_within >= 0:
            return self.board.rows.values[Channel(name, kind)]
        return self.value(name, kind, self.board.samples(np.arange(len(self.board.rows))), join_within)

    def plain(self, program: Program, kinds: Mapping[str, Kind], points: Points) -> dict[str, pl.Series]:
        """Metrics and attributes, by name."""
        return {name: self.value(name, kinds[name], points, program.rule.join_within_ms) for name in program.plain}

    def signal(self, signal: Signal, points: Points, *, join_within: int, kinds: Mapping[str, Kind]) -> Floats:
        """A signal that is no expression; NaN for NULL."""
        if signal.op in BEYOND:
            return self._beyond.signal(signal, points, join_within=join_within, kinds=kinds)
        if signal.of is None or signal.op == "silence":
            return self._silence(signal, points)
        channel = Channel(signal.of, kinds[signal.of])
        readings = self._readings_of(channel)
        end = up_to(self.board, points, readings)
        if signal.op == "ewma" and signal.half_life_ms is not None:
            return self._average(channel, signal.half_life_ms).at(points, end, readings)
        over = signal.over_ms or 0
        seen = window(points, readings, end, over)
        if signal.op not in ("delta", "zscore", "time_to"):
            return _folded(signal, readings, seen)
        now = self.board.values(channel, points, join_within=join_within).to_numpy(allow_copy=True)
        if signal.op == "time_to":
            return forecast.time_to(signal, readings, seen, points, now)
        if signal.op == "delta":
            return _delta(readings, points, end, over, now)
        fresh = self._brought(channel, points)
        return ranks.zscore(readings.value, Window(seen.start, np.maximum(seen.end - fresh, seen.start)), now)

    def settle(self) -> None:
        """Carry what was remembered on to the next batch; nothing may be read afterwards."""
        self.hearing.settle()
        self._beyond.settle()
        for channel in self.past.histories:
            self._readings_of(channel)
        for channel, half_life in self.past.averages:
            self._average(channel, half_life)

    def value(self, name: str, kind: Kind, points: Points, join_within: int) -> pl.Series:
        """A metric's last value at each point, or else the attribute in force."""
        channel = Channel(name, kind)
        column = None
        if channel in self.board.lane.carries:
            column = self.board.values(channel, points, join_within=join_within)
        if name in self.devices.kinds or name == "device_id":
            attribute = self.devices.attribute(name, kind, self.board.slots).gather(points.group)
            column = attribute if column is None else column.zip_with(column.is_not_null(), attribute)
        if column is None:
            column = pl.repeat(None, len(points), dtype=DTYPES[kind], eager=True)
        return column.alias(name)

    def _readings_of(self, channel: Channel) -> Readings:
        if channel not in self._readings:
            history = self.past.histories[channel]
            self._readings[channel] = readings_on(self.board, channel, history)
        return self._readings[channel]

    def _brought(self, channel: Channel, points: Points) -> Ints:
        """1 where the point is a sample that holds a new reading of the channel."""
        joined = self.board.joined.get(channel)
        if joined is None or not len(self.board.rows):
            return np.zeros(len(points), dtype=np.int64)
        fresh: Ints = (~points.tick & joined.fresh[points.row]).astype(np.int64)
        return fresh

    def _average(self, channel: Channel, half_life: int) -> ewma.Course:
        key = (channel, half_life)
        if key not in self._averages:
            self._averages[key] = self.past.averages[key].follow(self.board, self._readings_of(channel), half_life)
        return self._averages[key]

    def _silence(self, signal: Signal, points: Points) -> Floats:
        heard = self.hearing.at(signal.of, self.board, points)
        registered = self.devices.registered_at.get(self.board.slots)[points.group]
        begin = np.where(heard > NEVER, heard, np.where(registered, registered, NEVER))
        if len(self.board.rows):
            now = np.where(points.tick, points.time, self.board.rows.received[points.row])
        else:
            now = points.time
        quiet = np.maximum(self.coverage.counted(begin, now), 0) / 1000
        found: Floats = np.where(begin > NEVER, quiet, np.nan)
        return found


def _folded(signal: Signal, readings: Readings, seen: Window) -> Floats:
    match signal.op:
        case "count":
            return seen.size.astype(np.float64)
        case "mean":
            return folds.mean(readings.value, seen)
        case "sum":
            return folds.total(readings.value, seen)
        case "min":
            return folds.smallest(readings.value, seen)
        case "max":
            return folds.largest(readings.value, seen)
        case "stddev":
            return folds.stddev(readings.value, seen)
        case "median":
            return ranks.median(readings.value, seen)
        case "slope":
            return folds.slope(readings.ts, readings.value, seen, counter=signal.counter) * signal.per_ms
    raise LookupError(f"no signal {signal.op!r}")


def _delta(readings: Readings, points: Points, end: Ints, over: int, now: Floats) -> Floats:
    """Value minus the last at or before t - over, if that is not older than t - 2 over."""
    if not len(readings.ts):
        return np.full(len(points), np.nan)
    first = readings.first[points.group]
    last = bound(readings.ts, first, end, points.time - over + 1) - 1
    place = np.maximum(last, 0)
    usable = (last >= first) & (readings.ts[place] >= points.time - 2 * over)
    found: Floats = np.where(usable, now - readings.value[place], np.nan)
    return found
