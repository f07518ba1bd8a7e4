"""A person decides whether many people hear of one cause: what waits for that goes out by and by, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from domain.brakes import Cause, CauseState
from domain.errors import Conflict, NotFound
from domain.messages import MessageState, Refusal
from store import brakes, deliveries, due, events
from store.locking import locked
from store.tables import CauseRow, Message

NOBODY = "nobody decided within a day"


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person, as it stands."""

    id: int
    key: str
    name: str
    state: CauseState
    told: int
    waiting: int
    ticket_id: int | None
    wanted_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str


def approvals(session: Session, *, state: CauseState | None = None) -> list[Approval]:
    """The questions, newest first; those that are open only, or as `state` says."""
    waiting = (
        select(Message.cause, func.count(Message.id).label("count"))
        .where(Message.cause.is_not(None), Message.state == MessageState.HELD)
        .group_by(Message.cause)
        .subquery()
    )
    query = select(CauseRow, waiting.c.count).outerjoin(waiting, waiting.c.cause == CauseRow.key)
    query = query.where(CauseRow.wanted_at.is_not(None)).order_by(CauseRow.wanted_at.desc(), CauseRow.id.desc())
    if state is not None:
        query = query.where(CauseRow.state == state)
    return [_approval(row, count or 0) for row, count in session.execute(query.limit(200))]


def read(session: Session, cause_id: int) -> Approval:
    """One question. Raises NotFound."""
    row = session.get(CauseRow, cause_id)
    if row is None or row.wanted_at is None:
        raise NotFound("approval", cause_id)
    return _approval(row, len(brakes.waiting_for(session, row.key)))


def decide(
    session: Session, cause_id: int, *, yes: bool, by: str, note: str, per_minute: int, now: datetime
) -> Approval:
    """What waits goes out, `per_minute` at most, or is suppressed with the reason; further ones follow the same word.

    Raises NotFound, and Conflict for a question that has been answered otherwise.
    """
    key = session.scalar(select(CauseRow.key).where(CauseRow.id == cause_id, CauseRow.wanted_at.is_not(None)))
    if key is None:
        raise NotFound("approval", cause_id)
    # Messages before their cause: the order in which senders lock them.
    mine = select(Message).where(Message.cause == key, Message.state == MessageState.HELD).order_by(Message.id)
    messages = session.scalars(locked(mine)).all()
    row = session.scalars(locked(select(CauseRow).where(CauseRow.id == cause_id))).one()
    wanted = CauseState.APPROVED if yes else CauseState.DECLINED
    if row.state not in {CauseState.WAITING, wanted}:
        raise Conflict(f"this was {row.state} by {row.decided_by} already")
    if row.state == CauseState.WAITING:
        row.state, row.decided_at, row.decided_by, row.note, row.last_at = wanted, now, by, note, now
        due.cancel(session, brakes.APPROVAL, row.id)
        events.publish(session, f"messages.{wanted}", at=now, cause_id=row.id, count=len(messages))
    _release(session, messages, per_minute=per_minute, now=now) if yes else _drop(session, messages, row, now=now)
    return _approval(row, len(messages) if yes else 0)


def remind(session: Session, cause_id: int, *, times: int, now: datetime) -> None:
    """Nobody has decided yet: ask again; after a day the answer is no, with that reason."""
    row = session.get(CauseRow, cause_id)
    if row is None or row.state != CauseState.WAITING or row.wanted_at is None:
        return
    if now - row.wanted_at >= brakes.DECIDE_WITHIN:
        decide(session, cause_id, yes=False, by="clock", note=NOBODY, per_minute=1, now=now)
    else:
        brakes.ask(session, row, now=now, times=times + 1)


def _release(session: Session, messages: Sequence[Message], *, per_minute: int, now: datetime) -> None:
    apart = timedelta(minutes=1) / per_minute
    turns = [
        {"id": one.id, "not_before": now + place * apart, "cause": None, "reason": "approved; goes out in its turn"}
        for place, one in enumerate(messages)
    ]
    if turns:
        session.execute(update(Message), turns)


def _drop(session: Session, messages: Sequence[Message], row: CauseRow, *, now: datetime) -> None:
    reason = f"declined by {row.decided_by}" + (f": {row.note}" if row.note else "")
    for message in messages:
        message.cause, message.lease = None, message.lease + 1
        deliveries.settle(
            session, message, MessageState.SUPPRESSED, reason=reason, refusal=Refusal.AWAITING_APPROVAL, at=now
        )


def _approval(row: CauseRow, waiting: int) -> Approval:
    return Approval(
        row.id,
        row.key,
        Cause(row.key).name,
        CauseState(row.state),
        row.told,
        waiting,
        row.ticket_id,
        row.wanted_at or row.since,
        row.decided_at,
        row.decided_by,
        row.note,
    )
