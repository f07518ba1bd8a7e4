"""Due times: what is to be done at a moment stands in a table, so that no restart forgets it and no two do it."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Insert, delete, select, update
from sqlalchemy.orm import Session

from store.appending import append
from store.tables import Due
from store.upsert import insert_in


def schedule(session: Session, kind: str, ref: object, *, at: datetime, **detail: Any) -> None:
    """Do `kind` for `ref` at `at`; replaces an earlier appointment of the same kind and ref."""
    append(session, _replace(session.get_bind().dialect.name), kind=kind, ref=str(ref), due_at=at, detail=detail)


def ensure(session: Session, kind: str, ref: object, *, at: datetime, **detail: Any) -> None:
    """Do `kind` for `ref` at `at`, unless there is such an appointment already."""
    append(session, _unless_there(session.get_bind().dialect.name), kind=kind, ref=str(ref), due_at=at, detail=detail)


def hasten(session: Session, kind: str, ref: object, *, at: datetime) -> None:
    """Do it at `at` already, if there is such an appointment and nobody is at it just now."""
    waiting = select(Due.id).where(Due.kind == kind, Due.ref == str(ref), Due.due_at > at)
    if found := session.scalar(waiting.with_for_update(skip_locked=True)):
        session.execute(update(Due).where(Due.id == found).values(due_at=at))


def cancel(session: Session, kind: str, ref: object) -> None:
    """Forget the appointment, if there is one."""
    session.execute(delete(Due).where(Due.kind == kind, Due.ref == str(ref)))


def oldest(session: Session, *, now: datetime) -> Due | None:
    """The appointment that has waited longest, if the time of any has come."""
    return session.scalar(select(Due).where(Due.due_at <= now).order_by(Due.due_at, Due.id).limit(1))


def take(session: Session, due_id: int, *, now: datetime | None = None) -> Due | None:
    """The appointment, removed in the caller's transaction; None when somebody else has taken or cancelled it, or put
    it off until after `now`."""
    query = select(Due).where(Due.id == due_id)
    if now is not None:
        query = query.where(Due.due_at <= now)
    row = session.scalar(query.with_for_update(skip_locked=True))
    if row is not None:
        session.delete(row)
        session.flush()
    return row


@cache
def _replace(dialect: str) -> Insert:
    """One appointment of a kind and ref: the newer time counts."""
    statement = insert_in(dialect, Due)
    new = statement.excluded
    return statement.on_conflict_do_update(  # type: ignore[no-any-return]
        index_elements=["kind", "ref"], set_={"due_at": new.due_at, "detail": new.detail}
    )


@cache
def _unless_there(dialect: str) -> Insert:
    return insert_in(dialect, Due).on_conflict_do_nothing()  # type: ignore[no-any-return]
