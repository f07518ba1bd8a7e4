"""Why a rule fired, in plain words: from its expressions and the values at that moment, in English and French.

Pure. Facts first, numbers with units, no adjectives; of an OR only what was TRUE is said.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from domain.telemetry import Value
from rules.expressions import parse
from rules.grounds import COMPARE, MIRRORED, OPPOSITE, Comparison, Row, names_in, plain, written
from rules.model import Rule, Signal
from rules.signal_words import SIGNED, SPANS, Said, describe, unit_of
from rules.wording import LANGUAGES, LENGTHS, NBSP, RELATIONS, length, shown


@dataclass(frozen=True, slots=True)
class Firing:
    """What is known of the moment at which a rule fired."""

    rule: Rule
    values: Mapping[str, Value]
    """Of the names that the rule uses, as the engine saw them; a name that is not here was NULL."""
    attributes: Collection[str] = ()
    """Names among them that were attributes of the device."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """The product's declarations: {name: {unit, title: {en, fr}}}."""
    lasted_s: float = 0.0
    """From the onset to the sample that fired."""


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons one by one, and how long they held."""

    clauses: tuple[str, ...]
    lasting: str
    joint: str = "; "

    def sentence(self) -> str:
        """All in one; names stay as the rule writes them, also at its beginning."""
        return self.joint.join(self.clauses) + self.lasting + "." if self.clauses else ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that follows from a firing."""

    why: Mapping[str, Why]
    """By language."""
    comparisons: Sequence[Comparison]
    """Every comparison of `when`, with the values in force on both sides."""


def explain(firing: Firing) -> Explanation:
    """SourceError where the values do not fit the rule's expression."""
    signals = {signal.name for signal in firing.rule.signals}
    row = Row.of(parse(firing.rule.when), firing.values, attributes=firing.attributes, signals=signals)
    said = {language: _Speaker(firing, row, language).why() for language in LANGUAGES}
    return Explanation(said, list(row.comparisons()))


class _Speaker:
    """Says one firing in one language."""

    def __init__(self, firing: Firing, row: Row, language: str) -> None:
        self._firing, self._row, self._language = firing, row, language
        self._signals: dict[str, Signal] = {signal.name: signal for signal in firing.rule.signals}

    def why(self) -> Why:
        clauses = dict.fromkeys(clause for node in self._row.grounds() for clause in self._clauses(node))
        return Why(tuple(clauses), self._lasting(), self._say("; ", f"{NBSP}; "))

    def _say(self, english: str, french: str) -> str:
        return french if self._language == "fr" else english

    def _lasting(self) -> str:
        rule, parts = self._firing.rule, ""
        if rule.count is not None:
            n, of = rule.count.n, rule.count.of
            parts += self._say(
                f", on at least {n} of the last {of} samples", f", sur au moins {n} des {of} dernières mesures"
            )
        if rule.for_ms:
            lasted = length(self._firing.lasted_s, self._language)
            parts += self._say(f", for {lasted}", f", pendant {lasted}")
        return parts

    def _clauses(self, node: exp.Expr) -> Iterator[str]:
        truth = self._row.value(node)
        if truth is None:
            yield self._unknown(node)
        elif type(node) in COMPARE:
            yield self._comparison(node, holds=truth)
        elif isinstance(node, exp.Between):
            low, high = self._limit(node.args["low"], node.this), self._limit(node.args["high"], node.this)
            inside = self._say(f"between {low} and {high}", f"entre {low} et {high}")
            outside = self._say(f"outside {low} to {high}", f"hors de l'intervalle de {low} à {high}")
            yield f"{self._subject(node.this)}, {inside if truth else outside}"
        elif isinstance(node, exp.In):
            members = ", ".join(self._value(each, node.this) for each in node.expressions)
            among = self._say(f"one of {members}", f"parmi {members}")
            yield f"{self._subject(node.this)}, {among if truth else self._say('none of ', 'aucun de ') + members}"
        elif isinstance(node, exp.Is):
            name = self._name(node.this)
            missing = self._say(f"{name} had no value", f"{name}{NBSP}: sans valeur")
            yield missing if truth else self._subject(node.this)
        elif isinstance(node, exp.Like):
            like = truth != bool(node.args.get("negate"))
            pattern = shown(node.expression.name, "", self._language)
            words = self._say("like", "du type") if like else self._say("unlike", "pas du type")
            yield f"{self._subject(node.this)}, {words} {pattern}"
        else:
            yield self._subject(node)

    def _unknown(self, node: exp.Expr) -> str:
        names = [name for name in names_in(node) if name not in self._row.values]
        said = ", ".join(map(self._titled, names)) or written(node)
        return self._say(
            f"{said} had no value, which this rule takes for a fault (missing: breach)",
            f"{said}{NBSP}: sans valeur, ce que la règle prend pour un défaut (missing: breach)",
        )

    def _comparison(self, node: exp.Expr, *, holds: bool) -> str:
        operator = COMPARE[type(node)]
        operator = operator if holds else OPPOSITE[operator]
        subject, other = node.this, node.expression
        if not self._measured(subject) and self._measured(other):
            subject, other, operator = other, subject, MIRRORED.get(operator, operator)
        because = self._because(other)
        if self._evident(subject, operator, other):
            return f"{self._subject(subject, beside=other)}{because}"
        return f"{self._subject(subject, beside=other)}, {self._relation(subject, operator, other)}{because}"

    def _relation(self, subject: exp.Expr, operator: str, other: exp.Expr) -> str:
        words = (LENGTHS if self._is_span(subject) else RELATIONS)[self._language][operator]
        limit = self._limit(other, subject)
        if self._measured(other):
            return f"{words} {self._named(other)} ({limit})"
        if operator in {"=", "<>"}:
            return f"{words} {limit}"
        # "au-dessus de la limite": what the relation ends with has to meet the article.
        return self._say(f"{words} its limit of {limit}", f"{words} la limite de {limit}")

    def _evident(self, subject: exp.Expr, operator: str, other: exp.Expr) -> bool:
        """Whether naming the value has said it all: `mode = 'eco'`, `slope < 0`."""
        limit, constant = self._row.value(other), not names_in(other)
        signal = self._signal(subject)
        if signal is not None and signal.op in SIGNED and limit == 0:
            return constant
        return constant and operator == "=" and not isinstance(limit, float)

    def _limit(self, node: exp.Expr, subject: exp.Expr) -> str:
        """The value of the other side, and where it came from."""
        counted, text = self._row.counted(node), self._value(node, subject)
        absent = self._row.passed_over(node)
        lacking = ", ".join(map(self._titled, absent))
        if isinstance(counted, exp.Column):
            if self._measured(counted):
                return text
            note = self._say(f"; no value for {lacking}", f"{NBSP}; sans valeur pour {lacking}") if absent else ""
            return f"{text} ({counted.name}{note})"
        if absent:
            fixed = self._say(
                f"fixed in the rule; no value for {lacking}", f"fixé par la règle{NBSP}; sans valeur pour {lacking}"
            )
            return f"{text} ({fixed})"
        names = names_in(counted)
        parts = ", ".join(f"{name} {self._plain_value(name)}" for name in names)
        return f"{text} ({written(counted)}{self._say(', ', f'{NBSP}: ')}{parts})" if names else text

    def _because(self, node: exp.Expr) -> str:
        """Why a CASE gave what it gave."""
        case = plain(node)
        if not isinstance(case, exp.Case):
            return ""
        tests, _ = self._row.chosen(case)
        if case.this is not None:
            return self._say(", as ", ", car ") + self._subject(case.this)
        reasons = [clause for test in tests for leaf in self._row.grounds(test) for clause in self._clauses(leaf)]
        return self._say(", as ", ", car ") + self._say(" and ", " et ").join(reasons) if reasons else ""

    def _subject(self, node: exp.Expr, *, beside: exp.Expr | None = None) -> str:
        """A part with its value, as the beginning of a sentence."""
        counted, value = self._row.counted(node), self._row.value(node)
        signal = self._signal(counted)
        if signal is not None and isinstance(value, float):
            return describe(Said(signal, value, self._of(signal), self._unit_of_metric(signal.of)), self._language)
        other = self._row.value(beside) if beside is not None else None
        text = shown(value, self._unit(counted), self._language, beside=other)
        parts = ""
        if not isinstance(counted, exp.Column):
            names = [name for name in names_in(counted) if name in self._row.values]
            parts = f" ({', '.join(f'{self._titled(name)} {self._plain_value(name)}' for name in names)})"
        absent = ", ".join(map(self._titled, self._row.passed_over(node)))
        parts += self._say(f" (no value for {absent})", f" (sans valeur pour {absent})") if absent else ""
        return self._say(f"{self._name(counted)} was {text}{parts}", f"{self._name(counted)}{NBSP}: {text}{parts}")

    def _value(self, node: exp.Expr, subject: exp.Expr) -> str:
        value = self._row.value(node)
        if self._is_span(subject) and isinstance(value, float):
            return length(value, self._language)
        unit = self._unit(self._row.counted(node)) or self._unit(self._row.counted(subject))
        return shown(value, unit, self._language, beside=self._row.value(subject))

    def _plain_value(self, name: str) -> str:
        return shown(self._row.values.get(name), self._unit_of(name), self._language)

    def _named(self, node: exp.Expr) -> str:
        return self._name(self._row.counted(node))

    def _name(self, node: exp.Expr) -> str:
        node = plain(node)
        return self._titled(node.name) if isinstance(node, exp.Column) else written(node)

    def _titled(self, name: str) -> str:
        title = (self._firing.metrics.get(name) or {}).get("title") or {}
        return str(title.get(self._language) or title.get("en") or name) if isinstance(title, Mapping) else str(title)

    def _of(self, signal: Signal) -> str:
        return ", ".join(map(self._titled, signal.metrics))

    def _signal(self, node: exp.Expr) -> Signal | None:
        counted = self._row.counted(node)
        return self._signals.get(counted.name) if isinstance(counted, exp.Column) else None

    def _is_span(self, node: exp.Expr) -> bool:
        signal = self._signal(node)
        return signal is not None and signal.op in SPANS

    def _measured(self, node: exp.Expr) -> bool:
        """Whether a part speaks of what the device reported, rather than of how it is set."""
        names = names_in(self._row.counted(node))
        return any(name not in self._firing.attributes for name in names)

    def _unit(self, node: exp.Expr) -> str:
        """The unit that all names of a part share; a product or quotient has none that we know."""
        if any(node.find(form) for form in (exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.Ln, exp.Exp, exp.Sqrt)):
            return ""
        units = {self._unit_of(name) for name in names_in(node) if name not in self._firing.attributes}
        return units.pop() if len(units) == 1 else ""

    def _unit_of(self, name: str) -> str:
        signal = self._signals.get(name)
        if signal is not None:
            return unit_of(signal, self._unit_of_metric(signal.of), self._language)
        return self._unit_of_metric(name)

    def _unit_of_metric(self, name: str | None) -> str:
        return str((self._firing.metrics.get(name or "") or {}).get("unit") or "")
