"""Whether a rule that is well formed can ever do anything: mistakes that the language allows and nobody means.

Asked where a person hands in a file; rules that are in force already are not asked again.
"""

from collections.abc import Iterator

from sqlglot import exp

from domain.errors import SourceError
from rules.documents import Route
from rules.expressions import Expression, parse
from rules.grammar import mistake, offset_of
from rules.model import Missing, Rule
from rules.vocabulary import Problem

_COMPARES = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def senseless(rule: Rule) -> Iterator[Problem]:
    """What can be said of `rule` beyond its form; its names and kinds are in order already."""
    for key, translations in (("title", rule.title), ("says", rule.says)):
        if translations and "en" not in translations:
            cure = f"write {key}: {{en: …}} too: it is the default language"
            yield Problem((key,), SourceError("has no en", cure=cure))
    when, clear = parse(rule.when), None if rule.clear is None else parse(rule.clear)
    yield from _null_compared(("when",), when)
    if clear is not None:
        yield from _null_compared(("clear",), clear)
    constant = _written(when)
    if constant is False or (constant is True and rule.missing is Missing.HOLD):
        error = SourceError("is the same whatever comes", cure="compare a metric: write for example temperature > 90")
        yield Problem(("when",), error)


def _null_compared(at: Route, expression: Expression) -> Iterator[Problem]:
    """`x = NULL`, where it decides: by itself, or as one of several that must all hold."""
    root = expression.root.unnest()
    for node in root.flatten() if isinstance(root, exp.And) else [root]:
        part = node.unnest()
        if isinstance(part, _COMPARES) and any(isinstance(side, exp.Null) for side in (part.this, part.expression)):
            written = "IS NOT NULL" if isinstance(part, exp.NEQ) else "IS NULL"
            error = mistake(
                expression.text, offset_of(part), "a comparison with NULL is always UNKNOWN", cure=f"write {written}"
            )
            yield Problem(at, error, inside=True)


def _written(expression: Expression) -> bool | None:
    """What a condition that is nothing but TRUE or FALSE says."""
    root = expression.root.unnest()
    return bool(root.this) if isinstance(root, exp.Boolean) else None
