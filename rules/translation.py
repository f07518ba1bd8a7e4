"""From a checked syntax tree to one Polars expression with SQL's three-valued logic and no NaN or infinity in sight.

Polars orders NaN above every number, so `0/0 > 3` would be TRUE: what is not finite must become NULL. Doing so after
each step doubles the expression each time. It is enough to do it where a non-finite value could turn into something
else (in a comparison, a choice, a divisor, at the end): sums, products, roots and the like of what is not finite are
not finite either. `Part.finite` says whether that is still to be done.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

import numpy as np
import polars as pl
from sqlglot import exp

from rules.kinds import KindChecker, operands
from rules.model import Kind

DTYPES: dict[Kind, type[pl.DataType]] = {Kind.NUMBER: pl.Float64, Kind.BOOLEAN: pl.Boolean, Kind.STRING: pl.String}
"""How columns of each kind are kept."""

_Binary = Callable[[pl.Expr, pl.Expr], pl.Expr]
_COMPARE: dict[type[exp.Expr], _Binary] = {
    exp.EQ: pl.Expr.eq,
    exp.NEQ: pl.Expr.ne,
    exp.LT: pl.Expr.lt,
    exp.LTE: pl.Expr.le,
    exp.GT: pl.Expr.gt,
    exp.GTE: pl.Expr.ge,
}
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}
_PROPAGATE: dict[type[exp.Expr], _Binary] = {
    exp.Add: lambda left, right: left + right,
    exp.Sub: lambda left, right: left - right,
    exp.Mul: lambda left, right: left * right,
}
_UNARY: dict[type[exp.Expr], Callable[[pl.Expr], pl.Expr]] = {
    exp.Neg: lambda value: -value,
    exp.Abs: pl.Expr.abs,
    exp.Floor: pl.Expr.floor,
    exp.Ceil: pl.Expr.ceil,
    exp.Sqrt: pl.Expr.sqrt,
    exp.Ln: pl.Expr.log,
}
_CHOOSE: dict[type[exp.Expr], Callable[[list[pl.Expr]], pl.Expr]] = {
    exp.Coalesce: pl.coalesce,
    exp.Least: pl.min_horizontal,
    exp.Greatest: pl.max_horizontal,
}
_SETTLE: dict[type[exp.Expr], Callable[[pl.Expr], pl.Expr]] = {exp.Sign: pl.Expr.sign, exp.Exp: pl.Expr.exp}
"""Functions that make something finite of an infinity: their argument is settled first."""


class Part(NamedTuple):
    """A translated piece."""

    expr: pl.Expr
    finite: bool = True
    constant: bool = False
    null: bool = False
    """NULL whatever the row."""

    def settled(self) -> pl.Expr:
        """With NULL for all that is not finite."""
        return self.expr if self.finite else pl.when(self.expr.is_finite()).then(self.expr)


def translate(text: str, root: exp.Expr, kinds: Mapping[str, Kind]) -> pl.Expr:
    """The whole tree; SourceError where kinds do not fit. Names that `kinds` lacks are NULL."""
    checker = KindChecker(text, kinds, open_names=True)
    checker.kind(root)
    found = checker.kind(root) or Kind.BOOLEAN
    return _Translator(checker, kinds).part(root, found).settled()


class _Translator:
    def __init__(self, checker: KindChecker, kinds: Mapping[str, Kind]) -> None:
        self.checker, self.kinds = checker, kinds

    def part(self, node: exp.Expr, kind: Kind) -> Part:
        """Translate a node that is of `kind`, or NULL.

        What is constant is worked out here: Polars does not stretch everything that has no column over a frame.
        """
        if isinstance(node, exp.Paren):
            return self.part(node.this, kind)
        made = self._part(node, kind)
        if made.constant or made.expr.meta.root_names():
            return made
        return _constant(pl.select(made.settled()).item(), kind)

    def _part(self, node: exp.Expr, kind: Kind) -> Part:
        if isinstance(node, exp.Null) or (isinstance(node, exp.Column) and node.name not in self.kinds):
            return _constant(None, kind)
        if isinstance(node, exp.Column):
            return Part(pl.col(node.name))
        if isinstance(node, exp.Literal):
            return _constant(node.name if node.is_string else float(node.name), kind)
        if isinstance(node, exp.Case):
            return Part(self._case(node, kind))
        if isinstance(node, (exp.Coalesce, exp.Least, exp.Greatest)):
            present = [part for each in operands(node) if not (part := self.part(each, kind)).null]
            return Part(_CHOOSE[type(node)]([part.settled() for part in present])) if present else _constant(None, kind)
        if isinstance(node, exp.Nullif):
            value, other = self.part(node.this, kind), self.part(node.expression, kind)
            if value.null or other.null:
                return value
            same = _compared(value, other, exp.EQ).expr
            return Part(pl.when(same).then(pl.lit(None, dtype=DTYPES[kind])).otherwise(value.settled()))
        return self._arithmetic(node) if kind is Kind.NUMBER else self._condition(node)

    def _settled(self, nodes: Sequence[exp.Expr], kind: Kind) -> list[pl.Expr]:
        return [self.part(node, kind).settled() for node in nodes]

    def _arithmetic(self, node: exp.Expr) -> Part:
        form = type(node)
        first = self.part(node.this, Kind.NUMBER)
        if first.null:
            return first
        if form in _UNARY:
            return Part(_UNARY[form](first.expr), finite=first.finite and form not in {exp.Sqrt, exp.Ln})
        if form in _SETTLE:
            return Part(_SETTLE[form](first.settled()), finite=form is exp.Sign)
        if form is exp.Round:
            # Polars rounds halves to even unless told; SQL rounds them away from zero.
            digits = int(node.args["decimals"].name) if node.args.get("decimals") else 0
            return Part(first.expr.round(digits, mode="half_away_from_zero"), finite=first.finite)
        second = self.part(node.expression, Kind.NUMBER)
        if second.null:
            return second
        if form in _PROPAGATE:
            return Part(_PROPAGATE[form](first.expr, second.expr), finite=False)
        if form is exp.Div:
            return Part(first.expr / second.settled(), finite=False)
        if form is exp.Pow:
            return Part(first.settled().pow(second.settled()), finite=False)
        return Part(_remainder(first.expr, second.settled()), finite=False)

    def _condition(self, node: exp.Expr) -> Part:
        if isinstance(node, exp.Boolean):
            return Part(pl.lit(bool(node.this)))
        if isinstance(node, (exp.And, exp.Or)):
            parts = self._settled(list(node.flatten(unnest=False)), Kind.BOOLEAN)
            return Part(reduce(and_ if isinstance(node, exp.And) else or_, parts))
        if isinstance(node, exp.In):
            return self._in(node)
        if isinstance(node, exp.Not):
            return Part(~self.part(node.this, Kind.BOOLEAN).expr)
        if isinstance(node, exp.Is):
            return Part(self.part(node.this, self._kind_of([node.this])).settled().is_null())
        if isinstance(node, exp.Like):
            found = self.part(node.this, Kind.STRING).expr.str.contains(like_pattern(node.expression.name))
            return Part(~found if node.args.get("negate") else found)
        kind = self._kind_of(operands(node))
        value, *others = [self.part(each, kind) for each in operands(node)]
        if isinstance(node, exp.Between):
            low, high = others
            return Part(_compared(value, low, exp.GTE).expr & _compared(value, high, exp.LTE).expr)
        return _compared(value, others[0], type(node))

    def _in(self, node: exp.In) -> Part:
        """TRUE if one equals; else UNKNOWN if one is UNKNOWN; else FALSE: what a chain of `= OR =` says."""
        kind = self._kind_of(operands(node))
        value = self.part(node.this, kind)
        if value.null:
            return _constant(None, Kind.BOOLEAN)
        plain = [each.name for each in node.expressions if isinstance(each, exp.Literal) and not value.constant]
        others = [each for each in node.expressions if value.constant or not isinstance(each, exp.Literal)]
        tests = [_compared(value, self.part(other, kind), exp.EQ).expr for other in others]
        if plain:
            members = plain if kind is Kind.STRING else [float(each) for each in plain]
            tests.append(value.settled().is_in(pl.Series(members, dtype=DTYPES[kind]).implode()))
        return Part(reduce(or_, tests))

    def _case(self, node: exp.Case, kind: Kind) -> pl.Expr:
        ifs = node.args["ifs"]
        if node.this is None:
            tests = self._settled([each.this for each in ifs], Kind.BOOLEAN)
        else:
            compared = [node.this, *(each.this for each in ifs)]
            value, *others = [self.part(each, self._kind_of(compared)) for each in compared]
            tests = [_compared(value, other, exp.EQ).expr for other in others]
        default = node.args.get("default")
        chosen = self.part(default, kind).settled() if default is not None else pl.lit(None, dtype=DTYPES[kind])
        results = self._settled([each.args["true"] for each in ifs], kind)
        for test, result in zip(reversed(tests), reversed(results), strict=True):
            chosen = pl.when(test).then(result).otherwise(chosen)
        return chosen

    def _kind_of(self, nodes: Sequence[exp.Expr]) -> Kind:
        """The kind that the nodes share; any will do where all are NULL."""
        return next((kind for node in nodes if (kind := self.checker.kind(node)) is not None), Kind.NUMBER)


def _constant(value: float | bool | str | None, kind: Kind) -> Part:  # noqa: FBT001 - a value, not a flag
    return Part(pl.lit(value, dtype=DTYPES[kind]), constant=True, null=value is None)


def _compared(left: Part, right: Part, form: type[exp.Expr]) -> Part:
    """Constants go to the right: Polars 2.1 makes a single row of a literal compared with a constant column."""
    if left.null or right.null:
        return _constant(None, Kind.BOOLEAN)
    if left.constant:
        left, right, form = right, left, _MIRRORED.get(form, form)
    return Part(_COMPARE[form](left.settled(), right.settled()))


def like_pattern(pattern: str) -> str:
    """A SQL LIKE pattern as a regular expression: `%` is any text, `_` any one character, case counts."""
    wild = {"%": ".*", "_": "."}
    return "(?s)^" + "".join(wild.get(char) or re.escape(char) for char in pattern) + "$"


def _remainder(value: pl.Expr, divisor: pl.Expr) -> pl.Expr:
    """SQL's `%`: the sign of the dividend, exact. Polars' own takes the sign of the divisor and loses digits."""
    return pl.map_batches([value, divisor], _fmod, return_dtype=pl.Float64)


def _fmod(columns: Sequence[pl.Series]) -> pl.Series:
    value, divisor = (column.to_numpy() for column in columns)
    with np.errstate(all="ignore"):
        return pl.Series(np.fmod(value, divisor))
