"""The feed of what changes: written with the change, read by the console and `/v1/events`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.tables import Event


def publish(session: Session, kind: str, *, at: datetime, **body: Any) -> None:
    """Tell the feed. `kind` is `thing.what_happened`; the body holds ids and short facts, never addresses or texts."""
    session.add(Event(kind=kind, at=at, body=body))


def after(session: Session, last_id: int, *, limit: int = 500) -> Sequence[Event]:
    """Events newer than `last_id`, oldest first."""
    return session.scalars(select(Event).where(Event.id > last_id).order_by(Event.id).limit(limit)).all()


def newest_id(session: Session) -> int:
    """Where the feed ends now."""
    return session.scalar(select(func.max(Event.id))) or 0
