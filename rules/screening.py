"""The conditions of all rules without signals, over all rows of a board at once: mostly FALSE, and that is that."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from sqlglot import exp

from rules.expressions import Expression
from rules.machine import UNKNOWN
from rules.model import Kind
from rules.program import Program
from rules.readout import Readout
from rules.samples import Channel, Ints


class Shared(NamedTuple):
    """A rule's conditions over columns that all rules share, named by metric, kind and `join_within`."""

    when: pl.Expr
    clear: pl.Expr | None
    columns: Mapping[str, tuple[Channel, int]]


class Verdict(NamedTuple):
    """The conditions on every row of the board."""

    when: Ints
    clear: Ints | None


def share(program: Program, kinds: Mapping[str, Kind]) -> Shared | None:
    """None for a rule with signals: those are its own."""
    if program.signals:
        return None
    join_within = program.rule.join_within_ms
    keys = {name: f"{name}\0{kinds[name]}\0{join_within}" for name in program.plain}
    renamed = {key: kinds[name] for name, key in keys.items()}
    return Shared(
        _rename(program.when, keys).to_polars(renamed),
        None if program.clear is None else _rename(program.clear, keys).to_polars(renamed),
        {key: (Channel(name, kinds[name]), join_within) for name, key in keys.items()},
    )


def screen(readout: Readout, conditions: Sequence[Shared]) -> list[Verdict]:
    """In the order of `conditions`."""
    height = len(readout.board.rows)
    points = readout.board.samples(np.arange(height))
    columns = {"": pl.repeat(None, height, dtype=pl.Null, eager=True)}
    wanted: list[pl.Expr] = []
    for number, shared in enumerate(conditions):
        for key, (channel, join_within) in shared.columns.items():
            if key not in columns:
                columns[key] = readout.value(channel.metric, channel.kind, points, join_within).alias(key)
        wanted.append(_code(shared.when).alias(f"when {number}"))
        if shared.clear is not None:
            wanted.append(_code(shared.clear).alias(f"clear {number}"))
    frame = pl.DataFrame(columns).with_columns(wanted)
    return [
        Verdict(
            frame[f"when {number}"].to_numpy(),
            None if shared.clear is None else frame[f"clear {number}"].to_numpy(),
        )
        for number, shared in enumerate(conditions)
    ]


def _code(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Int64).fill_null(UNKNOWN)


def _rename(expression: Expression, keys: Mapping[str, str]) -> Expression:
    root = expression.root.copy()
    columns = [root] if isinstance(root, exp.Column) else list(root.find_all(exp.Column))
    for column in columns:
        column.set("this", exp.to_identifier(keys[column.name], quoted=True))
    return Expression(text=expression.text, names=frozenset(keys.values()), root=root)
