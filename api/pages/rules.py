"""The rules as supervisors see them: how far each reaches, how far it can be trusted, and what to do with noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import yaml
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.findings import Finding, findings
from api.manifests.rulebook import newest, set_stage
from api.pages.frame import address, admit, desk_zone, frame
from api.pages.rendering import page
from api.routes.raw import FormFields
from api.rule_facts import detailed, shown
from api.services import House
from api.views import times
from api.views.phrases import first_upper, said
from api.views.rule_words import MEANING, STAGES, line, share, trust, would_have
from api.views.states import Pill
from domain.errors import NotFound, SourceError
from domain.faults import Stage, TransitionState
from domain.verdicts import Judgement
from store.tables import Customer, Fault, Rule, RuleVersion

router = APIRouter()

EPISODES = 12
_JUDGED: dict[str, Pill] = {Judgement.REAL: Pill("good", "real"), Judgement.FALSE_ALARM: Pill("alarm", "false alarm")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule in a list."""

    name: str
    href: str
    title: str
    line: str
    stage: Pill
    noisy: Any


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault of the rule."""

    device: str
    href: str
    at: str
    state: Pill
    verdict: Pill | None
    why: str
    would: str
    ticket_id: int | None


@router.get("/rules")
def rules(request: Request, house: House) -> Response:
    """All rules, the noisy ones first."""
    admit(request, house)
    with house.database.read() as session:
        rows = session.scalars(select(Rule).order_by(Rule.name)).all()
        entries = [_entry(found) for found in shown(session, rows, now=house.clock.now())]
        return page(
            request,
            "rules.html",
            part="parts/rules.html",
            frame=frame(request, session),
            noisy=[one for one in entries if one.noisy],
            others=[one for one in entries if not one.noisy],
        )


@router.get("/rules/{name}")
def rule(name: str, request: Request, house: House) -> Response:
    """One rule: its life, its text, and what it found."""
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    with house.database.read() as session:
        row = session.get(Rule, name)
        if row is None:
            raise NotFound("rule", name)
        found = detailed(session, row, now=now)
        version, life = newest(session, row), found["moves"]
        return page(
            request,
            "rule.html",
            part="parts/rule.html",
            frame=frame(request, session),
            rule=found,
            entry=_entry(found),
            trust=trust(found["precision"]),
            share=share(found["precision"]),
            meaning=MEANING[row.stage],
            stages=[(stage, STAGES[stage].text, MEANING[stage]) for stage in found["legal"]],
            moves=[(_move(one.was, one.stage), one.by, times.at(one.at, zone, now=now), one.version) for one in life],
            text=yaml.safe_dump(version.body, sort_keys=False, allow_unicode=True, width=100),
            versions=_versions(session, name, zone=zone, now=now),
            episodes=_episodes(session, name, zone=zone, now=now),
        )


@router.post("/rules/{name}/stage")
def move(name: str, request: Request, fields: FormFields, house: House) -> Response:
    """Move it, and show it as it is then."""
    admit(request, house)
    try:
        stage = Stage(fields.get("stage", ""))
    except ValueError as exc:
        raise SourceError("there is no such stage", key="stage", cure=f"one of {', '.join(Stage)}") from exc
    with house.database.write() as session:
        set_stage(session, name, stage, now=house.clock.now())
    return RedirectResponse(f"/rules/{quote(name, safe='')}", status_code=303)


def _entry(found: dict[str, Any]) -> Entry:
    title = first_upper(said(found["title"], "en", default=found["name"]))
    href = f"/rules/{quote(found['name'], safe='')}"
    return Entry(found["name"], href, title, line(found), STAGES[found["stage"]], found["noisy"])


def _move(was: str | None, stage: str) -> str:
    return f"{STAGES[was].text} → {STAGES[stage].text}" if was else f"new, {STAGES[stage].text}"


def _versions(session: Session, name: str, *, zone: ZoneInfo, now: datetime) -> list[tuple[int, str, str]]:
    query = select(RuleVersion).where(RuleVersion.name == name).order_by(RuleVersion.version.desc())
    return [
        (row.version, times.at(row.created_at, zone, now=now), str(row.body.get("when") or ""))
        for row in session.scalars(query)
    ]


def _episodes(session: Session, name: str, *, zone: ZoneInfo, now: datetime) -> Sequence[Episode]:
    query = select(Fault).where(Fault.rule == name).order_by(Fault.id.desc()).limit(EPISODES)
    rows = findings(session, session.scalars(query))
    ids = {tell["customer_id"] for one in rows if (tell := (one.fault.would or {}).get("tell"))}
    found = session.execute(select(Customer.id, Customer.name).where(Customer.id.in_(ids)))
    people: dict[str, str] = dict(found.all())
    return [_episode(one, people, zone=zone, now=now) for one in rows]


def _episode(found: Finding, people: Mapping[str, str], *, zone: ZoneInfo, now: datetime) -> Episode:
    fault = found.fault
    firing = fault.state == TransitionState.FIRING
    state = Pill("alarm", "flapping" if fault.flapping else "firing") if firing else Pill("good", "over")
    return Episode(
        device=fault.device_id,
        href=f"/devices/{address(fault.device_id)}",
        at=times.at(fault.fired_at, zone, now=now),
        state=state,
        verdict=_JUDGED.get(fault.verdict or ""),
        why=found.explanation.why["en"].sentence(),
        would=would_have(fault.would, people),
        ticket_id=fault.ticket_id,
    )
