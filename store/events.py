"""The feed of what changes: written with the change, read by the console and `/v1/events`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from store.appending import append
from store.tables import Event

_WRITING = 7_073_657
"""PostgreSQL's advisory lock of the one who adds to the feed; any number that nobody else uses."""
_INSERT = insert(Event.__table__)  # type: ignore[arg-type]


def publish(session: Session, kind: str, *, at: datetime, **body: Any) -> None:
    """Tell the feed. `kind` is `thing.what_happened`; the body holds ids and short facts, never addresses or texts."""
    append(session, _INSERT, last=_alone, kind=kind, at=at, body=body)


def after(session: Session, last_id: int, *, limit: int = 500) -> Sequence[Event]:
    """Events newer than `last_id`, oldest first."""
    return session.scalars(select(Event).where(Event.id > last_id).order_by(Event.id).limit(limit)).all()


def newest_id(session: Session) -> int:
    """Where the feed ends now."""
    return session.scalar(select(func.max(Event.id))) or 0


def _alone(session: Session) -> None:
    """Events are the last thing a transaction writes, one transaction at a time.

    Else an id drawn early and committed late would appear behind a reader that has passed it. Taken last, and for as
    long as a commit takes, the lock can neither close a circle of waiting nor keep anybody from other work. SQLite has
    one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_WRITING)))
