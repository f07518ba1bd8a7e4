"""From a rule's manifest to a `Rule`: every field read and checked, every mistake with file, line, key and cure."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from domain.errors import SourceError
from domain.faults import Severity, Stage
from domain.spelling import suggest
from rules.action_fields import read_active, read_inhibits, read_storm
from rules.documents import Document, plain, raise_all, read_documents
from rules.fields import Fields
from rules.model import Count, Flapping, Missing, Rule, Signal
from rules.sense import senseless
from rules.signal_fields import read_signal, read_signals
from rules.vocabulary import Problem, Vocabulary

__all__ = [
    "KINDS",
    "Vocabulary",
    "load_rules",
    "rule_from_document",
    "rule_from_manifest",
    "rules_from",
    "signal_from_manifest",
]

KINDS = (
    "maker", "product", "device", "customer", "technician", "site", "rule", "playbook", "article", "template", "mute",
)  # fmt: skip
"""The kinds of documents there are; only rules are read here."""
_FOREIGN = "scenario"
"""The simulator's own documents may lie beside manifests."""

RULE_KEYS = (
    "kind", "name", "product", "applies_to", "family", "title", "severity", "signals", "when", "clear", "for",
    "keep_firing_for", "count", "missing", "max_gap", "join_within", "lateness", "max_evidence_age", "hold", "flapping",
    "stage", "playbook", "says", "storm", "inhibits", "active",
)  # fmt: skip


def load_rules(path: Path, vocabulary: Vocabulary | None = None) -> list[Rule]:
    """The rules of a file or folder, in order; documents of other kinds are passed over.

    Raises SourceError, or an ExceptionGroup of all that is wrong. Without a vocabulary, names are not checked, only
    that each is used as one kind of value.
    """
    rules = rules_from(read_documents(path), vocabulary)
    if not rules:
        raise SourceError("no rule in here", cure="write a document with kind: rule", file=str(path))
    return rules


def rules_from(documents: Iterable[Document], vocabulary: Vocabulary | None = None) -> list[Rule]:
    """The rules among documents that were read already; raises as `load_rules` does."""
    rules: list[Rule] = []
    errors: list[SourceError] = []
    first: dict[str, Document] = {}
    for document in documents:
        if document.kind != "rule":
            errors.extend(_strange_kind(document))
            continue
        rule, wrong = read_rule(document, vocabulary)
        errors.extend(wrong)
        if rule is None:
            continue
        if rule.name in first:
            errors.append(_twice(document, rule.name, first[rule.name]))
        first.setdefault(rule.name, document)
        rules.append(rule)
    raise_all(errors)
    return rules


def rule_from_document(document: Document, vocabulary: Vocabulary | None = None, *, version: int = 1) -> Rule:
    """The rule of one document; raises as `load_rules` does."""
    rule, errors = read_rule(document, vocabulary, version=version)
    raise_all(errors)
    if rule is None:
        raise document.error("not a rule")
    return rule


def rule_from_manifest(manifest: Mapping[str, Any], *, version: int = 1) -> Rule:
    """The rule of a manifest that has no file any more (from the log, the database, a request)."""
    return rule_from_document(plain(dict(manifest)), version=version)


def signal_from_manifest(manifest: Mapping[str, Any], *, name: str = "signal") -> Signal:
    """One signal by itself, as `prevenant score` takes it; raises as `load_rules` does."""
    fields = Fields(plain(dict(manifest)))
    signal = read_signal(fields, name)
    raise_all(fields.errors)
    if signal is None:
        raise SourceError("not a signal", cure="write {op: mean, of: metric, over: 10m}")
    return signal


def read_rule(
    document: Document, vocabulary: Vocabulary | None = None, *, version: int = 1
) -> tuple[Rule | None, list[SourceError]]:
    """The rule, or None, and all mistakes of the document; with a vocabulary also whether the rule makes sense."""
    fields = Fields(document)
    fields.only(RULE_KEYS, required=("name", "when"))
    if document.kind != "rule":
        fields.errors.extend(_strange_kind(document) or [document.error("not a rule", at=("kind",))])
    rule = _rule(fields, version)
    if not fields.errors:
        checked = (vocabulary or Vocabulary(closed=False)).problems(rule)
        if vocabulary is not None and not checked:
            checked = list(senseless(rule))
        fields.errors.extend(_located(document, problem) for problem in checked)
    return (None if fields.errors else rule), fields.errors


def _rule(fields: Fields, version: int) -> Rule:
    """Every field; where one is wrong the mistake is noted and the result is not to be used."""
    name = _name(fields)
    return Rule(
        name=name,
        product=fields.text("product"),
        applies_to=fields.expression("applies_to", example="region = 'EU'"),
        family=fields.text("family") or name,
        title=fields.translations("title"),
        says=fields.translations("says"),
        severity=fields.choice("severity", Severity) or Severity.MINOR,
        signals=read_signals(fields),
        when=fields.expression("when", required=True, example="temperature > 90") or "",
        clear=fields.expression("clear", example="temperature < 85"),
        for_ms=fields.span("for", default=0),
        keep_firing_for_ms=fields.span("keep_firing_for", default=0),
        count=_count(fields),
        missing=fields.choice("missing", Missing) or Missing.HOLD,
        max_gap_ms=fields.duration("max_gap", least=1),
        join_within_ms=fields.span("join_within", default=300_000),
        lateness_ms=fields.span("lateness", default=0),
        max_evidence_age_ms=fields.span("max_evidence_age", default=3_600_000),
        hold_ms=fields.span("hold", default=60_000),
        flapping=_flapping(fields),
        storm=read_storm(fields),
        inhibits=read_inhibits(fields, name),
        active=read_active(fields),
        stage=fields.choice("stage", Stage),
        playbook=fields.text("playbook"),
        version=version,
        manifest=deepcopy(dict(fields.data)),
    )


def _name(fields: Fields) -> str:
    name = fields.text("name", required=True, example="compressor-overheat") or ""
    if len(name) > 128 or not name.isprintable() or "/" in name or name != name.strip():
        fields.wrong("name", f"{name!r} cannot be a name", cure="up to 128 printable characters without /")
    return name


def _count(fields: Fields) -> Count | None:
    part = fields.part("count", example="{n: 3, of: 5}")
    if part is None:
        return None
    part.only(("n", "of"), required=("n", "of"))
    of = part.whole("of", least=1, most=10_000)
    n = part.whole("n", least=1, most=10_000)
    if n is None or of is None:
        return None
    if n > of:
        part.wrong("n", f"{n} of the last {of} samples can never be", cure=f"write n: {of} or less")
        return None
    return Count(n=n, of=of)


def _flapping(fields: Fields) -> Flapping | None:
    part = fields.part("flapping", example="{transitions: 6, within: 1h}")
    if part is None:
        return None
    part.only(("transitions", "within"), required=("transitions", "within"))
    transitions = part.whole("transitions", least=1, most=10_000)
    within = part.duration("within", required=True, least=1)
    return Flapping(transitions=transitions, within_ms=within) if transitions and within else None


def _located(document: Document, problem: Problem) -> SourceError:
    if problem.inside:
        return document.error_inside(problem.error, at=problem.at)
    return document.error(problem.error.problem, at=problem.at, cure=problem.error.cure)


def _strange_kind(document: Document) -> list[SourceError]:
    """A document that does not say what it is, or is of no kind there is."""
    if document.kind in {*KINDS, _FOREIGN}:
        return []
    if not isinstance(document.data, dict):
        return [document.error("not a mapping", cure="write key: value lines, the first being kind: rule")]
    kind = document.data.get("kind")
    if kind is None and isinstance(document.data.get("rules"), list):
        return [
            document.error("is no key of a document", at=("rules",), cure="write the rules by themselves, --- between")
        ]
    if kind is None:
        return [document.error("is missing", at=("kind",), cure=f"write kind: rule, or another of {', '.join(KINDS)}")]
    near = suggest(str(kind), KINDS)
    return [document.error(f"{kind!r} is no kind", at=("kind",), cure=f"{near} known are: {', '.join(KINDS)}".strip())]


def _twice(document: Document, name: str, other: Document) -> SourceError:
    place = ":".join(str(part) for part in (other.file, other.where(("name",)).line) if part)
    return document.error(f"{name!r} is the name of another rule, at {place}", at=("name",), cure="names are unique")
