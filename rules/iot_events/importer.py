"""From a file of AWS IoT Events models to rule files and a report that names what could not be expressed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product as product_of
from pathlib import Path

from domain.errors import SourceError
from domain.faults import Severity
from rules.documents import parse_documents
from rules.iot_events.account import Account, Note
from rules.iot_events.actions import tell_actions
from rules.iot_events.alarms import draft_alarm
from rules.iot_events.counters import count_moves
from rules.iot_events.expressions import Expr, Input, walk
from rules.iot_events.levels import Draft, drafts_of
from rules.iot_events.logic import both
from rules.iot_events.manifest import RuleText, duration, expression, file_text, text
from rules.iot_events.models import AlarmModel, DetectorModel, Model
from rules.iot_events.moves import Reader
from rules.iot_events.reading import read_models
from rules.iot_events.timers import Silence, collapse_waits, take_silences
from rules.iot_events.translation import Names, Untranslatable, names_for, to_sql
from rules.loader import rules_from

FOREVER = "3650d"
"""The service kept the last value of an input until the next."""
_ODD = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one state, or one alarm."""

    name: str
    state: str
    when: str
    refused: str = ""
    differs: int = 0
    during: frozenset[str] = frozenset()
    """The model's states in which the rule fires."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One model: the file to write and what to say about it. Nothing is written here."""

    model: str
    file_name: str
    text: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[Note, ...]


def import_file(path: Path, *, product: str | None = None) -> list[Imported]:
    """All models of a JSON file; SourceError with file and JSON path where it is no model."""
    return [import_model(model, source=path.name, product=product) for model in read_models(path)]


def import_model(model: Model, *, source: str, product: str | None = None) -> Imported:
    """One model."""
    account = Account()
    names = names_for(_expressions(model), model.key)
    silences: list[Silence] = []
    if isinstance(model, DetectorModel):
        reader = Reader(model)
        account.settle(*(action.path for action in model.actions("setVariable") if action.variable in reader.constants))
        silences, moves = take_silences(reader, reader.moves(), account)
        moves = count_moves(reader, collapse_waits(reader, moves, account), account)
        drafts = drafts_of(reader, moves, account)
        for silence, draft in product_of(silences, drafts):
            account.differs(
                silence.path, f"there the first message after {silence.state} only ended that; here it counts",
                state=draft.state, at="when",
            )  # fmt: skip
        tell_actions(model, account)
    else:
        drafts = [draft_alarm(model, account)]
    rules = [(draft, _rule(model, draft, names, account, product)) for draft in drafts]
    for silence in silences:
        draft = Draft(silence.state, silence.path, frozenset({silence.state}), during=frozenset({silence.state}))
        rules.append((draft, _silence(model, silence, names, product)))
    if isinstance(model, DetectorModel):
        account.close(model)
    general = _share(account.notes, rules)
    texts = [rule for _, rule in rules]
    return Imported(
        model.name,
        f"{_slug(model.name)}.yaml",
        file_text(_head(model, source, product, names), general, texts),
        tuple(_outcome(draft, rule) for draft, rule in rules),
        tuple(account.notes),
    )


def _expressions(model: Model) -> list[Expr]:
    if isinstance(model, AlarmModel):
        return [model.left, model.threshold]
    return [event.condition for event in model.events()]


def _rule(model: Model, draft: Draft, names: Names, account: Account, product: str | None) -> RuleText:
    rule = RuleText(_name(model, draft.state), refused=draft.refused)
    if draft.refused:
        account.refuse(draft.state, draft.path, draft.refused)
        return rule
    names.remarks.clear()
    try:
        when = to_sql(draft.when, names)
        clear = to_sql(draft.clear, names) if draft.clear is not None else None
    except Untranslatable as exc:
        rule.refused = f"its condition uses {exc.reason}"
        account.refuse(draft.state, draft.path, rule.refused)
        return rule
    for remark in names.remarks:
        account.differs(draft.path, remark, state=draft.state, at="when")
    fields = _first(model, draft.state, product, draft.severity)
    if draft.family:
        fields["family"] = text(_name(model, draft.family))
    fields["when"] = expression(when)
    if clear is not None:
        fields["clear"] = expression(clear)
    if draft.seconds:
        fields["for"] = duration(draft.seconds)
    if draft.keep_seconds:
        fields["keep_firing_for"] = duration(draft.keep_seconds)
    if draft.count > 1:
        fields["count"] = f"{{n: {draft.count}, of: {draft.count}}}"
    if _metrics(both([draft.when, *([draft.clear] if draft.clear is not None else [])])) > 1:
        fields["join_within"] = FOREVER
    rule.fields = fields | {"stage": "draft"}
    rule = _loadable(rule, draft, account)
    if not rule.refused:
        account.settle(*draft.paths)
    return rule


def _silence(model: Model, silence: Silence, names: Names, product: str | None) -> RuleText:
    rule = RuleText(_name(model, silence.state))
    rule.fields = _first(model, silence.state, product, Severity.MAJOR)
    of = f", of: {text(silence.of)}" if silence.of else ""
    signal = "quiet_s" if names.of(Input("", ("quiet",))) == silence.of else "quiet"
    rule.fields |= {
        "signals": f"{{{signal}: {{op: silence{of}}}}}",
        "when": f"{signal} >= {silence.seconds}",
        "clear": f"{signal} < {silence.seconds}",
        "stage": "draft",
    }
    return rule


def _first(model: Model, state: str, product: str | None, severity: Severity) -> dict[str, str]:
    title = model.description or (f"{model.name}: {state}" if state else model.name)
    fields = {"kind": "rule", "name": text(_name(model, state))}
    if product:
        fields["product"] = text(product)
    return fields | {"title": f"{{en: {text(title)}}}", "severity": severity.value}


def _loadable(rule: RuleText, draft: Draft, account: Account) -> RuleText:
    """A rule that our own loader refuses is not written: its mistake is told instead."""
    try:
        rules_from(parse_documents(file_text([], [], [rule])))
    except (SourceError, ExceptionGroup) as exc:
        first = exc.exceptions[0] if isinstance(exc, ExceptionGroup) else exc
        rule.refused = getattr(first, "problem", str(first))
        account.refuse(draft.state, draft.path, rule.refused)
    return rule


def _metrics(expr: Expr) -> int:
    return len({node for node in walk(expr) if isinstance(node, Input)})


def _share(notes: Iterable[Note], rules: list[tuple[Draft, RuleText]]) -> list[Note]:
    """Each note to the rule of its state; what is left concerns the file."""
    general = []
    for note in notes:
        owners = [(draft, rule) for draft, rule in rules if note.state in draft.states]
        owner = next((each for each in owners if each[0].state == note.state), owners[0] if owners else None)
        if owner is None or (not note.state and not note.at):
            general.append(note)
            continue
        draft, rule = owner
        leaving = note.at == "for" and note.state in draft.leaving
        rule.comments.append(replace(note, at="keep_firing_for") if leaving else note)
    return general


def _head(model: Model, source: str, product: str | None, names: Names) -> list[str]:
    kind = "alarm" if isinstance(model, AlarmModel) else "detector"
    lines = [f"From the AWS IoT Events {kind} model {model.name} ({source}). Comments name what is not the same."]
    if model.description:
        lines.append(model.description)
    if model.key:
        lines.append(f"Devices were told apart by {model.key}: publish to devices/THAT/telemetry.")
    else:
        lines.append("The model had no key, one detector for all messages; here each device is judged by itself.")
    if not product:
        lines.append("Before prevenant apply, name the product in each rule, or import again with --product NAME.")
    lines.append("stage: draft evaluates nothing: try prevenant backtest, then stage: shadow, then stage: live.")
    for path in sorted(names.shared):
        lines.append(f"Two inputs have {'.'.join(path)}: it is named with its input's name before it.")  # noqa: PERF401
    return lines


def _outcome(draft: Draft, rule: RuleText) -> Outcome:
    differs = sum(note.weight == "differs" for note in rule.comments)
    when = " ".join(rule.fields.get("when", "").removeprefix(">-").split())
    return Outcome(rule.name, draft.state, when, rule.refused, differs, draft.during)


def _name(model: Model, state: str) -> str:
    return "-".join(_slug(part) for part in (model.name, state) if part)[:128]


def _slug(name: str) -> str:
    return _ODD.sub("-", name).strip("-") or "model"


__all__ = ["Imported", "Outcome", "import_file", "import_model"]
