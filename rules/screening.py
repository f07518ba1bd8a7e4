"""The conditions of all rules that look at samples alone, over a board at once: mostly FALSE, and that is that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlglot import exp

from rules.expressions import Expression
from rules.machine import UNKNOWN
from rules.model import Kind, Missing, Signal
from rules.program import Program
from rules.readout import Readout
from rules.samples import Flags
from rules.truth import null_where_nan


class Source(NamedTuple):
    """What a column holds: a metric or attribute by name, or a signal."""

    what: str | Signal
    kinds: tuple[tuple[str, Kind], ...]
    """Of the name, or of the signal's metrics."""
    join_within: int


class Shared(NamedTuple):
    """A rule's conditions over columns that all rules share; what two rules want is one column."""

    when: pl.Expr
    clear: pl.Expr | None
    columns: Mapping[str, Source]
    names: Mapping[str, str]
    """From the rule's names to columns."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What came of all rules of a board that were judged together: a line per rule, a column per row of the board."""

    when: NDArray[np.int8]
    clear: NDArray[np.int8]
    """Of the rule's own `clear`; where it has none, the same as `when`."""
    seen: NDArray[np.bool_]
    """Rows that the rule sees; of the others nothing above means anything."""
    names: Mapping[str, Mapping[str, str]]
    """By rule, from its names to columns of `frame`."""
    frame: pl.DataFrame


def share(program: Program, kinds: Mapping[str, Kind]) -> Shared | None:
    """None for a rule that ticks move, or with signals that follow an expression: its points are its own."""
    if program.ticks or program.inner:
        return None
    join_within = program.rule.join_within_ms
    columns, names, renamed = {}, {}, {}
    for name in sorted(program.plain):
        source = Source(name, ((name, kinds[name]),), join_within)
        names[name] = f"{name}\0{kinds[name]}\0{join_within}"
        columns[names[name]], renamed[names[name]] = source, kinds[name]
    for name, signal in program.signals.items():
        of = tuple((metric, kinds[metric]) for metric in signal.metrics)
        source = Source(replace(signal, name=""), of, join_within)
        names[name] = f"\0{source}"
        columns[names[name]], renamed[names[name]] = source, Kind.NUMBER
    missing = {Missing.HOLD: UNKNOWN, Missing.BREACH: 1, Missing.OK: 0}[program.rule.missing]
    return Shared(
        _code(_rename(program.when, names).to_polars(renamed), missing),
        None if program.clear is None else _code(_rename(program.clear, names).to_polars(renamed), UNKNOWN),
        columns,
        names,
    )


def screen(readout: Readout, conditions: Mapping[str, tuple[Shared, Flags]]) -> Screened:
    """By rule: its conditions, and the rows that it sees; a signal is read where any rule that uses it sees a row."""
    height = len(readout.board.rows)
    columns = {"": pl.repeat(None, height, dtype=pl.Null, eager=True)}
    wanted: list[pl.Expr] = []
    seen: dict[str, list[Flags]] = {}
    for name, (shared, rows) in conditions.items():
        for key in shared.columns:
            seen.setdefault(key, []).append(rows)
        wanted.append(shared.when.alias(f"when\0\0{name}"))
        if shared.clear is not None:
            wanted.append(shared.clear.alias(f"clear\0\0{name}"))
    sources = {key: source for shared, _ in conditions.values() for key, source in shared.columns.items()}
    for key, source in sources.items():
        columns[key] = _column(readout, source, seen[key]).alias(key)
    frame = pl.DataFrame(columns)
    truth = frame.with_columns(wanted)
    when = [pl.col(f"when\0\0{name}") for name in conditions]
    clear = [
        pl.col(f"when\0\0{name}" if shared.clear is None else f"clear\0\0{name}").alias(name)
        for name, (shared, _) in conditions.items()
    ]
    names = {name: shared.names for name, (shared, _) in conditions.items()}
    whens = truth.select(when).to_numpy().T
    clears = (
        whens if all(shared.clear is None for shared, _ in conditions.values()) else truth.select(clear).to_numpy().T
    )
    return Screened(whens, clears, np.stack([rows for _, rows in conditions.values()]), names, frame)


def _column(readout: Readout, source: Source, seen: Sequence[Flags]) -> pl.Series:
    if isinstance(source.what, str):
        return readout.column(source.what, source.kinds[0][1], source.join_within)
    rows = seen[0]
    for more in seen[1:]:
        if more is not rows:
            rows = rows | more
    index = np.flatnonzero(rows)
    points = readout.board.samples(index)
    values = readout.signal(source.what, points, join_within=source.join_within, kinds=dict(source.kinds))
    if len(index) < len(rows):
        found = np.full(len(rows), np.nan)
        found[index] = values
        values = found
    return null_where_nan(values)


def _code(condition: pl.Expr, unknown: int) -> pl.Expr:
    return condition.cast(pl.Int8).fill_null(unknown)


def _rename(expression: Expression, keys: Mapping[str, str]) -> Expression:
    root = expression.root.copy()
    columns = [root] if isinstance(root, exp.Column) else list(root.find_all(exp.Column))
    for column in columns:
        column.set("this", exp.to_identifier(keys[column.name], quoted=True))
    return Expression(text=expression.text, names=frozenset(keys.values()), root=root)
