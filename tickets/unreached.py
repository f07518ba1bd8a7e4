"""Nobody reachable at all: where no word of a trouble reaches anybody, a person is told, to find another way."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import BAD_NEWS, MessageStage, RecipientKind
from domain.tickets import Announce, Effect, TicketState
from store import timeline
from store.tables import Message
from tickets.lifecycle import find_ticket, is_open, shift, stop_steps
from tickets.told import told


def on_unreached(session: Session, ticket_id: int, *, now: datetime) -> list[Effect]:
    """A message of bad news has ended unheard: if none of the others is heard or under way, an agent is told, once."""
    ticket = find_ticket(session, ticket_id)
    if not is_open(ticket) or ticket.agents_only or told(session, ticket).any or _said(session, ticket_id):
        return []
    reason = "nobody can be reached: " + "; ".join(_reasons(session, ticket_id))
    stop_steps(session, ticket)
    timeline.note(session, ticket_id, "nobody_reachable", at=now, actor="notify", reason=reason)
    shift(session, ticket, TicketState.PENDING_AGENT, actor="notify", now=now, reason="nobody can be reached")
    return [Announce(ticket_id, MessageStage.NOBODY_REACHABLE, "", {"reason": reason})]


def _said(session: Session, ticket_id: int) -> bool:
    query = select(Message.id).where(Message.ticket_id == ticket_id, Message.stage == MessageStage.NOBODY_REACHABLE)
    return session.scalar(query.limit(1)) is not None


def _reasons(session: Session, ticket_id: int) -> list[str]:
    """Why not, each reason once."""
    query = select(Message.reason).where(
        Message.ticket_id == ticket_id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.stage.in_(BAD_NEWS),
        Message.reason.is_not(None),
    )
    return list(dict.fromkeys(reason for reason in session.scalars(query.order_by(Message.id)) if reason))
