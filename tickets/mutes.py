"""Muting a device: its faults go into the record, and nobody is contacted until the mute ends."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.clock import iso
from domain.errors import NotFound, SourceError
from domain.faults import TransitionState
from domain.tickets import OPEN_STATES, Effect
from store import due, events, timeline
from store.locking import locked
from store.tables import Device, Due, Fault, Ticket
from tickets.correlation import surface
from tickets.quiet import freshen
from tickets.steps import begin, retell


def mute(session: Session, device_id: str, *, until: datetime, reason: str, now: datetime) -> None:
    """No contact and no command of ours before `until`. Raises NotFound, and SourceError for a time gone by."""
    device = _find(session, device_id)
    if until <= now:
        raise SourceError(f"{iso(until)} is over", key="until", cure="name a time to come")
    if (device.muted_until, device.muted_reason) == (until, reason):
        return
    device.muted_until, device.muted_reason = until, reason
    due.schedule(session, "unmute", device_id, at=until)
    for ticket in _open_tickets(session, device_id):
        timeline.note(session, ticket.id, "muted", at=now, actor="agent", until=iso(until), reason=reason)
    events.publish(session, "device.muted", at=now, device_id=device_id, until=iso(until), reason=reason)


def unmute(session: Session, device_id: str, *, now: datetime) -> list[Effect]:
    """The mute ends: faults that are still there come before people, and playbooks go on."""
    device = _find(session, device_id)
    due.cancel(session, "unmute", device_id)
    if device.muted_until is None:
        return []
    device.muted_until = device.muted_reason = None
    session.flush()
    events.publish(session, "device.unmuted", at=now, device_id=device_id)
    effects: list[Effect] = []
    for ticket in _open_tickets(session, device_id):
        timeline.note(session, ticket.id, "unmuted", at=now, actor="clock")
        effects += _go_on(session, ticket, now=now)
    for fault in _firing_unseen(session, device_id):
        freshen(session, fault, now=now)
        effects += surface(session, fault, now=now)
    return effects


def on_mute_end(session: Session, device_id: str, *, now: datetime) -> list[Effect]:
    """The time until which the device was muted has come; a mute that was made longer meanwhile goes on."""
    device = session.get(Device, device_id)
    if device is None or device.muted_until is None:
        return []
    if now < device.muted_until:
        due.schedule(session, "unmute", device_id, at=device.muted_until)
        return []
    return unmute(session, device_id, now=now)


def _go_on(session: Session, ticket: Ticket, *, now: datetime) -> list[Effect]:
    held = session.scalar(select(Due).where(Due.kind == "step", Due.ref == str(ticket.id)))
    if held is None:
        return retell(session, ticket, now=now)
    due.cancel(session, "step", ticket.id)
    return begin(session, ticket, now=now) if held.detail.get("step") == ticket.step else []


def _open_tickets(session: Session, device_id: str) -> Sequence[Ticket]:
    query = select(Ticket).where(Ticket.device_id == device_id, Ticket.state.in_(OPEN_STATES))
    return session.scalars(locked(query.order_by(Ticket.id))).all()


def _firing_unseen(session: Session, device_id: str) -> Sequence[Fault]:
    query = select(Fault).where(
        Fault.device_id == device_id, Fault.state == TransitionState.FIRING, Fault.ticket_id.is_(None)
    )
    return session.scalars(query.order_by(Fault.id)).all()


def _find(session: Session, device_id: str) -> Device:
    device = session.get(Device, device_id, with_for_update=True)
    if device is None:
        raise NotFound("device", device_id)
    return device
