"""Somebody has seen it: a ticket says who and when, and nobody is told more insistently from then on."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import MessageStage
from domain.tickets import Announce, Effect, TicketState
from store import ladders, people, timeline
from store.tables import Customer, Ticket, TimelineEntry
from tickets.lifecycle import find_ticket, is_open, shift, tell

_NOBODY_HAS_IT = frozenset({TicketState.OPEN, TicketState.PENDING_DEVICE, TicketState.PENDING_CUSTOMER})


def acknowledge(session: Session, ticket: Ticket, *, actor: str, now: datetime) -> None:
    """`actor` (customer:ID, agent …) has it. A customer's word ends the ladders that they stand on, another's all.

    What they said or did stands in the timeline already.
    """
    kind, _, key = actor.partition(":")
    customer = session.get(Customer, key) if kind == "customer" else None
    if ticket.acknowledged_at is None:
        ticket.acknowledged_at, ticket.acknowledged_by = now, actor
        tell(session, ticket, "ticket.acknowledged", now=now, by=kind)
    name = customer.name.split()[0] if customer and customer.name.strip() else kind
    zone = ZoneInfo(people.zone_of(customer)) if customer else ZoneInfo("UTC")
    reason = f"acknowledged by {name} at {now.astimezone(zone):%H:%M}"
    ladders.acknowledged(session, ticket.id, by=customer.id if customer else None, reason=reason, now=now)


def nobody_answers(session: Session, ticket_id: int, *, reason: str, occurrence: str, now: datetime) -> list[Effect]:
    """The last rung: somebody at the desk takes over, whatever else is under way for the ticket."""
    ticket = find_ticket(session, ticket_id)
    if not is_open(ticket) or _is_asked(session, ticket, occurrence):
        return []
    timeline.note(session, ticket.id, "nobody_answers", at=now, actor="notify", reason=reason, occurrence=occurrence)
    tell(session, ticket, "ticket.nobody_answers", now=now)
    if ticket.state in _NOBODY_HAS_IT:
        shift(session, ticket, TicketState.PENDING_AGENT, actor="notify", now=now, reason=reason)
    return [Announce(ticket.id, MessageStage.CALL_WANTED, occurrence, {"reason": reason})]


def _is_asked(session: Session, ticket: Ticket, occurrence: str) -> bool:
    query = select(TimelineEntry.detail).where(
        TimelineEntry.ticket_id == ticket.id, TimelineEntry.kind == "nobody_answers"
    )
    return any(detail.get("occurrence") == occurrence for detail in session.scalars(query))
