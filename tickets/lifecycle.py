"""The life of one ticket: every move between states happens here, with its timeline entry and its news."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.errors import Conflict, IllegalTransition, NotFound
from domain.faults import Severity
from domain.tickets import LEGAL_MOVES, OPEN_STATES, TicketCause, TicketState
from store import due, events, ladders, timeline
from store.foresight import TICKET, absent
from store.locking import locked
from store.tables import Playbook as PlaybookRow
from store.tables import Ticket
from tickets import foresight
from tickets.playbooks import DEFAULT, Playbook, parse_playbook

STEP_WAITS = ("step", "verify", "reply_wait")
"""Kinds of appointments by which a playbook goes on; like those of WAITS, their ref is the ticket's id."""
WAITS = (*STEP_WAITS, "healthy", "major_visit", "proof")
"""Kinds of appointments that a ticket keeps while it is open."""


def find_ticket(session: Session, ticket_id: int) -> Ticket:
    """The ticket, locked against other writers. Raises NotFound."""
    ticket = session.scalar(locked(select(Ticket).where(Ticket.id == ticket_id)))
    if ticket is None:
        raise NotFound("ticket", ticket_id)
    return ticket


def open_with_key(session: Session, device_id: str, family: str) -> Ticket | None:
    """The one open ticket of this device and fault family, if there is one."""
    if absent(session, TICKET, device_id, family):
        return None
    query = select(Ticket).where(Ticket.device_id == device_id, Ticket.family == family, Ticket.state.in_(OPEN_STATES))
    return session.scalar(locked(query))


def is_open(ticket: Ticket) -> bool:
    """Whether work on it goes on."""
    return ticket.state in OPEN_STATES


def playbook_of(session: Session, ticket: Ticket) -> Playbook:
    """The playbook that the ticket follows; the default one where its rule names none, or one that is gone."""
    row = session.get(PlaybookRow, ticket.playbook) if ticket.playbook else None
    return parse_playbook(row.body) if row else DEFAULT


def open_new(
    session: Session,
    *,
    device_id: str,
    family: str,
    customer_id: str | None,
    cause: TicketCause,
    severity: Severity,
    title: Mapping[str, str],
    onset: datetime,
    actor: str,
    now: datetime,
    **rest: Any,
) -> Ticket:
    """A new ticket in state `open`; `rest` are further columns."""
    ticket = Ticket(
        device_id=device_id,
        family=family,
        customer_id=customer_id,
        state=TicketState.OPEN,
        cause=cause,
        severity=severity,
        title=dict(title),
        opened_at=now,
        onset=onset,
        updated_at=now,
        **rest,
    )
    if not foresight.ticket_opened(session, ticket):
        session.flush()
    timeline.note(session, ticket.id, "ticket_opened", at=now, actor=actor, cause=cause, severity=severity)
    tell(session, ticket, "ticket.opened", now=now, cause=cause)
    return ticket


def shift(session: Session, ticket: Ticket, to: TicketState, *, actor: str, now: datetime, reason: str = "") -> None:
    """Move to `to`; nothing happens if it is there. Raises IllegalTransition."""
    was = TicketState(ticket.state)
    if was is to:
        return
    if to not in LEGAL_MOVES[was]:
        raise IllegalTransition(f"ticket {ticket.id}", now=was, wanted=to, legal=LEGAL_MOVES[was])
    ticket.state, ticket.updated_at = to, now
    timeline.note(session, ticket.id, f"ticket_{to}", at=now, actor=actor, was=was, reason=reason)
    tell(session, ticket, f"ticket.{to}", now=now, reason=reason)


def end(session: Session, ticket: Ticket, to: TicketState, *, by: str, actor: str, now: datetime, reason: str) -> None:
    """Work is over: `to` is resolved, closed or cancelled; `by` is telemetry, customer, technician or agent."""
    shift(session, ticket, to, actor=actor, now=now, reason=reason)
    drop_waits(session, ticket)
    ladders.ended(session, ticket.id, reason=reason or f"the ticket is {to}", now=now)
    due.cancel(session, "close", ticket.id)
    ticket.closed_by, ticket.held = by, False
    # In a transaction of the clock role's own each: a parent may have hundreds of children.
    if ticket.parent_id is not None:
        due.schedule(session, "child_end", ticket.id, at=now)
    if ticket.scope is not None:
        due.cancel(session, "settle", ticket.id)
        due.schedule(session, "parent_end", ticket.id, at=now)
    if to is TicketState.RESOLVED:
        ticket.resolved_at = now
        close_after = timedelta(seconds=playbook_of(session, ticket).close_after_s)
        due.schedule(session, "close", ticket.id, at=now + close_after)
    else:
        ticket.closed_at = now


def reopen(session: Session, ticket: Ticket, *, actor: str, now: datetime, reason: str) -> None:
    """Back to `open`, and counted. Raises Conflict where another ticket with its key is open by now."""
    other = open_with_key(session, ticket.device_id, ticket.family)
    if other is not None and other.id != ticket.id:
        raise Conflict(f"ticket {ticket.id} stays {ticket.state}: ticket {other.id} is open for the same trouble")
    shift(session, ticket, TicketState.OPEN, actor=actor, now=now, reason=reason)
    ticket.reopened += 1
    ticket.resolved_at = ticket.closed_at = ticket.closed_by = ticket.healthy_since = None
    ticket.acknowledged_at = ticket.acknowledged_by = None
    due.cancel(session, "close", ticket.id)
    timeline.note(session, ticket.id, "ticket_reopened", at=now, actor=actor, times=ticket.reopened, reason=reason)
    tell(session, ticket, "ticket.reopened", now=now, times=ticket.reopened)


def close_when_due(session: Session, ticket_id: int, *, now: datetime) -> None:
    """A resolved ticket that stayed so is closed; any other is left alone."""
    ticket = find_ticket(session, ticket_id)
    if ticket.state == TicketState.RESOLVED:
        by = ticket.closed_by or "telemetry"
        shift(session, ticket, TicketState.CLOSED, actor="clock", now=now, reason="it stayed resolved")
        ticket.closed_at, ticket.closed_by = now, by


def stop_steps(session: Session, ticket: Ticket) -> None:
    """A person decides now: the playbook takes no further step by itself. Recovery is still watched for."""
    ticket.command_id = None
    for kind in STEP_WAITS:
        due.cancel(session, kind, ticket.id)


def drop_waits(session: Session, ticket: Ticket) -> None:
    """Wait for nothing any more."""
    stop_steps(session, ticket)
    for kind in WAITS:
        due.cancel(session, kind, ticket.id)


def tell(session: Session, ticket: Ticket, kind: str, *, now: datetime, **detail: Any) -> None:
    """News of the ticket for the feed."""
    body = {"ticket_id": ticket.id, "device_id": ticket.device_id, "title": ticket.title, "state": ticket.state}
    events.publish(session, kind, at=now, **body, **detail)
