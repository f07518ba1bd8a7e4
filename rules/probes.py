"""How near each part of a condition came to being TRUE in a back-test: counts, and the closest approach."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from sqlglot import exp

from rules.expressions import Expression
from rules.grounds import COMPARE, OPPOSITE, plain, written
from rules.kinds import KindChecker
from rules.machine import FALSE, TRUE, UNKNOWN
from rules.model import Kind
from rules.scene import Scene
from rules.translation import translate
from rules.truth import codes

_UPWARDS = {">": 1.0, ">=": 1.0, "<": -1.0, "<=": -1.0}
"""In which direction the left side has to move for the comparison to hold."""


@dataclass(frozen=True, slots=True)
class Approach:
    """The values that came nearest to each other without holding."""

    slot: int
    at: int
    """Epoch ms."""
    left: float
    right: float


@dataclass(slots=True)
class Probe:
    """One part of a condition, counted."""

    text: str
    """As it has to hold: `NOT (a > 5)` is `a <= 5`."""
    names: tuple[str, ...]
    left: str
    operator: str | None
    """Of a comparison of numbers; None for other conditions."""
    truth: pl.Expr
    sides: tuple[pl.Expr, pl.Expr] | None
    counts: dict[int, int] = field(default_factory=lambda: {TRUE: 0, FALSE: 0, UNKNOWN: 0})
    nearest: Approach | None = None

    def take(self, scene: Scene) -> None:
        """Count one board's points."""
        found = codes(scene.frame, self.truth)
        for truth in self.counts:
            self.counts[truth] += int(scene.run[found == truth].sum())
        if self.sides is None or self.operator is None:
            return
        left, right = (np.asarray(_numbers(scene.frame, side), dtype=np.float64) for side in self.sides)
        with np.errstate(invalid="ignore"):
            short = (right - left) * _UPWARDS[self.operator]
        short[np.isnan(short) | (found != FALSE)] = np.inf
        best = int(np.argmin(short)) if len(short) else 0
        if len(short) and np.isfinite(short[best]) and float(short[best]) < self._gap():
            at = int(scene.points.time[best])
            self.nearest = Approach(int(scene.slot[best]), at, float(left[best]), float(right[best]))

    def _gap(self) -> float:
        return float("inf") if self.nearest is None else abs(self.nearest.right - self.nearest.left)


def probes(condition: Expression, kinds: Mapping[str, Kind]) -> list[Probe]:
    """One for each part between the ANDs, ORs and NOTs."""
    checker = KindChecker(condition.text, kinds, open_names=True)
    checker.kind(condition.root)
    return [_probe(condition, node, checker, kinds, holds=holds) for node, holds in _parts(condition.root, holds=True)]


def _parts(node: exp.Expr, *, holds: bool) -> Iterator[tuple[exp.Expr, bool]]:
    """The leaves, and whether each has to hold or not to hold."""
    node = plain(node)
    if isinstance(node, exp.Not):
        yield from _parts(node.this, holds=not holds)
    elif isinstance(node, (exp.And, exp.Or)):
        for part in node.flatten():
            yield from _parts(part, holds=holds)
    else:
        yield node, holds


def _probe(
    condition: Expression, node: exp.Expr, checker: KindChecker, kinds: Mapping[str, Kind], *, holds: bool
) -> Probe:
    truth = translate(condition.text, node, kinds)
    names = tuple(dict.fromkeys(column.name for column in node.find_all(exp.Column)))
    operator = COMPARE.get(type(node))
    operator = operator if holds or operator is None else OPPOSITE[operator]
    text = f"{written(node.this)} {operator} {written(node.expression)}" if operator else written(node)
    numeric = operator in _UPWARDS and checker.kind(node.this) is Kind.NUMBER
    ends = (node.this, node.expression) if numeric else ()
    sides = [translate(condition.text, each, kinds).cast(pl.Float64) for each in ends]
    return Probe(
        text if operator or holds else f"NOT {text}",
        names,
        written(node.this) if numeric else "",
        operator if numeric else None,
        truth if holds else ~truth,
        (sides[0], sides[1]) if numeric else None,
    )


def _numbers(frame: pl.DataFrame, side: pl.Expr) -> pl.Series:
    found = frame.select(side.alias("side")).to_series()
    return found if len(found) == frame.height else pl.repeat(found.item(), frame.height, dtype=pl.Float64, eager=True)
