"""From fault to ticket: it joins the open one of its device and family, brings back a recent one, or opens one."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.clock import iso
from domain.faults import EndReason, Severity, Stage, Transition, TransitionState
from domain.messages import MessageStage
from domain.tickets import Effect, TicketCause, TicketState, VisitWanted, WorkOrderState
from domain.verdicts import Judgement
from store import due, timeline
from store.foresight import TICKET, absent
from store.locking import locked
from store.tables import Device, Fault, RuleVersion, Ticket, WorkOrder
from tickets import foresight, inhibition, quiet
from tickets.correlator import RELAPSE_WITHIN, hold, leave
from tickets.faults import (
    SURFACING,
    fresh_of_ticket,
    is_late,
    record_end,
    record_firing,
    record_flapping,
    stage_of,
    version_of,
)
from tickets.lifecycle import find_ticket, is_open, open_new, open_with_key, playbook_of, reopen, tell
from tickets.recovery import on_fault_end
from tickets.shadow import would
from tickets.steps import plan_lasting_visit, retell, start, tried_command
from tickets.told import again, announce_opening, told


class Placement(StrEnum):
    """Where a firing fault belongs."""

    ATTACH = "attach"
    REOPEN = "reopen"
    OPEN = "open"


def place(*, is_open: bool, ended_at: datetime | None, now: datetime) -> Placement:
    """From whether a ticket with the fault's key is open, and when the newest other one ended."""
    if is_open:
        return Placement.ATTACH
    if ended_at is not None and now - ended_at <= RELAPSE_WITHIN:
        return Placement.REOPEN
    return Placement.OPEN


def on_transition(
    session: Session, transition: Transition, *, now: datetime, stage: Stage | None = None
) -> list[Effect]:
    """Record one step of one episode, and do what it means for tickets. A repeated transition does nothing.

    `stage`: the rule's stage at firing; None: as the rule's row says now.
    """
    match transition.state:
        case TransitionState.FIRING:
            stage = stage or stage_of(session, transition.rule)
            fault = record_firing(session, transition, stage=stage, now=now)
            if fault is None:
                return []
            inhibition.fired(session, fault, now=now)
            if stage is Stage.SHADOW:
                _rehearse(session, fault, now=now)
            if is_late(session, fault, now=now):
                quiet.freshen(session, fault, now=now)
            return surface(session, fault, now=now)
        case TransitionState.RESOLVED:
            return _ended(session, transition, now=now)
        case TransitionState.FLAPPING:
            return _flapping(session, transition, now=now)


def surface(session: Session, fault: Fault, *, now: datetime) -> list[Effect]:
    """Bring a firing fault before people, unless its rule, its age or something that asks for quiet keeps it back."""
    if fault.superseded or fault.stage not in SURFACING or fault.verdict == Judgement.FALSE_ALARM:
        return []
    version = version_of(session, fault)
    family = version.family if version else fault.rule
    ticket = open_with_key(session, fault.device_id, family)
    kept = quiet.of_fault(session, fault, now) or (ticket is None and quiet.of_device(session, fault.device_id, now))
    if kept:
        quiet.keep_back(session, fault, kept)
        return []
    last = _last_with_key(session, fault.device_id, family) if ticket is None else None
    ended_at = (last.resolved_at or last.closed_at) if last else None
    placement = place(is_open=ticket is not None, ended_at=ended_at, now=now)
    if ticket is not None:
        return _attach(session, ticket, fault, version, now=now)
    if last is not None and placement is Placement.REOPEN:
        return _relapse(session, last, fault, version, now=now)
    return _open(session, fault, version, family=family, now=now)


def on_quiet_end(session: Session, fault_id: int, *, now: datetime) -> list[Effect]:
    """What kept the fault from people may be over: if it still fires, they hear of it now."""
    fault = session.get(Fault, fault_id)
    if fault is None or fault.state != TransitionState.FIRING:
        return []
    if fault.ticket_id is None:
        quiet.freshen(session, fault, now=now)
        return surface(session, fault, now=now)
    ticket = find_ticket(session, fault.ticket_id)
    if not is_open(ticket) or quiet.of_ticket(session, ticket, now):
        return []
    return [] if quiet.go_on(session, ticket, now=now) else retell(session, ticket, now=now)


def _rehearse(session: Session, fault: Fault, *, now: datetime) -> None:
    """Write down what the fault would have caused."""
    version = version_of(session, fault)
    family = version.family if version else fault.rule
    ticket = open_with_key(session, fault.device_id, family)
    last = _last_with_key(session, fault.device_id, family) if ticket is None else None
    ended_at = (last.resolved_at or last.closed_at) if last else None
    placement = place(is_open=ticket is not None, ended_at=ended_at, now=now)
    joined = ticket or (last if placement is Placement.REOPEN else None)
    fault.would = would(session, fault, version, placement=placement, ticket=joined, now=now)


def _open(session: Session, fault: Fault, version: RuleVersion | None, *, family: str, now: datetime) -> list[Effect]:
    device = session.get(Device, fault.device_id)
    ticket = open_new(
        session,
        device_id=fault.device_id,
        family=family,
        customer_id=device.customer_id if device else None,
        cause=TicketCause.FAULT,
        severity=Severity(fault.severity),
        title=_title(fault, version),
        onset=fault.onset,
        actor=f"rule:{fault.rule}",
        now=now,
        agents_only=fault.stage == Stage.AGENTS_ONLY,
    )
    _adopt(session, ticket, fault, version, now=now)
    hold(session, ticket, fault, version, now=now)
    return start(session, ticket, now=now)


def _attach(
    session: Session, ticket: Ticket, fault: Fault, version: RuleVersion | None, *, now: datetime
) -> list[Effect]:
    healthy, ticket.healthy_since = ticket.healthy_since is not None, None
    due.cancel(session, "healthy", ticket.id)
    _raise_severity(session, ticket, fault, now=now)
    if ticket.rule is None or (ticket.agents_only and fault.stage == Stage.LIVE):
        return _take_over(session, ticket, fault, version, now=now)
    _join(session, ticket, fault, now=now)
    plan_lasting_visit(session, ticket, now=now)
    if fault.severity == Severity.SAFETY and not (version and version.silence):
        leave(ticket)
    if quiet.of_ticket(session, ticket, now):
        return []
    quiet.go_on(session, ticket, now=now)
    effects = retell(session, ticket, now=now)
    if healthy and _called_off(session, ticket) and fresh_of_ticket(session, ticket.id):
        effects.append(VisitWanted(ticket.id, playbook_of(session, ticket).visit.skill, f"rule:{fault.rule}"))
    return effects


def _take_over(
    session: Session, ticket: Ticket, fault: Fault, version: RuleVersion | None, *, now: datetime
) -> list[Effect]:
    """The first rule that may reach people on a ticket that none has led so far."""
    by_hand = ticket.rule is None
    ticket.agents_only = fault.stage == Stage.AGENTS_ONLY
    _adopt(session, ticket, fault, version, now=now)
    if by_hand:
        return []
    hold(session, ticket, fault, version, now=now)
    return start(session, ticket, now=now)


def _relapse(
    session: Session, ticket: Ticket, fault: Fault, version: RuleVersion | None, *, now: datetime
) -> list[Effect]:
    reopen(session, ticket, actor=f"rule:{fault.rule}", now=now, reason="the fault is back")
    ticket.agents_only = fault.stage == Stage.AGENTS_ONLY
    _raise_severity(session, ticket, fault, now=now)
    _adopt(session, ticket, fault, version, now=now)
    hold(session, ticket, fault, version, now=now)
    # A remote fix that did not last, or one that came before people were told, is not tried a second time.
    to_people = told(session, ticket).any or tried_command(session, ticket, now=now)
    return start(session, ticket, now=now, at=playbook_of(session, ticket).first_hand() if to_people else 0)


def _ended(session: Session, transition: Transition, *, now: datetime) -> list[Effect]:
    fault = record_end(session, transition, now=now)
    if fault is None:
        return []
    inhibition.ended(session, fault, now=now)
    if fault.ticket_id is None:
        return []
    ticket = find_ticket(session, fault.ticket_id)
    cleared = fault.end_reason == EndReason.CLEARED
    kind, actor = ("fault_cleared", "telemetry") if cleared else ("fault_ended", f"rule:{fault.rule}")
    detail = {"fault_id": fault.id, "rule": fault.rule, "reason": fault.end_reason, "values": dict(transition.evidence)}
    timeline.note(session, ticket.id, kind, at=min(transition.at, now), actor=actor, **detail)
    return on_fault_end(session, ticket, fault, now=now)


def _flapping(session: Session, transition: Transition, *, now: datetime) -> list[Effect]:
    fault = record_flapping(session, transition, now=now)
    if fault is None:
        return []
    inhibition.fired(session, fault, now=now)
    if fault.ticket_id is None:
        return surface(session, fault, now=now)
    ticket = find_ticket(session, fault.ticket_id)
    actor = f"rule:{fault.rule}"
    timeline.note(
        session,
        ticket.id,
        "fault_flapping",
        at=min(transition.at, now),
        actor=actor,
        fault_id=fault.id,
        rule=fault.rule,
    )
    if not is_open(ticket):
        return surface(session, fault, now=now)
    ticket.healthy_since = None
    due.cancel(session, "healthy", ticket.id)
    if not told(session, ticket).reached or quiet.of_ticket(session, ticket, now):
        return retell(session, ticket, now=now)
    return announce_opening(session, ticket, MessageStage.UNSTABLE, now=now, occurrence=again(ticket))


def _adopt(session: Session, ticket: Ticket, fault: Fault, version: RuleVersion | None, *, now: datetime) -> None:
    """The fault's rule leads the ticket from here on."""
    ticket.rule, ticket.rule_version = fault.rule, fault.rule_version
    ticket.playbook = version.playbook if version else None
    if ticket.cause == TicketCause.FAULT:
        ticket.title = _title(fault, version)
    _join(session, ticket, fault, now=now)


def _join(session: Session, ticket: Ticket, fault: Fault, *, now: datetime) -> None:
    fault.ticket, fault.ticket_id, fault.kept_back = ticket, ticket.id, None
    foresight.fault_joined(session, fault, ticket)
    actor = f"rule:{fault.rule}"
    detail = {"fault_id": fault.id, "rule": fault.rule, "episode": fault.episode}
    timeline.note(session, ticket.id, "onset", at=min(fault.onset, now), actor=actor, **detail)
    timeline.note(
        session,
        ticket.id,
        "fault_fired",
        at=min(fault.fired_at, now),
        actor=actor,
        **detail,
        severity=fault.severity,
        onset=iso(fault.onset),
        evidence=fault.evidence,
    )


def _raise_severity(session: Session, ticket: Ticket, fault: Fault, *, now: datetime) -> None:
    was, found = Severity(ticket.severity), Severity(fault.severity)
    if found.rank > was.rank:
        ticket.severity, ticket.updated_at = found, now
        timeline.note(
            session, ticket.id, "severity_raised", at=now, actor=f"rule:{fault.rule}", was=was, severity=found
        )
        tell(session, ticket, "ticket.severity_raised", now=now, severity=found)


def _last_with_key(session: Session, device_id: str, family: str) -> Ticket | None:
    if absent(session, TICKET, device_id, family):
        return None
    query = select(Ticket).where(
        Ticket.device_id == device_id,
        Ticket.family == family,
        Ticket.state.in_((TicketState.RESOLVED, TicketState.CLOSED)),
    )
    return session.scalar(locked(query.order_by(Ticket.id.desc()).limit(1)))


def _called_off(session: Session, ticket: Ticket) -> bool:
    """Whether a visit was called off because telemetry looked healthy."""
    query = select(WorkOrder.state).where(WorkOrder.ticket_id == ticket.id).order_by(WorkOrder.id.desc()).limit(1)
    return session.scalar(query) == WorkOrderState.CANCELLED


def _title(fault: Fault, version: RuleVersion | None) -> dict[str, str]:
    return dict(version.title) if version and version.title else {"en": fault.rule}
