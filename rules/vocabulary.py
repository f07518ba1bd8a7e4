"""The names a rule may use, and whether one rule uses them so that they make sense together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.errors import SourceError
from domain.spelling import suggest
from rules.documents import Route, raise_all
from rules.expressions import parse
from rules.kinds import KindChecker
from rules.model import Kind, Rule, Signal

DEVICE_ID = "device_id"
OF_SITES = ("site", "site.lat", "site.lon", "timezone")
"""Attributes that a device with a site has by itself."""
_ANY_KIND = frozenset(("count", "silence"))
"""Ops that look at when a reading came, not at what it says."""


class Problem(NamedTuple):
    """A mistake and the part of the rule's manifest that holds it."""

    at: Route
    error: SourceError
    inside: bool = False
    """Line and column of `error` count within the text at `at`."""


class _Text(NamedTuple):
    """One expression of a rule."""

    at: Route
    text: str
    condition: bool
    scope: str
    """`rule`: metrics, signals, attributes. `signal`: metrics, attributes. `device`: attributes and the device id."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What names stand for. A kind of None is not known: the name is of the kind of its use.

    `closed`: a name that is no metric, signal or attribute is a mistake. Otherwise it is taken for a metric.
    """

    metrics: Mapping[str, Kind | None] = field(default_factory=dict)
    attributes: Mapping[str, Kind | None] = field(default_factory=dict)
    closed: bool = True

    def check(self, rule: Rule) -> None:
        """SourceError, or an ExceptionGroup of several, if a name is unknown, ambiguous or of a wrong kind."""
        raise_all([_keyed(problem) for problem in self.problems(rule)])

    def problems(self, rule: Rule) -> list[Problem]:
        """All mistakes in the use of names."""
        return _Check(self, rule).problems()


def kinds_of(rule: Rule, known: Mapping[str, Kind] | None = None) -> dict[str, Kind]:
    """The kind of every name that the rule uses: as `known` says, else as the rule uses it, else a number.

    For the engine: a value of another kind than this is NULL for the rule. A metric that only `count` or `silence`
    names counts whatever its kind. SourceError where uses contradict each other.
    """
    check = _Check(Vocabulary(attributes=known or {}, closed=False), rule)
    raise_all([_keyed(problem) for problem in check.problems()])
    kinds = {DEVICE_ID: Kind.STRING, **check.kinds}
    return {name: kinds.get(name, Kind.NUMBER) for name in check.names}


def _keyed(problem: Problem) -> SourceError:
    error = problem.error
    key = ".".join(map(str, problem.at))
    return SourceError(error.problem, cure=error.cure, line=error.line, column=error.column, key=key)


def texts_of(rule: Rule) -> Iterator[_Text]:
    """The expressions of a rule; `when` last but `clear`, so that signals and the device come first."""
    if rule.applies_to is not None:
        yield _Text(("applies_to",), rule.applies_to, condition=True, scope="device")
    for signal in rule.signals:
        if signal.expr is not None:
            yield _Text(("signals", signal.name, "expr"), signal.expr, condition=True, scope="signal")
    yield _Text(("when",), rule.when, condition=True, scope="rule")
    if rule.clear is not None:
        yield _Text(("clear",), rule.clear, condition=True, scope="rule")


class _Check:
    """One pass over one rule. `kinds` grows: what one expression tells of a name holds in the next."""

    def __init__(self, vocabulary: Vocabulary, rule: Rule) -> None:
        self.vocabulary, self.rule = vocabulary, rule
        self.signals = {signal.name: Kind.NUMBER for signal in rule.signals}
        self.declared: dict[str, Kind | None] = {**vocabulary.attributes, **vocabulary.metrics}
        self.kinds: dict[str, Kind] = {
            **{name: kind for name, kind in self.declared.items() if kind is not None},
            **self.signals,
        }
        self.names: set[str] = set()

    def problems(self) -> list[Problem]:
        found: list[Problem] = []
        for signal in self.rule.signals:
            found.extend(self._signal(signal))
        for _ in range(2):  # the second round brings what `clear` tells of a name back to `when`
            wrong = [problem for text in texts_of(self.rule) if (problem := self._text(text)) is not None]
        return found + wrong

    def _signal(self, signal: Signal) -> Iterator[Problem]:
        at: Route = ("signals", signal.name)
        for what, names in (("a metric", self.vocabulary.metrics), ("an attribute", self.vocabulary.attributes)):
            if signal.name in names:
                yield Problem(
                    at,
                    SourceError(f"{signal.name!r} is also the name of {what}", cure="give the signal another name"),
                )
        for key, metric in _places(signal):
            yield from self._metric(signal, metric, at=(*at, *key))
        yield from self._attributes(signal, at=at)

    def _metric(self, signal: Signal, metric: str, *, at: Route) -> Iterator[Problem]:
        self.names.add(metric)
        if metric in self.signals:
            yield Problem(at, SourceError(f"{metric!r} is a signal", cure="a signal is made of a metric"))
        elif self.vocabulary.closed and metric not in self.vocabulary.metrics:
            yield Problem(at, SourceError(f"{metric!r} is no metric", cure=self._metric_meant(metric)))
        elif signal.op not in _ANY_KIND:
            kind = self.kinds.setdefault(metric, Kind.NUMBER)
            if kind is not Kind.NUMBER:
                needs = "a metric of numbers" if len(signal.metrics) == 1 else "metrics of numbers"
                yield Problem(at, SourceError(f"{metric!r} is a {kind}", cure=f"{signal.op} needs {needs}"))

    def _attributes(self, signal: Signal, *, at: Route) -> Iterator[Problem]:
        """`by` of peers names attributes. Where none are known, as in a back-test without devices, any may come."""
        known = self.vocabulary.attributes
        for place, name in enumerate(signal.options.get("by", ())):
            if self.vocabulary.closed and known and name not in {*known, *OF_SITES}:
                near = suggest(name, [*known, *OF_SITES])
                listed = ", ".join(sorted(known)[:12])
                yield Problem(
                    (*at, "by", place),
                    SourceError(f"{name!r} is no attribute", cure=near or f"known attributes are: {listed}"),
                )

    def _metric_meant(self, name: str) -> str:
        if name in self.vocabulary.attributes:
            return "it is an attribute of devices; a signal is made of a metric"
        listed = ", ".join(sorted(self.vocabulary.metrics)[:12]) or "none"
        return suggest(name, list(self.vocabulary.metrics)) or f"known metrics are: {listed}"

    def _text(self, text: _Text) -> Problem | None:
        try:
            expression = parse(text.text)
            self.names |= expression.names
            self._once(text, expression.names)
            checker = self._checker(text)
            for _ in range(2):
                checker.want(expression.root, Kind.BOOLEAN)
        except SourceError as exc:
            return Problem(text.at, exc, inside=True)
        self.kinds |= {name: kind for name, kind in checker.known.items() if name != DEVICE_ID}
        return None

    def _checker(self, text: _Text) -> KindChecker:
        allowed = self._allowed(text.scope)
        known = {name: kind for name, kind in self.kinds.items() if allowed(name)}
        if text.scope == "device":
            known[DEVICE_ID] = Kind.STRING
        free = [name for name, kind in self.declared.items() if kind is None and allowed(name)]
        opened = not self.vocabulary.closed
        return KindChecker(text.text, known, open_names=opened, free=free)

    def _allowed(self, scope: str) -> Callable[[str], bool]:
        if scope == "device":
            others = self.vocabulary.metrics.keys() | self.signals.keys()
            return lambda name: name in self.vocabulary.attributes or name not in others
        return lambda name: scope == "rule" or name not in self.signals

    def _once(self, text: _Text, names: frozenset[str]) -> None:
        """A name must stand for one thing."""
        for name in sorted(names):
            if text.scope != "rule" and name in self.signals:
                allowed = "attributes and device_id" if text.scope == "device" else "metrics and attributes"
                raise _at_name(text.text, name, f"{name!r} is a signal", cure=f"here stand only {allowed}")
            both = name in self.vocabulary.metrics and name in self.vocabulary.attributes
            if both and text.scope != "device":
                raise _at_name(
                    text.text, name, f"{name!r} is both a metric and an attribute", cure="rename one of the two"
                )


def _places(signal: Signal) -> Iterator[tuple[Route, str]]:
    """Each metric of a signal, and the key that names it."""
    if signal.op == "distance":
        yield from zip((("lat",), ("lon",)), signal.several, strict=True)
    elif signal.several:
        yield from ((("of", place), metric) for place, metric in enumerate(signal.several))
    elif signal.of is not None:
        yield ("of",), signal.of


def _at_name(text: str, name: str, problem: str, *, cure: str) -> SourceError:
    before = text[: max(text.find(name), 0)]
    column = len(before) - (before.rfind("\n") + 1) + 1
    return SourceError(problem, cure=cure, line=before.count("\n") + 1, column=column)
