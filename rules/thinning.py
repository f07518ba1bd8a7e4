"""Which ticks a rule must look at: between two rows of a device, silence grows evenly, and truth changes only where one
side of a comparison meets the other. A recording may span weeks; this finds those seconds without visiting all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from sqlglot import exp

from rules import ticks as tick_marks
from rules.board import Points
from rules.expressions import Expression
from rules.model import Kind
from rules.program import Program
from rules.readout import Readout
from rules.samples import Channel, Floats, Ints
from rules.segments import bound
from rules.signals import logic
from rules.ticks import STEP_MS, Stretches
from rules.truth import frame_of, null_where_nan

GROWING = frozenset({"silence", "since", "held"})
"""Signals that grow by one each second, or stay, as long as no reading comes."""
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ)
_NOWHERE = np.empty(0, dtype=np.int64)
_NEAR = (-1, 0, 1, 2)
"""Ticks around a meeting that are looked at themselves: rounding may move it by one."""


class Thinner:
    """Finds the ticks that matter to one rule on one board."""

    def __init__(
        self, readout: Readout, program: Program, kinds: Mapping[str, Kind], courses: Mapping[str, logic.Course]
    ) -> None:
        self.readout, self.program, self.kinds, self.courses = readout, program, kinds, courses

    def thin(self, parts: Stretches, ticks: Sequence[int]) -> Stretches:
        """Cut the stretches so that within each the rule's truth does not change; else into single ticks."""
        gap = self.program.rule.max_gap_ms
        even = isinstance(ticks, range) and (gap is None or gap >= STEP_MS)
        differences = list(_differences(self.program)) if even and _only_growing(self.program) else [None]
        if None in differences or not len(parts):
            return tick_marks.spread(parts)
        parts = self._cut_where_heard(parts, ticks)
        parts = self._cut_where_registered(parts, ticks)
        parts = self._cut_where_values_expire(parts, ticks)
        points = tick_marks.as_points(parts, ticks)
        now, later = self._frame(points, after_ms=0), self._frame(points, after_ms=STEP_MS)
        meetings = [
            _meetings(_numbers(now, difference, self.kinds), _numbers(later, difference, self.kinds))
            for difference in differences
            if difference is not None
        ]
        owner = np.concatenate([_NOWHERE, *(who for who, _ in meetings)])
        steps = np.concatenate([_NOWHERE, *(step for _, step in meetings)])
        return tick_marks.split(parts, owner, parts.first[owner] + steps)

    def _cut_where_heard(self, parts: Stretches, ticks: Sequence[int]) -> Stretches:
        """A reading ends silence also where it makes no row: late, or waiting for its turn."""
        hearing, slots = self.readout.hearing, self.readout.board.slots
        group = np.searchsorted(slots, hearing.slot)
        known = np.flatnonzero(slots[np.minimum(group, len(slots) - 1)] == hearing.slot)
        group, place = group[known], tick_marks.position(ticks, hearing.bound[known])
        first = np.searchsorted(parts.group, group)
        end = np.searchsorted(parts.group, group, side="right")
        owner = bound(parts.first, first, end, place + 1) - 1
        inside = owner >= first
        return tick_marks.split(parts, owner[inside], place[inside])

    def _cut_where_registered(self, parts: Stretches, ticks: Sequence[int]) -> Stretches:
        """A device that was heard before it was registered: silence of what it never sent grows from there."""
        registered = self.readout.devices.registered_at.get(self.readout.board.slots)
        places = tick_marks.position(ticks, registered)[parts.group]
        return tick_marks.split(parts, np.arange(len(parts)), places)

    def _cut_where_values_expire(self, parts: Stretches, ticks: Sequence[int]) -> Stretches:
        join_within = self.program.rule.join_within_ms
        for name in sorted(self.program.plain):
            points = tick_marks.as_points(parts, ticks)
            born = self.readout.board.born(Channel(name, self.kinds[name]), points)
            places = tick_marks.position(ticks, born + join_within + 1)
            parts = tick_marks.split(parts, np.arange(len(parts)), places)
        return parts

    def _frame(self, points: Points, *, after_ms: int) -> pl.DataFrame:
        columns = self.readout.plain(self.program, self.kinds, points)
        moved = replace(points, time=points.time + after_ms)
        for name, signal in self.program.signals.items():
            if name in self.courses:
                values = logic.value(signal, self.courses[name], self.readout.board, moved)
            else:
                values = self.readout.signal(signal, moved, join_within=0, kinds=self.kinds)
            columns[name] = null_where_nan(values)
        return frame_of(columns, len(points))


def _only_growing(program: Program) -> bool:
    return all(signal.op in GROWING for signal in program.signals.values())


def _differences(program: Program) -> Iterator[Expression | None]:
    """Left less right of each comparison that time moves; None where time may do something else than move evenly."""
    for expression in (program.when, program.clear):
        for column in expression.root.find_all(exp.Column) if expression is not None else ():
            if column.name in program.signals:
                yield from _around(column, set(program.signals))


def _around(column: exp.Expr, growing: set[str]) -> Iterator[Expression | None]:
    side: exp.Expr = column
    node = column.parent
    while node is not None and _keeps_even(node, side, growing):
        side, node = node, node.parent
    if isinstance(node, exp.Is):
        return
    if isinstance(node, _COMPARISONS):
        yield _difference(node.this, node.expression)
    elif isinstance(node, exp.Between):
        yield _difference(node.this, node.args["low"])
        yield _difference(node.this, node.args["high"])
    else:
        yield None


def _keeps_even(node: exp.Expr, side: exp.Expr, growing: set[str]) -> bool:
    """Whether the node grows evenly because its side does."""
    if isinstance(node, exp.Paren | exp.Neg | exp.Add | exp.Sub):
        return True
    if not isinstance(node, exp.Mul | exp.Div) or (isinstance(node, exp.Div) and node.this is not side):
        return False
    other = node.expression if node.this is side else node.this
    return not any(column.name in growing for column in other.find_all(exp.Column))


def _difference(left: exp.Expr, right: exp.Expr) -> Expression:
    root = exp.Sub(this=left.copy(), expression=right.copy())
    names = frozenset(column.name for column in root.find_all(exp.Column))
    return Expression(text=root.sql(), names=names, root=root)


def _numbers(frame: pl.DataFrame, expression: Expression, kinds: Mapping[str, Kind]) -> Floats:
    found = frame.select(expression.to_polars(kinds).cast(pl.Float64).fill_null(float("nan"))).to_series().to_numpy()
    return found if len(found) == frame.height else np.full(frame.height, found[0])


def _meetings(now: Floats, later: Floats) -> tuple[Ints, Ints]:
    """Where and after how many ticks a difference comes near nought, if it goes on from `now` as to `later`."""
    with np.errstate(all="ignore"):
        steps = np.floor(-now / (later - now))
    meets = np.flatnonzero(np.isfinite(steps) & (np.abs(steps) < 2**40))
    near = steps[meets].astype(np.int64)[:, None] + np.array(_NEAR)
    return np.repeat(meets, len(_NEAR)), near.ravel()
