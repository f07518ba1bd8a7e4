"""What decided a condition on one row: every part of it evaluated, by the engine's own translation, and the parts
that made it TRUE. Says nothing in words: `rules.reasons` does.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl
from sqlglot import exp

from domain.telemetry import Value
from rules.expressions import Expression, parse
from rules.kinds import operands
from rules.model import Kind
from rules.samples import kind_of
from rules.translation import DTYPES, translate

COMPARE: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
"""What holds of two values of which the key does not hold."""
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The same said from the right-hand side."""
_WORD = re.compile(r"[^\W\d]\w*")
_NO_VALUE = (exp.Identifier, exp.If)
_GENERATED = (exp.Coalesce, exp.Nullif, exp.Least, exp.Greatest)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    text: str
    """As the rule writes it, in sqlglot's spelling."""
    value: Value | None
    name: str | None
    """The name whose value counted; None where it was a constant or was worked out."""
    source: str
    """Where the value came from: metric, signal, attribute, constant, or expression (worked out of several)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison with the values that it had."""

    left: Side
    operator: str
    right: Side | None
    """None after IS NULL."""
    holds: bool | None
    """None: UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Row:
    """An expression over one row of values."""

    expression: Expression
    values: Mapping[str, Value]
    """By name; a name that is not here is NULL."""
    attributes: Collection[str] = ()
    """Names that are attributes of the device."""
    signals: Collection[str] = ()
    found: dict[int, Any] = field(default_factory=dict, repr=False)
    """The value of each part of the tree, by its identity."""

    @classmethod
    def of(
        cls,
        expression: Expression,
        values: Mapping[str, Value],
        *,
        attributes: Collection[str] = (),
        signals: Collection[str] = (),
    ) -> "Row":
        """Evaluate every part at once. SourceError where the values' kinds do not fit the expression."""
        used = {name: values[name] for name in expression.names if values.get(name) is not None}
        kinds = {name: kind_of(value) for name, value in used.items()}
        parts = _parts(expression.root)
        frame = pl.DataFrame({name: pl.Series([value], dtype=DTYPES[kinds[name]]) for name, value in used.items()})
        results = frame.select(_columns(expression.text, tuple(sorted(kinds.items())))).row(0)
        found = {id(node): value for node, value in zip(parts, results, strict=True)}
        return cls(expression, used, attributes, signals, found)

    def value(self, node: exp.Expr) -> Any:
        """What the part stood for; None is NULL, and UNKNOWN."""
        return self.found[id(node)]

    def truth(self) -> bool | None:
        """The whole condition."""
        found: bool | None = self.value(self.expression.root)
        return found

    def grounds(self, node: exp.Expr | None = None) -> Iterator[exp.Expr]:
        """The comparisons that made the condition what it is: of an OR that is TRUE only those that are TRUE."""
        node = plain(self.expression.root if node is None else node)
        if isinstance(node, exp.Not):
            yield from self.grounds(node.this)
        elif isinstance(node, (exp.And, exp.Or)):
            parts, truth = list(node.flatten()), self.value(node)
            everyone = truth is isinstance(node, exp.And)
            for part in parts:
                if everyone or self.value(part) is truth:
                    yield from self.grounds(part)
        elif isinstance(node, exp.Case):
            yield from self._case(node)
        elif isinstance(node, _GENERATED):
            counted = self.counted(node)
            yield from self.grounds(counted) if counted is not node else [node]
        elif not isinstance(node, (exp.Boolean, exp.Null)):
            yield node

    def counted(self, node: exp.Expr) -> exp.Expr:
        """The part whose value became the value of `node`: the argument of COALESCE that was not NULL, and so on."""
        node = plain(node)
        if isinstance(node, exp.Case):
            _, result = self.chosen(node)
            return node if result is None else self.counted(result)
        if not isinstance(node, _GENERATED) or self.value(node) is None:
            return node
        among = [node.this] if isinstance(node, exp.Nullif) else operands(node)
        return self.counted(next(each for each in among if self.value(each) == self.value(node)))

    def passed_over(self, node: exp.Expr) -> list[str]:
        """Names of a COALESCE that had no value, so that a later argument counted."""
        node = plain(node)
        if not isinstance(node, exp.Coalesce):
            return []
        found: list[str] = []
        for each in operands(node):
            if self.value(each) is not None:
                return found + self.passed_over(each)
            found += names_in(each)
        return found

    def chosen(self, node: exp.Case) -> tuple[list[exp.Expr], exp.Expr | None]:
        """The tests of a CASE up to the one that was TRUE, and what it gave; None where no branch gave anything."""
        tests: list[exp.Expr] = []
        for each in node.args["ifs"]:
            tests.append(each.this)
            matches = self.value(each.this) if node.this is None else self._same(node.this, each.this)
            if matches is True:
                return [each.this], each.args["true"]
        return tests, node.args.get("default")

    def side(self, node: exp.Expr) -> Side:
        """A side of a comparison, with the source of its value."""
        counted = self.counted(node)
        text = written(node)
        if isinstance(counted, exp.Column):
            return Side(text, self.value(node), counted.name, self.source(counted.name))
        constant = not names_in(counted)
        return Side(text, self.value(node), None, "constant" if constant else "expression")

    def source(self, name: str) -> str:
        """What a name is."""
        return "signal" if name in self.signals else "attribute" if name in self.attributes else "metric"

    def comparisons(self) -> Iterator[Comparison]:
        """All comparisons of the condition, also those that did not matter, in the order of the text."""
        for node in self.expression.root.walk(bfs=False):
            if type(node) in COMPARE:
                yield self._comparison(node, COMPARE[type(node)], node.expression)
            elif isinstance(node, exp.Between):
                for key, operator in (("low", ">="), ("high", "<=")):
                    yield self._comparison(node, operator, node.args[key])
            elif isinstance(node, exp.Is):
                yield Comparison(self.side(node.this), "IS NULL", None, self.value(node))
            elif isinstance(node, exp.Like):
                yield self._comparison(node, "LIKE", node.expression)
            elif isinstance(node, exp.In):
                members = ", ".join(written(each) for each in node.expressions)
                right = Side(f"({members})", None, None, "constant")
                yield Comparison(self.side(node.this), "IN", right, self.value(node))

    def _comparison(self, node: exp.Expr, operator: str, right: exp.Expr) -> Comparison:
        one, other = self.side(node.this), self.side(right)
        holds = self.value(node)
        if isinstance(node, exp.Between):
            holds = None if one.value is None or other.value is None else _ordered(one.value, operator, other.value)
        return Comparison(one, operator, other, holds)

    def _case(self, node: exp.Case) -> Iterator[exp.Expr]:
        tests, result = self.chosen(node)
        for test in tests if node.this is None else ():
            yield from self.grounds(test)
        if result is not None:
            yield from self.grounds(result)

    def _same(self, left: exp.Expr, right: exp.Expr) -> bool:
        return self.value(left) is not None and self.value(left) == self.value(right)


def _parts(root: exp.Expr) -> list[exp.Expr]:
    """What has a value."""
    return [node for node in root.walk() if not isinstance(node, _NO_VALUE)]


@lru_cache(maxsize=1024)
def _columns(text: str, kinds: tuple[tuple[str, Kind], ...]) -> list[pl.Expr]:
    """The parts of an expression in Polars' terms, each a column of its own."""
    parts, known = _parts(parse(text).root), dict(kinds)
    return [translate(text, node, known).alias(str(place)) for place, node in enumerate(parts)]


def _ordered(value: Any, operator: str, bound: Any) -> bool:
    return bool(value >= bound if operator == ">=" else value <= bound)


def plain(node: exp.Expr) -> exp.Expr:
    """Without parentheses around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def written(node: exp.Expr) -> str:
    """A part as text; names stand in quotes only where they have to."""
    copy = node.copy()
    for identifier in copy.find_all(exp.Identifier):
        identifier.set("quoted", _WORD.fullmatch(identifier.name) is None)
    return copy.sql()


def names_in(node: exp.Expr) -> list[str]:
    """Names used below a part, each once, in order."""
    return list(dict.fromkeys(column.name for column in node.find_all(exp.Column, bfs=False)))
