"""Until when people are away: they hear of danger and of visits, and of the rest in one summary when they are back."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import MessageStage, MessageState, RecipientKind
from store.tables import Customer, Message


def set_away(session: Session, customer_id: str, until: datetime | None, now: datetime) -> None:
    """They are away until then; None, or a moment that has passed, ends it, and what waited is looked at now."""
    customer = session.get_one(Customer, customer_id)
    customer.away_until = until if until is not None and until > now else None
    waiting = select(Message).where(
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id == customer_id,
        Message.stage == MessageStage.DIGEST,
        Message.state == MessageState.HELD,
    )
    for summary in session.scalars(waiting):
        summary.not_before = customer.away_until or now


def away_until(session: Session, customer_id: str, now: datetime) -> datetime | None:
    """The end of their absence, None when they are there."""
    customer = session.get(Customer, customer_id)
    until = customer.away_until if customer else None
    return until if until is not None and until > now else None
