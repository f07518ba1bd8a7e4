"""What we say back to somebody who wrote, where nothing else has to be done; and how their words reach a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.clock import iso
from domain.messages import BAD_NEWS, REACHED, Channel, MessageStage, RecipientKind, ReplyIntent
from domain.tickets import Announce, Effect, TicketCause, TicketState, VisitState
from store import ownership
from store.tables import Message, Ticket, Visit
from tickets.faults import of_ticket
from tickets.lifecycle import is_open, shift, stop_steps

COMING = (VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED)
"""Visits that the customer may count on."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who said it, where, and under which reference it is known."""

    actor: str
    customer_id: str
    channel: str
    """A Channel, or where else it came from ("web")."""
    reference: str
    until: datetime | None = None
    """Of an absence, its end."""
    unasked: bool = False
    """The first word from them about this ticket."""

    @property
    def back(self) -> dict[str, Any]:
        """Details of an answer to it."""
        return back_on(self.channel)


def back_on(channel: str) -> dict[str, Any]:
    """An answer goes back where the question came from; one from a page goes where the customer likes best."""
    return {"channel": str(channel)} if channel in set(Channel) else {}


def answer(session: Session, ticket: Ticket, intent: ReplyIntent, said: Said, *, now: datetime) -> list[Effect] | None:
    """All that follows from words that ask for no work; None for any other."""
    match intent:
        case ReplyIntent.ACKNOWLEDGED:
            waits = ticket.state in {TicketState.OPEN, TicketState.PENDING_CUSTOMER} and said.channel != Channel.VOICE
            # Once a ticket: thanks for thanks would go on for ever. Who is on the telephone has heard it already.
            return [Announce(ticket.id, MessageStage.ACKNOWLEDGED, "", said.back)] if waits else []
        case ReplyIntent.HELP:
            return [Announce(ticket.id, MessageStage.HELP, said.reference, said.back)]
        case ReplyIntent.WHEN:
            return _when(session, ticket, said)
        case ReplyIntent.AWAY:
            return _away(session, ticket, said, now=now)
        case ReplyIntent.NOT_MINE:
            return _not_mine(session, ticket, said, now=now)
        case ReplyIntent.PHOTO if coming(session, ticket) is not None:
            return []  # for the technician's eyes
    return None


def known(session: Session, ticket: Ticket, said: Said) -> list[Effect]:
    """To a complaint about what we had seen before them, once: that we know, and where it stands."""
    if ticket.cause != TicketCause.FAULT or not said.unasked:
        return []
    visit = coming(session, ticket)
    if visit is None and was_told(session, ticket, said.customer_id):
        return []
    details = {**said.back, "onset": iso(ticket.onset), **({"visit_id": visit.id} if visit else {})}
    return [Announce(ticket.id, MessageStage.KNOWN, "", details)]


def for_a_person(
    session: Session, ticket: Ticket, said: Said, *, now: datetime, reason: str = "somebody has to read the answer"
) -> list[Effect]:
    """The playbook waits, and the desk is told."""
    stop_steps(session, ticket)
    shift(session, ticket, TicketState.PENDING_AGENT, actor=said.actor, now=now, reason=reason)
    return [Announce(ticket.id, MessageStage.CALL_WANTED, said.reference)]


def coming(session: Session, ticket: Ticket) -> Visit | None:
    """The visit that the customer may count on."""
    query = select(Visit).where(Visit.ticket_id == ticket.id, Visit.state.in_(COMING))
    return session.scalars(query.order_by(Visit.id.desc()).limit(1)).first()


def _when(session: Session, ticket: Ticket, said: Said) -> list[Effect]:
    visit = coming(session, ticket)
    details: dict[str, Any] = {"visit_id": visit.id} if visit else {}
    details["looking"] = visit is None and ticket.state == TicketState.PENDING_VISIT
    return [Announce(ticket.id, MessageStage.VISIT_TIME, said.reference, {**said.back, **details})]


def _away(session: Session, ticket: Ticket, said: Said, *, now: datetime) -> list[Effect]:
    until = {"until": iso(said.until)} if said.until else {}
    effects: list[Effect] = [Announce(ticket.id, MessageStage.AWAY, said.reference, {**said.back, **until})]
    visit = coming(session, ticket)
    if visit is not None and said.until is not None and visit.window_start < said.until:
        reason = "a visit is promised for while they are away"
        effects += for_a_person(session, ticket, said, now=now, reason=reason)
    return effects


def _not_mine(session: Session, ticket: Ticket, said: Said, *, now: datetime) -> list[Effect]:
    """Believed of a fault that we told them of; of what they told us themselves, a person has to ask."""
    if not (of_ticket(session, ticket.id) and was_told(session, ticket, said.customer_id)):
        return for_a_person(session, ticket, said, now=now) if is_open(ticket) else []
    ownership.disown(
        session, device_id=ticket.device_id, customer_id=said.customer_id, source=f"reply:{said.reference}", now=now
    )
    details = {**said.back, "customer_id": said.customer_id}
    effects: list[Effect] = [Announce(ticket.id, MessageStage.WRONG_PERSON, said.reference, details)]
    if is_open(ticket):
        effects += for_a_person(session, ticket, said, now=now, reason="it is not theirs, they say: whose is it?")
    return effects


def was_told(session: Session, ticket: Ticket, customer_id: str) -> bool:
    """Whether they heard of the trouble from us: an owner, a tenant, a caretaker."""
    reached = select(func.count(Message.id)).where(
        Message.ticket_id == ticket.id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id == customer_id,
        Message.stage.in_(BAD_NEWS),
        Message.state.in_(REACHED),
    )
    return bool(session.scalar(reached))
