"""A rule made ready to run: expressions parsed, names resolved, kinds settled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from domain.errors import SourceError
from rules.devices import DEVICE_ID
from rules.expressions import Expression, parse
from rules.model import Kind, Missing, Rule, Signal
from rules.samples import Channel
from rules.vocabulary import kinds_of

EXPRESSION_OPS = frozenset({"since", "held", "times"})


@dataclass(frozen=True, slots=True)
class Program:
    """What does not depend on readings."""

    rule: Rule
    when: Expression
    clear: Expression | None
    applies_to: Expression | None
    signals: Mapping[str, Signal]
    """Those that `when` and `clear` use."""
    inner: Mapping[str, Expression]
    """The expressions of signals that have one."""
    plain: frozenset[str]
    """Names that are no signals: metrics or attributes."""

    @property
    def ticks(self) -> bool:
        """Whether ticks are for this rule."""
        return any(signal.op == "silence" for signal in self.signals.values())

    @property
    def sees_all(self) -> bool:
        return self.rule.missing is not Missing.HOLD

    @property
    def hears_all(self) -> bool:
        """Whether any reading of a device matters, whatever its metric."""
        whole = any(signal.op == "silence" and signal.of is None for signal in self.signals.values())
        return self.sees_all or whole

    @property
    def metrics(self) -> frozenset[str]:
        """Names that the rule uses, directly or through a signal, and that may be metrics."""
        return self.plain.union(*(signal.metrics for signal in self.signals.values()))

    def expressions(self) -> Iterable[Expression]:
        yield from self.inner.values()
        yield self.when
        if self.clear is not None:
            yield self.clear


@dataclass(frozen=True, slots=True)
class Conditions:
    """A program's expressions in Polars' terms."""

    when: pl.Expr = field(default_factory=lambda: pl.lit(None))
    clear: pl.Expr | None = None
    inner: Mapping[str, pl.Expr] = field(default_factory=dict)


def compile_rule(rule: Rule) -> Program:
    """SourceError if an expression is not in the language."""
    when = parse(rule.when)
    clear = parse(rule.clear) if rule.clear is not None else None
    used = when.names | (clear.names if clear is not None else frozenset())
    signals = {signal.name: signal for signal in rule.signals if signal.name in used}
    inner = {name: parse(signal.expr) for name, signal in signals.items() if signal.expr is not None}
    names = used.union(*(expression.names for expression in inner.values()))
    applies_to = parse(rule.applies_to) if rule.applies_to else None
    return Program(rule, when, clear, applies_to, signals, inner, names - signals.keys())


def settle_kinds(program: Program, seen: Mapping[str, Kind]) -> dict[str, Kind]:
    """The kind of every name: as it was seen, unless that contradicts its use; else as it is used."""
    hints = {name: kind for name, kind in seen.items() if name in program.metrics}
    try:
        return kinds_of(program.rule, hints)
    except (SourceError, ExceptionGroup):
        return kinds_of(program.rule)


def channels(program: Program, kinds: Mapping[str, Kind]) -> frozenset[Channel]:
    """Where the rule's metrics are found, if they are metrics. Silence ends with a reading of any kind."""
    found = {Channel(name, kinds[name]) for name in program.plain if name != DEVICE_ID}
    for signal in program.signals.values():
        for metric in signal.metrics:
            found.update(Channel(metric, kind) for kind in (Kind if signal.op == "silence" else (kinds[metric],)))
    return frozenset(found)


def translate(program: Program, kinds: Mapping[str, Kind]) -> Conditions:
    """For names of these kinds."""
    return Conditions(
        program.when.to_polars(kinds),
        None if program.clear is None else program.clear.to_polars(kinds),
        {name: expression.to_polars(kinds) for name, expression in program.inner.items()},
    )
