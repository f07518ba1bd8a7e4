"""Who knows: whether the customer of a ticket has been told of it, or is about to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from domain.messages import BAD_NEWS, OUTGOING, REACHED, MessageStage, MessageState, RecipientKind, Refusal
from domain.tickets import Announce, Effect
from store.tables import Message, Ticket, TimelineEntry
from tickets import foresight


@dataclass(frozen=True, slots=True)
class Told:
    """What the customer knows of the trouble."""

    reached: bool
    """A message has reached them."""
    coming: bool
    """A message is on its way, or just announced."""

    @property
    def any(self) -> bool:
        return self.reached or self.coming


def weigh(messages: Sequence[tuple[MessageState, datetime]], announced_at: datetime | None) -> Told:
    """From the openings' states and times of planning, and when one was last announced."""
    states = {state for state, _ in messages}
    unplanned = announced_at is not None and all(created < announced_at for _, created in messages)
    return Told(reached=bool(states & REACHED), coming=unplanned or bool(states & OUTGOING))


def told(session: Session, ticket: Ticket) -> Told:
    """What the ticket's customers know; what stands in a summary is known if that is."""
    if ticket.announced_at is None and foresight.is_new(session, ticket):
        return weigh([], None)
    summary = aliased(Message)
    state = func.coalesce(summary.state, Message.state)
    query = (
        select(state, Message.created_at)
        .outerjoin(summary, summary.id == Message.folded_into)
        .where(
            Message.ticket_id == ticket.id,
            Message.recipient_kind == RecipientKind.CUSTOMER,
            Message.stage.in_(BAD_NEWS),
        )
    )
    rows = session.execute(query).all()
    return weigh([(MessageState(state), created) for state, created in rows], ticket.announced_at)


def announce_opening(
    session: Session, ticket: Ticket, stage: MessageStage, *, now: datetime, occurrence: str = "", command: str = ""
) -> list[Effect]:
    """Have the customer told of the trouble: at first, or again when a relapse is told to those who knew."""
    if ticket.agents_only:
        return []
    known = told(session, ticket)
    if known.coming:
        return []
    if known.reached and stage is not MessageStage.UNSTABLE:
        stage = MessageStage.RELAPSED
    ticket.announced_at = now
    details = {"command": command} if command else {}
    return [Announce(ticket.id, stage, occurrence, details)]


def again(ticket: Ticket) -> str:
    """The occurrence that tells this life of the ticket from those before it was reopened."""
    return str(ticket.reopened) if ticket.reopened else ""


def kept_quiet(session: Session, ticket: Ticket) -> bool:
    """Whether the last opening was withheld only because the fault was away, or quiet wanted, at that moment."""
    openings = select(Message).where(
        Message.ticket_id == ticket.id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.stage.in_(BAD_NEWS),
        Message.rung == 0,
    )
    last = session.scalar(openings.order_by(Message.id.desc()).limit(1))
    if last is None or last.state != MessageState.SUPPRESSED:
        return False
    why = select(TimelineEntry.detail).where(
        TimelineEntry.ticket_id == ticket.id, TimelineEntry.kind == f"message_{MessageState.SUPPRESSED}"
    )
    refusals = {detail.get("refusal") for detail in session.scalars(why) if detail.get("message_id") == last.id}
    return bool(refusals & {Refusal.NO_LONGER_TRUE, Refusal.MUTED, Refusal.KEPT_BACK})
