"""What a person decides about a message that no machine could bring to an end: it arrived, or once more."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.delivery import of_use_until
from domain.errors import Conflict, NotFound
from domain.messages import MessageStage, MessageState
from store import deliveries
from store.locking import locked
from store.tables import Message

REDRIVABLE = (MessageState.DEAD, MessageState.FAILED, MessageState.UNDELIVERED, MessageState.EXPIRED)
STUCK = (MessageState.IN_DOUBT, MessageState.DEAD)
"""States from which only a person leads a message on."""


def settle(session: Session, message_id: int, *, arrived: bool, actor: str, now: datetime) -> Message:
    """Of a message in doubt: it arrived, or is to be sent again. Raises NotFound, and Conflict in any other state."""
    message = _of(session, message_id, (MessageState.IN_DOUBT,))
    deliveries.attempt(session, message, "desk", outcome="arrived" if arrived else "send_again", detail=actor, at=now)
    if arrived:
        message.accepted_at = message.accepted_at or now
        reason = f"{actor} says that it arrived"
        deliveries.settle(session, message, MessageState.DELIVERED, reason=reason, at=now)
    else:
        _once_more(session, message, actor=actor, now=now)
    return message


def redrive(session: Session, message_id: int, *, actor: str, now: datetime) -> Message:
    """What failed is tried as if for the first time, say after an address was mended; all is checked again.

    Raises NotFound, and Conflict for a message that has not failed.
    """
    message = _of(session, message_id, REDRIVABLE)
    deliveries.attempt(session, message, "desk", outcome="redrive", detail=actor, at=now)
    message.refused_channels, message.channel = [], None
    message.expires_at = of_use_until(MessageStage(message.stage), now=now)
    _once_more(session, message, actor=actor, now=now)
    return message


def stuck(session: Session) -> dict[str, int]:
    """How many messages wait for a person, by state."""
    query = select(Message.state, func.count(Message.id)).where(Message.state.in_(STUCK)).group_by(Message.state)
    return {state: count for state, count in session.execute(query)}  # noqa: C416 - rows, not pairs


def _once_more(session: Session, message: Message, *, actor: str, now: datetime) -> None:
    # Submissions go on being counted: an answer to an old one must not be taken for one to the next.
    message.forgiven, message.not_before = message.attempts, now
    deliveries.once_more(message)
    message.reason = f"{actor} sends it again"
    deliveries.tell(session, message, "redriven", at=now, reason=message.reason)


def _of(session: Session, message_id: int, states: tuple[MessageState, ...]) -> Message:
    message = session.scalar(locked(select(Message).where(Message.id == message_id)))
    if message is None:
        raise NotFound("message", message_id)
    if message.state not in states:
        wanted = " or ".join(states)
        raise Conflict(f"message {message_id} is {message.state}; this is for one that is {wanted}")
    return message
