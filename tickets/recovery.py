"""Proof that a fault is gone: only telemetry that stays healthy resolves a fault's ticket by itself."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain.clock import iso
from domain.faults import EndReason
from domain.messages import MessageStage
from domain.tickets import Announce, Effect, TicketState, VisitUnneeded
from store import due, ladders, timeline
from store.tables import Device, Fault, Ticket
from tickets.faults import firing_of_ticket
from tickets.lifecycle import drop_waits, end, find_ticket, is_open, playbook_of, shift, stop_steps
from tickets.told import again, told

LOOK_AGAIN = timedelta(seconds=30)
SILENT_TOO_LONG = timedelta(days=1)
PROOF_WITHIN = timedelta(days=1)
"""So long after a visit telemetry may still show the fault before a person is asked to look again."""


def on_fault_end(session: Session, ticket: Ticket, fault: Fault, *, now: datetime) -> list[Effect]:
    """A fault of the ticket ended. If it was the last that fired, its reason decides what that proves."""
    if not is_open(ticket) or firing_of_ticket(session, ticket.id):
        return []
    if fault.end_reason == EndReason.CLEARED:
        return watch(session, ticket, since=fault.resolved_at or now, now=now)
    if fault.end_reason == EndReason.DEVICE_DELETED:
        end(session, ticket, TicketState.CANCELLED, by="agent", actor="clock", now=now, reason="the device is gone")
        return [VisitUnneeded(ticket.id)]
    # Nothing shows that anything was fixed: a person decides, and nobody is told.
    drop_waits(session, ticket)
    reason = f"the fault is no longer watched ({fault.end_reason})"
    shift(session, ticket, TicketState.PENDING_AGENT, actor="clock", now=now, reason=reason)
    return []


def watch(session: Session, ticket: Ticket, *, since: datetime, now: datetime) -> list[Effect]:
    """Healthy since `since`: resolved once that has lasted as long as the playbook wants."""
    ticket.healthy_since = since
    ladders.recovered(session, ticket.id, reason="it recovered", now=now)
    healthy_for = timedelta(seconds=playbook_of(session, ticket).healthy_for_s)
    if not healthy_for:
        return resolve(session, ticket, by="telemetry", actor="telemetry", now=now, reason="healthy again")
    timeline.note(session, ticket.id, "healthy", at=min(since, now), actor="telemetry", until=iso(since + healthy_for))
    due.schedule(session, "healthy", ticket.id, at=since + healthy_for)
    return []


def on_healthy(session: Session, ticket_id: int, *, now: datetime) -> list[Effect]:
    """Healthy long enough, if telemetry still comes in to say so: a device that fell silent proves nothing."""
    ticket = find_ticket(session, ticket_id)
    since = ticket.healthy_since
    if not is_open(ticket) or since is None or firing_of_ticket(session, ticket.id):
        return []
    proven = since + timedelta(seconds=playbook_of(session, ticket).healthy_for_s)
    device = session.get(Device, ticket.device_id)
    if now < proven:
        due.schedule(session, "healthy", ticket.id, at=proven)
        return []
    if device is None or device.last_seen is None or device.last_seen >= proven:
        return resolve(session, ticket, by="telemetry", actor="telemetry", now=now, reason="it stayed healthy")
    if now < proven + SILENT_TOO_LONG:
        due.schedule(session, "healthy", ticket.id, at=now + max(LOOK_AGAIN, (now - since) / 10))
    else:
        reason = "the device fell silent before it had proved healthy"
        shift(session, ticket, TicketState.PENDING_AGENT, actor="clock", now=now, reason=reason)
    return []


def resolve(
    session: Session,
    ticket: Ticket,
    *,
    by: str,
    actor: str,
    now: datetime,
    reason: str,
    stage: MessageStage | None = MessageStage.RESOLVED,
) -> list[Effect]:
    """Resolved, and `stage` announced to a customer who knows of the trouble; who never knew is left in peace."""
    known = told(session, ticket).any or ticket.first_contact_at is not None
    end(session, ticket, TicketState.RESOLVED, by=by, actor=actor, now=now, reason=reason)
    effects: list[Effect] = [VisitUnneeded(ticket.id)]
    if known and stage is not None and not ticket.agents_only:
        since = {"healthy_since": iso(ticket.healthy_since)} if ticket.healthy_since else {}
        effects.insert(0, Announce(ticket.id, stage, again(ticket), since))
    return effects


def await_proof(session: Session, ticket: Ticket, *, actor: str, now: datetime) -> list[Effect]:
    """Hands say that it is fixed: telemetry has to show it, where it had shown the fault."""
    if not is_open(ticket):
        return []
    stop_steps(session, ticket)
    if not firing_of_ticket(session, ticket.id) and ticket.healthy_since is None:
        return resolve(session, ticket, by="technician", actor=actor, now=now, reason="fixed on site")
    reason = "fixed on site, as the technician says; telemetry has to show it"
    shift(session, ticket, TicketState.PENDING_DEVICE, actor=actor, now=now, reason=reason)
    due.schedule(session, "proof", ticket.id, at=now + PROOF_WITHIN)
    return []


def on_proof_missing(session: Session, ticket_id: int, *, now: datetime) -> list[Effect]:
    """A technician said that it is fixed, and telemetry still says otherwise."""
    ticket = find_ticket(session, ticket_id)
    if not is_open(ticket):
        return []
    if firing_of_ticket(session, ticket.id):
        reason = "the fault is still there after the visit"
        shift(session, ticket, TicketState.PENDING_AGENT, actor="telemetry", now=now, reason=reason)
    else:
        due.schedule(session, "proof", ticket.id, at=now + PROOF_WITHIN)
    return []
