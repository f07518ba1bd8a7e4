"""A ticket's timeline: one entry for each thing that happened, who did it, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from store.appending import append
from store.tables import TimelineEntry

_INSERT = insert(TimelineEntry.__table__)  # type: ignore[arg-type]


def note(session: Session, ticket_id: int, kind: str, *, at: datetime, actor: str, **detail: Any) -> None:
    """Append one entry. `actor` is rule:NAME, playbook:NAME, customer:ID, technician:ID, agent, telemetry or clock."""
    append(session, _INSERT, ticket_id=ticket_id, kind=kind, at=at, actor=actor, detail=detail)


def of_ticket(session: Session, ticket_id: int) -> Sequence[TimelineEntry]:
    """All entries, in order of time, then of writing."""
    query = select(TimelineEntry).where(TimelineEntry.ticket_id == ticket_id)
    return session.scalars(query.order_by(TimelineEntry.at, TimelineEntry.id)).all()
