"""What agents do with tickets: open, move, comment, assign."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from domain.errors import AlreadyExists, Conflict, NotFound, SourceError
from domain.faults import Severity
from domain.messages import MessageStage
from domain.tickets import Effect, TicketCause, TicketState, VisitUnneeded, VisitWanted
from store import timeline
from store.tables import Customer, Device
from tickets.acknowledging import acknowledge
from tickets.faults import firing_of_ticket
from tickets.lifecycle import (
    end,
    find_ticket,
    is_open,
    open_new,
    open_with_key,
    playbook_of,
    reopen,
    shift,
    stop_steps,
    tell,
)
from tickets.recovery import resolve
from tickets.told import announce_opening

BY_HAND = "by-hand"
"""Fault family of tickets that people open, unless they name another."""
_OVER = frozenset({TicketState.RESOLVED, TicketState.CLOSED})


def open_by_hand(
    session: Session,
    *,
    device_id: str,
    title: str | Mapping[str, str],
    actor: str,
    now: datetime,
    customer_id: str | None = None,
    text: str = "",
    cause: TicketCause = TicketCause.AGENT,
    severity: Severity = Severity.MINOR,
    family: str = BY_HAND,
    tell_customer: bool = False,
) -> tuple[int, list[Effect]]:
    """A ticket that no rule opened. The customer is the device's unless another is named.

    Raises NotFound, and AlreadyExists while a ticket for the same device and family is open.
    """
    device = session.get(Device, device_id)
    if device is None:
        raise NotFound("device", device_id)
    if customer_id is not None and session.get(Customer, customer_id) is None:
        raise NotFound("customer", customer_id)
    other = open_with_key(session, device_id, family)
    if other is not None:
        raise AlreadyExists(f"ticket {other.id} is open for {family} of device {device_id!r}; comment on that one")
    ticket = open_new(
        session,
        device_id=device_id,
        family=family,
        customer_id=customer_id or device.customer_id,
        cause=cause,
        severity=severity,
        title={"en": title} if isinstance(title, str) else title,
        onset=now,
        actor=actor,
        now=now,
        first_contact_at=now if cause == TicketCause.CUSTOMER else None,
    )
    if text:
        timeline.note(session, ticket.id, "comment", at=now, actor=actor, text=text)
    return ticket.id, announce_opening(session, ticket, MessageStage.OPENING, now=now) if tell_customer else []


def move(
    session: Session, ticket_id: int, to: TicketState, *, actor: str, now: datetime, reason: str = ""
) -> list[Effect]:
    """Move a ticket by hand; nothing happens if it is there. To `pending_visit` asks for a technician.

    Raises IllegalTransition, and Conflict for ending it without a reason while telemetry still shows its fault.
    """
    ticket = find_ticket(session, ticket_id)
    if ticket.state == to:
        return []
    acknowledge(session, ticket, actor=actor, now=now)
    firing = bool(firing_of_ticket(session, ticket.id))
    if to in _OVER and is_open(ticket) and firing and not reason.strip():
        raise Conflict(f"telemetry still shows the fault of ticket {ticket_id}: give a reason for ending it")
    match to:
        case TicketState.RESOLVED if is_open(ticket):
            # What telemetry still shows is not announced as fixed.
            stage = None if firing else MessageStage.RESOLVED
            return resolve(session, ticket, by="agent", actor=actor, now=now, reason=reason, stage=stage)
        case TicketState.CLOSED | TicketState.CANCELLED:
            by = ticket.closed_by or "agent"
            end(session, ticket, to, by=by, actor=actor, now=now, reason=reason)
            return [VisitUnneeded(ticket.id)]
        case TicketState.OPEN if ticket.state in _OVER:
            reopen(session, ticket, actor=actor, now=now, reason=reason)
            return []
        case _:
            shift(session, ticket, to, actor=actor, now=now, reason=reason)
            stop_steps(session, ticket)
    if to is not TicketState.PENDING_VISIT:
        return []
    return [VisitWanted(ticket.id, playbook_of(session, ticket).visit.skill, asked_by=actor)]


def comment(session: Session, ticket_id: int, text: str, *, actor: str, now: datetime) -> None:
    """Words for the timeline. Raises NotFound, and SourceError for none."""
    ticket = find_ticket(session, ticket_id)
    if not text.strip():
        raise SourceError("a comment needs words", key="text")
    timeline.note(session, ticket.id, "comment", at=now, actor=actor, text=text.strip())
    tell(session, ticket, "ticket.comment", now=now)


def assign(session: Session, ticket_id: int, assignee: str | None, *, actor: str, now: datetime) -> None:
    """Make it somebody's, or nobody's."""
    ticket = find_ticket(session, ticket_id)
    if ticket.assignee == assignee:
        return
    ticket.assignee, ticket.updated_at = assignee, now
    if assignee is not None:
        acknowledge(session, ticket, actor=actor, now=now)
    timeline.note(session, ticket.id, "assigned", at=now, actor=actor, to=assignee)
    tell(session, ticket, "ticket.assigned", now=now, assignee=assignee)
