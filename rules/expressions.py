"""Conditions and values that rules are written in: SQL in, Polars expressions out, with SQL's three-valued logic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl
from sqlglot import exp

from domain.errors import SourceError
from rules.grammar import tree
from rules.kinds import KindChecker
from rules.model import Kind
from rules.translation import translate


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression that uses nothing but the language of the contract."""

    text: str
    names: frozenset[str]
    """Metrics, signals and attributes it uses, as written."""
    root: exp.Expr = field(repr=False, compare=False)

    def check(self, kinds: Mapping[str, Kind]) -> Kind:
        """Its kind, if every name is in `kinds` and the kinds fit; SourceError with line and column otherwise.

        An expression that is always NULL counts as a condition.
        """
        return KindChecker(self.text, kinds).kind(self.root) or Kind.BOOLEAN

    def check_condition(self, kinds: Mapping[str, Kind]) -> None:
        """SourceError unless `check` finds a condition: something TRUE, FALSE or UNKNOWN."""
        KindChecker(self.text, kinds).want(self.root, Kind.BOOLEAN)

    def infer(self, kinds: Mapping[str, Kind], *, wanted: Kind | None = None) -> dict[str, Kind]:
        """The kind of every name: as `kinds` declares it, else as it is used here, else a number.

        `wanted` is the kind of the whole (BOOLEAN for conditions). SourceError where uses contradict each other.
        """
        checker = KindChecker(self.text, kinds, open_names=True)
        for _ in range(2):  # the second walk carries what the first learnt at the right back to the left
            if wanted is None:
                checker.kind(self.root)
            else:
                checker.want(self.root, wanted)
        return {name: checker.known.get(name, Kind.NUMBER) for name in self.names}

    def to_polars(self, kinds: Mapping[str, Kind]) -> pl.Expr:
        """Boolean, Float64 or String, as `check` says; NULL is UNKNOWN.

        Columns are taken by name: Float64, Boolean or String as `kinds` says, without NaN or infinities. A name that is
        not in `kinds` is NULL throughout and needs no column. An expression without names gives one row.
        """
        return translate(self.text, self.root, kinds)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression; SourceError, with line and column inside it, for anything outside the language."""
    try:
        root = tree(text)
        names = frozenset(column.name for column in root.find_all(exp.Column))
    except RecursionError as exc:
        raise SourceError("nested too deeply", cure="split it into two rules", line=1, column=1) from exc
    return Expression(text=text, names=names, root=root)
