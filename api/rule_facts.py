"""Rules as they are read, for REST and for the pages: the version in force, how far it is trusted, its life so far."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.manifests.rulebook import ACTIVE, newest
from domain.faults import STAGE_MOVES, Stage
from store.tables import Rule, StageMove
from tickets import service
from tickets.precision import JUDGED_OVER

NOTHING_YET = service.Tally()


def shown(session: Session, rows: Sequence[Rule], *, now: datetime) -> list[dict[str, Any]]:
    """The rules as lists of them answer."""
    tallies = service.tallies(session, now=now, rules=[row.name for row in rows])
    return [_shown(session, row, tallies.get(row.name, NOTHING_YET)) for row in rows]


def detailed(session: Session, row: Rule, *, now: datetime) -> dict[str, Any]:
    """One rule with its moves, newest first."""
    (found,) = shown(session, [row], now=now)
    return {**found, "moves": moves_of(session, row.name), "legal": [*STAGE_MOVES[Stage(row.stage)]]}


def moves_of(session: Session, name: str) -> Sequence[StageMove]:
    """What became of a rule, newest first."""
    return session.scalars(select(StageMove).where(StageMove.rule == name).order_by(StageMove.id.desc())).all()


def noise_of(row: Rule, tally: service.Tally) -> service.Noise | None:
    """Why it is noisy; a rule that is not evaluated makes no noise."""
    return service.noise(tally) if row.stage in ACTIVE else None


def noisy(session: Session, *, now: datetime) -> list[tuple[Rule, service.Noise]]:
    """All rules that are, by name."""
    tallies: Mapping[str, service.Tally] = service.tallies(session, now=now)
    rows = session.scalars(select(Rule).where(Rule.name.in_(tallies)).order_by(Rule.name))
    return [(row, found) for row in rows if (found := noise_of(row, tallies[row.name])) is not None]


def _shown(session: Session, row: Rule, tally: service.Tally) -> dict[str, Any]:
    version = newest(session, row)
    words = {key: getattr(version, key) for key in ("product", "family", "title", "severity", "playbook", "body")}
    return {
        "name": row.name,
        "stage": row.stage,
        "version": row.version,
        **words,
        "precision": {
            "n_real": tally.real,
            "n_false": tally.false,
            "n_unknown": tally.unknown,
            "precision": tally.precision,
            **tally.interval._asdict(),
            "days": JUDGED_OVER.days,
        },
        "episodes_7d": tally.episodes,
        "noisy": noise_of(row, tally),
    }
