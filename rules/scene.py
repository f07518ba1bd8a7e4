"""One rule's view of one board: its points with everything evaluated, cut into spans for the machines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from domain.telemetry import Value
from rules import ticks as tick_marks
from rules.board import Points
from rules.machine import UNKNOWN, Span
from rules.model import Kind, Missing
from rules.program import Conditions, Program
from rules.readout import Readout
from rules.samples import Batch, Flags, Ints
from rules.signals import logic
from rules.thinning import GROWING, Thinner
from rules.truth import codes, frame_of, null_where_nan


@dataclass(frozen=True, slots=True)
class Scene:
    """Points ordered by device, and within a device as it met them."""

    points: Points
    mark: Ints
    """Position of the point's first tick; -1 for samples."""
    run: Ints
    """How many ticks the point stands for; 1 for samples."""
    slot: Ints
    when: Ints
    clear: Ints
    frame: pl.DataFrame
    """The columns behind it."""


class Viewer:
    """Evaluates one rule on a board."""

    def __init__(
        self,
        program: Program,
        kinds: Mapping[str, Kind],
        conditions: Conditions,
        memories: dict[str, logic.Memory],
    ) -> None:
        self.program, self.kinds, self.conditions, self.memories = program, kinds, conditions, memories
        self.courses: dict[str, logic.Course] = {}

    def view(
        self, readout: Readout, seen: Flags, applies: Flags, batch: Batch, *, ticked: Ints, until: Ints
    ) -> Scene | None:
        """`seen` says which rows the rule sees, `applies` to which of the board's devices it applies."""
        self._follow(readout, seen)
        samples = readout.board.samples(np.flatnonzero(seen))
        points, mark = samples, np.full(len(samples), -1, dtype=np.int64)
        run = np.ones(len(samples), dtype=np.int64)
        if self.program.ticks and len(batch.ticks):
            parts = tick_marks.stretches(readout.board, batch, ticked=ticked, until=until)
            parts = parts.take(np.flatnonzero(applies[parts.group]))
            parts = Thinner(readout, self.program, self.kinds, self.courses).thin(parts, batch.ticks)
            marks = tick_marks.as_points(parts, batch.ticks)
            order = tick_marks.interleave(samples, marks)
            points = tick_marks.join_points(samples, marks, order)
            mark = np.concatenate([mark, parts.first])[order]
            run = np.concatenate([run, parts.end - parts.first])[order]
        return self._evaluate(readout, points, mark, run) if len(points) else None

    def _evaluate(self, readout: Readout, points: Points, mark: Ints, run: Ints) -> Scene:
        program = self.program
        columns = readout.plain(program, self.kinds, points)
        for name, signal in program.signals.items():
            if name in program.inner:
                values = logic.value(signal, self.courses[name], readout.board, points)
            else:
                join_within = program.rule.join_within_ms
                values = readout.signal(signal, points, join_within=join_within, kinds=self.kinds)
            columns[name] = null_where_nan(values)
        frame = frame_of(columns, len(points))
        when = codes(frame, self.conditions.when)
        when = self._without_unknown(when)
        clear = when if self.conditions.clear is None else codes(frame, self.conditions.clear)
        return Scene(points, mark, run, readout.board.slots[points.group], when, clear, frame)

    def _without_unknown(self, when: Ints) -> Ints:
        missing = self.program.rule.missing
        return when if missing is Missing.HOLD else np.where(when == UNKNOWN, int(missing is Missing.BREACH), when)

    def _follow(self, readout: Readout, seen: Flags) -> None:
        """Expression signals take in the samples that the rule sees."""
        if not self.program.inner:
            return
        rows = np.flatnonzero(seen)
        frame = frame_of(readout.plain(self.program, self.kinds, readout.board.samples(rows)), len(rows))
        for name, condition in self.conditions.inner.items():
            truth = np.full(len(seen), UNKNOWN, dtype=np.int64)
            truth[rows] = codes(frame, condition)
            memory = self.memories.setdefault(name, logic.Memory())
            self.courses[name] = logic.follow(self.program.signals[name], truth, seen, readout.board, memory)

    def spans(self, scene: Scene, chosen: Ints, ticks: Sequence[int]) -> Iterator[tuple[int, list[Span]]]:
        """Per device, the stretches of equal truth among the chosen points; `Span.point` is a position in `chosen`."""
        slot, when, clear = scene.slot[chosen], scene.when[chosen], scene.clear[chosen]
        time, tick = scene.points.time[chosen], scene.points.tick[chosen]
        mark, run = scene.mark[chosen], scene.run[chosen]
        cut = np.ones(len(chosen), dtype=np.bool_)
        cut[1:] = (slot[1:] != slot[:-1]) | (when[1:] != when[:-1]) | (clear[1:] != clear[:-1]) | tick[1:] | tick[:-1]
        cut |= self._holes(slot, time, when)
        starts = np.flatnonzero(cut)
        owner, ends = slot[starts], np.append(starts[1:], len(chosen))
        spans: list[Span] = []
        last = -1
        for at, end, whose in zip(starts.tolist(), ends.tolist(), owner.tolist(), strict=True):
            if whose != last and spans:
                yield last, spans
                spans = []
            last = whose
            moments = ticks[mark[at] : mark[at] + run[at]] if tick[at] else time[at:end].tolist()
            spans.append(Span(moments, int(when[at]), int(clear[at]), at))
        if spans:
            yield last, spans

    def _holes(self, slot: Ints, time: Ints, when: Ints) -> Flags:
        """Points more than `max_gap` after the last one that counted."""
        found = np.zeros(len(slot), dtype=np.bool_)
        counted = np.flatnonzero(when != UNKNOWN)
        if self.program.rule.max_gap_ms is None or len(counted) < 2:
            return found
        apart = (np.diff(time[counted]) > self.program.rule.max_gap_ms) & (slot[counted][1:] == slot[counted][:-1])
        found[counted[1:][apart]] = True
        return found

    def evidence(self, scene: Scene, at: Ints, later_s: Sequence[float]) -> Iterator[dict[str, Value]]:
        """What the rule's names stood for at points, or at ticks so long after them with nothing else changed."""
        frame = scene.frame[at]
        growing = [name for name, signal in self.program.signals.items() if signal.op in GROWING]
        for row, later in zip(frame.iter_rows(named=True), later_s, strict=True):
            found = {name: value for name, value in row.items() if value is not None and name}
            for name in growing:
                if name in found and (found[name] or self.program.signals[name].op == "silence"):
                    found[name] += later
            yield found
