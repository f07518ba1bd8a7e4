"""The feed of what changes: written with the change, read by the console and `/v1/events`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, SessionTransaction

from store.tables import Event

_WAITING = "events_waiting"
_WRITING = 7_073_657
"""PostgreSQL's advisory lock of the one who adds to the feed; any number that nobody else uses."""


def publish(session: Session, kind: str, *, at: datetime, **body: Any) -> None:
    """Tell the feed. `kind` is `thing.what_happened`; the body holds ids and short facts, never addresses or texts."""
    news = Event(kind=kind, at=at, body=body)
    if session.get_bind().dialect.name != "postgresql":
        session.add(news)  # one writer at a time: ids come in the order of the commits
        return
    if _WAITING not in session.info:
        session.info[_WAITING] = []
        event.listen(session, "before_commit", _write_out)
        event.listen(session, "after_soft_rollback", _forget)
    if not session.in_transaction():
        session.begin()  # as `add` would: a rollback is of something
    session.info[_WAITING].append((news, session.get_nested_transaction()))


def after(session: Session, last_id: int, *, limit: int = 500) -> Sequence[Event]:
    """Events newer than `last_id`, oldest first."""
    return session.scalars(select(Event).where(Event.id > last_id).order_by(Event.id).limit(limit)).all()


def newest_id(session: Session) -> int:
    """Where the feed ends now."""
    return session.scalar(select(func.max(Event.id))) or 0


def _write_out(session: Session) -> None:
    """The last thing a transaction does, one transaction at a time.

    Else an id drawn early and committed late would appear behind a reader that has passed it. Taken last, and for as
    long as a commit takes, the lock can neither close a circle of waiting nor keep anybody from other work.
    """
    if session.in_nested_transaction() or not session.info[_WAITING]:
        return
    session.flush()
    session.execute(select(func.pg_advisory_xact_lock(_WRITING)))
    session.add_all([news for news, _ in session.info[_WAITING]])
    session.info[_WAITING] = []


def _forget(session: Session, ended: SessionTransaction) -> None:
    """What was told in a savepoint that is taken back, or in all of it, did not happen."""
    within = next(one for one in _around(ended) if one.nested or one.parent is None)
    waiting = session.info[_WAITING]
    session.info[_WAITING] = [told for told in waiting if within.nested and within not in _around(told[1])]


def _around(transaction: SessionTransaction | None) -> Iterator[SessionTransaction]:
    while transaction is not None:
        yield transaction
        transaction = transaction.parent
