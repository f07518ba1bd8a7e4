"""Rows whose ids nobody waits for: gathered, and written many at a time before anybody in the transaction could look.

One row at a time they would be most of what a fault costs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Insert, event
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

_GATHERED = "gathered_rows"


@dataclass(slots=True)
class _Row:
    statement: Insert
    values: dict[str, Any]
    told_in: SessionTransaction | None
    """The savepoint in which it was said; None: outside any."""
    before: Callable[[Session], object] | None
    """Of rows that are written last: what must be done right before."""


@dataclass(slots=True)
class _Gathered:
    waiting: list[_Row] = field(default_factory=list)
    last: list[_Row] = field(default_factory=list)
    written: list[tuple[_Row, SessionTransaction]] = field(default_factory=list)
    """And in which savepoint."""


def append(
    session: Session, statement: Insert, *, last: Callable[[Session], object] | None = None, **values: Any
) -> None:
    """Insert one row: before the next query of this session, or at the latest with its commit.

    With `last`, at the commit, after everything else and after `last`: nobody in this transaction sees it. Rows of one
    statement name the same columns. What was said within a savepoint that is taken back did not happen.
    """
    gathered = session.info.get(_GATHERED)
    if gathered is None:
        gathered = session.info[_GATHERED] = _Gathered()
        event.listen(session, "do_orm_execute", _before_query)
        event.listen(session, "before_commit", _at_commit)
        event.listen(session, "after_soft_rollback", _forget)
    if not session.in_transaction():
        session.begin()  # as `add` would: a rollback is of something
    row = _Row(statement, values, session.get_nested_transaction(), last)
    (gathered.last if last else gathered.waiting).append(row)


def _before_query(state: ORMExecuteState) -> None:
    _write_waiting(state.session)


def _at_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    _write_waiting(session)
    last = session.info[_GATHERED].last
    session.info[_GATHERED] = _Gathered()
    if last:
        session.flush()
        for before in {row.before for row in last if row.before}:
            before(session)
        _write(session, last)


def _write_waiting(session: Session) -> None:
    gathered: _Gathered = session.info[_GATHERED]
    if not gathered.waiting:
        return
    session.flush()  # what they refer to
    rows, gathered.waiting = gathered.waiting, []
    _write(session, rows)
    within = session.get_nested_transaction()
    if within is not None:
        gathered.written += [(row, within) for row in rows]


def _write(session: Session, rows: list[_Row]) -> None:
    by_statement: dict[Insert, list[dict[str, Any]]] = {}
    for row in rows:
        by_statement.setdefault(row.statement, []).append(row.values)
    connection = session.connection()
    for statement, values in by_statement.items():
        connection.execute(statement, values)


def _forget(session: Session, ended: SessionTransaction) -> None:
    """What was said in a savepoint that is taken back, or in all of it, is dropped; what was only written there is
    written again."""
    within = next(one for one in _around(ended) if one.nested or one.parent is None)
    gathered: _Gathered = session.info[_GATHERED]
    if not within.nested:
        session.info[_GATHERED] = _Gathered()
        return
    undone = [row for row, where in gathered.written if within in _around(where)]
    session.info[_GATHERED] = _Gathered(
        waiting=[row for row in (*undone, *gathered.waiting) if within not in _around(row.told_in)],
        last=[row for row in gathered.last if within not in _around(row.told_in)],
        written=[(row, where) for row, where in gathered.written if within not in _around(where)],
    )


def _around(transaction: SessionTransaction | None) -> Iterator[SessionTransaction]:
    while transaction is not None:
        yield transaction
        transaction = transaction.parent
