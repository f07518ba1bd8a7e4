"""Rules as immutable versions, and the stage that says how far the newest one reaches."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.manifests.declaration import Applied, Outcome
from domain.errors import IllegalTransition, NotFound
from domain.faults import STAGE_MOVES, Stage
from domain.telemetry import RuleActivated, RuleRetired
from rules.model import Rule as Checked
from store import control, due, events
from store.tables import Inhibition, Rule, RuleVersion, StageMove

ACTIVE = frozenset({Stage.LIVE, Stage.SHADOW, Stage.AGENTS_ONLY})
"""Stages in which the engines evaluate a rule."""
MANIFEST = "manifest"
"""Who moved a rule that says its stage itself."""


def put_rule(session: Session, rule: Checked, *, now: datetime) -> Applied:
    """Write a rule: another body makes another version; the engines are told what is in force from now on.

    A stage in the manifest counts; without one a new rule is a draft and a known one stays as far as it was.
    """
    row = session.get(Rule, rule.name)
    body = _without_stage(rule.manifest)
    if row is None:
        row = Rule(name=rule.name, stage=rule.stage or Stage.DRAFT, version=1)
        session.add(row)
        _add_version(session, rule, body, version=1, now=now)
        _note_move(session, row, was=None, actor=MANIFEST, now=now)
        _tell(session, row, body, was_active=False, now=now)
        return Applied("rule", rule.name, Outcome.CREATED, 1, _reach(row), row.stage in ACTIVE)
    was, stage = Stage(row.stage), rule.stage or Stage(row.stage)
    new_body = _without_stage(newest(session, row).body) != body
    if not new_body and stage == row.stage:
        return Applied("rule", rule.name, Outcome.UNCHANGED, row.version)
    row.stage = stage
    if new_body:
        row.version += 1
        _add_version(session, rule, body, version=row.version, now=now)
    if stage is not was:
        _note_move(session, row, was=was, actor=MANIFEST, now=now)
    _tell(session, row, body, was_active=was in ACTIVE, now=now)
    note = _reach(row) if stage is was else f"stage {was} → {stage}"
    return Applied("rule", rule.name, Outcome.CHANGED, row.version, note, row.stage in ACTIVE)


def set_stage(session: Session, name: str, stage: Stage, *, now: datetime, actor: str = "agent") -> Rule:
    """Let the newest version reach as far as `stage`. Raises NotFound, and IllegalTransition beside STAGE_MOVES."""
    row = session.get(Rule, name)
    if row is None:
        raise NotFound("rule", name)
    if row.stage != stage:
        was = Stage(row.stage)
        if stage not in STAGE_MOVES[was]:
            raise IllegalTransition(f"rule {name!r}", now=was, wanted=stage, legal=STAGE_MOVES[was])
        row.stage = stage
        _note_move(session, row, was=was, actor=actor, now=now)
        _tell(session, row, newest(session, row).body, was_active=was in ACTIVE, now=now)
    return row


def newest(session: Session, row: Rule) -> RuleVersion:
    """The version that `row` points to."""
    return session.get_one(RuleVersion, (row.name, row.version))


def _note_move(session: Session, row: Rule, *, was: Stage | None, actor: str, now: datetime) -> None:
    session.add(StageMove(rule=row.name, version=row.version, was=was, stage=row.stage, at=now, by=actor))
    if was in ACTIVE and row.stage in ACTIVE:
        due.schedule(session, "promoted", row.name, at=now)


def _tell(session: Session, row: Rule, body: Mapping[str, Any], *, was_active: bool, now: datetime) -> None:
    if row.stage in ACTIVE:
        control.enqueue(session, RuleActivated(row.name, row.version, row.stage, body))
    elif was_active:
        control.enqueue(session, RuleRetired(row.name))
    events.publish(session, f"rule.{row.stage}", at=now, rule=row.name, version=row.version)


def _add_version(session: Session, rule: Checked, body: dict[str, Any], *, version: int, now: datetime) -> None:
    session.add(
        RuleVersion(
            name=rule.name,
            version=version,
            body=body,
            product=rule.product,
            family=rule.family,
            title=dict(rule.title),
            says=_words(body.get("says")),
            severity=rule.severity,
            playbook=rule.playbook,
            hold_s=rule.hold_ms / 1000,
            max_evidence_age_s=rule.max_evidence_age_ms / 1000,
            storm=asdict(rule.storm) | {"by": list(rule.storm.by)},
            active=[{"days": list(hours.days), "from": hours.start, "to": hours.end} for hours in rule.active],
            silence={signal.name: signal.of or "" for signal in rule.signals if signal.op == "silence"},
            created_at=now,
        )
    )
    for one in rule.inhibits:
        aim = {"target_rule": one.rule, "target_family": one.family, "reach": one.on}
        session.add(Inhibition(rule=rule.name, version=version, **aim))
    session.flush()


def _reach(row: Rule) -> str:
    """Empty for a rule that is evaluated."""
    return "" if row.stage in ACTIVE else f"stage {row.stage}: nothing is evaluated; shadow, agents_only and live are"


def _without_stage(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key != "stage"}


def _words(value: Any) -> dict[str, str]:
    return {"en": value} if isinstance(value, str) else dict(value or {})
