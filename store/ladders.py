"""A ladder at rest: a message, its further rungs, and the word that ends them all in one transaction.

What ends a ladder is written to every row of it, so whatever comes later (its next appointment, a submission that was
turned down, a process that starts again) finds it over. A row that waits is taken back; one that a sender has just
decided on is taken back too, since its fencing number goes up. What is `submitting` cannot be: it ends as it does.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from domain.messages import BAD_NEWS, MessageState, RecipientKind, Refusal
from store import deliveries
from store.tables import Message, MessageAttempt
from store.upsert import insert_once

_WAITING = (MessageState.HELD, MessageState.READY)


def messages_of(session: Session, root: int) -> Sequence[Message]:
    """The ladder's messages as they are now, the bottom rung first."""
    query = select(Message).where(or_(Message.id == root, Message.ladder == root)).order_by(Message.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def first_tried(session: Session, rows: Sequence[Message]) -> Mapping[int, datetime]:
    """When each was submitted for the first time, by its id; those that never were are left out."""
    ids = [row.id for row in rows if row.attempts]
    query = select(MessageAttempt.message_id, func.min(MessageAttempt.at)).where(
        MessageAttempt.message_id.in_(ids), MessageAttempt.kind == "submit"
    )
    found = session.execute(query.group_by(MessageAttempt.message_id)) if ids else ()
    return {number: at for number, at in found}  # noqa: C416 - rows, not pairs


def add(
    session: Session,
    root: Message,
    *,
    kind: RecipientKind,
    person_id: str,
    rung: int,
    channel: str | None,
    now: datetime,
) -> int | None:
    """One more message of the ladder that `root` is the bottom of; None if it is there already."""
    return insert_once(
        session,
        Message,
        ticket_id=root.ticket_id,
        stage=root.stage,
        occurrence=root.occurrence,
        recipient_kind=kind,
        recipient_id=person_id,
        rung=rung,
        ladder=root.id,
        purpose=root.purpose,
        visit_id=root.visit_id,
        details=root.details,
        state=MessageState.READY,
        only_channel=channel,
        not_before=max(now, root.not_before),
        expires_at=root.expires_at,
        created_at=now,
    )


def acknowledged(session: Session, ticket_id: int, *, by: str | None, reason: str, now: datetime) -> None:
    """`by`, one of those who were told, has it: the ladders that they stand on are over, and what waits is needless.

    None: somebody else has, so all of the ticket's ladders are over; but who has not been told at all still is, once.
    """
    rows = _open_rows(session, ticket_id)
    mine = {row.ladder or row.id for row in rows if by in {None, row.recipient_id}}
    over = [row for row in rows if (row.ladder or row.id) in mine]
    _end(session, over, reason=reason)
    supersede(session, [row.id for row in over if by or row.ladder], reason=reason, now=now)


def ended(session: Session, ticket_id: int, *, reason: str, now: datetime) -> None:
    """The trouble, or the work on it, is over, and so are its ladders.

    An opening that waits says itself at its release why it does not go out, and must be asked again for that.
    """
    over = _open_rows(session, ticket_id)
    _end(session, over, reason=reason)
    supersede(session, [row.id for row in over if row.ladder], reason=reason, now=now)
    _decide_again(session, [row.id for row in over if not row.ladder])


def recovered(session: Session, ticket_id: int, *, reason: str, now: datetime) -> None:
    """Healthy, for now: what waits to be said once more is not; should the fault come back, the ladder goes on."""
    rows = _open_rows(session, ticket_id)
    supersede(session, [row.id for row in rows if row.ladder], reason=reason, now=now)
    _decide_again(session, [row.id for row in rows if not row.ladder])


def supersede(session: Session, ids: Collection[int], *, reason: str, now: datetime) -> None:
    """Take back those that still wait."""
    if not ids:
        return
    waiting = (
        update(Message)
        .where(Message.id.in_(ids), Message.state.in_(_WAITING))
        .values(state=MessageState.SUPERSEDED, lease=Message.lease + 1)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    for number in session.scalars(waiting).all():
        message = session.get_one(Message, number, populate_existing=True)
        deliveries.settle(session, message, MessageState.SUPERSEDED, reason=reason, refusal=Refusal.SUPERSEDED, at=now)


def _open_rows(session: Session, ticket_id: int) -> Sequence[Message]:
    query = select(Message).where(
        Message.ticket_id == ticket_id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.stage.in_(BAD_NEWS),
        Message.ladder_over.is_(None),
    )
    return session.scalars(query).all()


def _end(session: Session, rows: Sequence[Message], *, reason: str) -> None:
    if rows:
        over = update(Message).where(Message.id.in_([row.id for row in rows])).values(ladder_over=reason)
        session.execute(over.execution_options(synchronize_session=False))


def _decide_again(session: Session, ids: Collection[int]) -> None:
    if ids:
        fence = update(Message).where(Message.id.in_(ids), Message.state.in_(_WAITING)).values(lease=Message.lease + 1)
        session.execute(fence.execution_options(synchronize_session=False))
