"""What agents do with tickets: open, move, comment, assign, and judge whether a fault was real."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from domain.errors import AlreadyExists, Conflict, NotFound, SourceError
from domain.faults import Severity
from domain.messages import MessageStage
from domain.tickets import Effect, TicketCause, TicketState, VisitUnneeded, VisitWanted
from store import events, timeline
from store.tables import Customer, Device, Fault, Ticket
from tickets import inhibition
from tickets.faults import FALSE_ALARM, REAL, firing_of_ticket, of_ticket
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
from tickets.recovery import resolve, watch
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
    timeline.note(session, ticket.id, "assigned", at=now, actor=actor, to=assignee)
    tell(session, ticket, "ticket.assigned", now=now, assignee=assignee)


def verdict(session: Session, fault_id: int, judgement: str, *, actor: str, now: datetime) -> list[Effect]:
    """Judge a fault `real` or a `false_alarm`; the latter resolves an open ticket that rests on nothing else."""
    fault = session.get(Fault, fault_id)
    if fault is None:
        raise NotFound("fault", fault_id)
    if judgement not in {REAL, FALSE_ALARM}:
        raise SourceError(f"{judgement!r} is no verdict", key="verdict", cure=f"write {REAL} or {FALSE_ALARM}")
    if fault.verdict == judgement:
        return []
    fault.verdict, fault.verdict_by = judgement, actor
    session.flush()
    if judgement == FALSE_ALARM:
        inhibition.ended(session, fault, now=now)
    body = {"fault_id": fault.id, "verdict": judgement}
    events.publish(session, "fault.verdict", at=now, device_id=fault.device_id, rule=fault.rule, **body)
    if fault.ticket_id is None:
        return []
    ticket = find_ticket(session, fault.ticket_id)
    timeline.note(session, ticket.id, "verdict", at=now, actor=actor, rule=fault.rule, **body)
    return _settle(session, ticket, actor=actor, now=now) if judgement == FALSE_ALARM and is_open(ticket) else []


def _settle(session: Session, ticket: Ticket, *, actor: str, now: datetime) -> list[Effect]:
    others = [fault for fault in of_ticket(session, ticket.id) if fault.verdict != FALSE_ALARM]
    if not others:
        stage, reason = MessageStage.FALSE_ALARM, "a false alarm"
        return resolve(session, ticket, by="agent", actor=actor, now=now, reason=reason, stage=stage)
    if firing_of_ticket(session, ticket.id) or ticket.healthy_since is not None:
        return []
    return watch(session, ticket, since=max(fault.resolved_at or now for fault in others), now=now)
