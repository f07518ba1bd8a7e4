"""Faults at rest: each episode that a rule reports stands in the record, whether or not anybody is to act on it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from domain.faults import EndReason, Stage, Transition, TransitionState
from domain.verdicts import Judgement
from store import events
from store.appending import append
from store.foresight import EPISODE, absent, faults_of
from store.notes import in_force
from store.tables import Device, Fault, FaultSamples, Rule, RuleVersion, Ticket, TimelineEntry
from tickets import foresight

SURFACING = frozenset({Stage.LIVE, Stage.AGENTS_ONLY})
"""Stages in which a fault opens a ticket."""
_SAMPLES = insert(FaultSamples.__table__)  # type: ignore[arg-type]


def record_firing(session: Session, transition: Transition, *, stage: Stage, now: datetime) -> Fault | None:
    """A new row with its evidence frozen; None if the episode is in the record already."""
    if find(session, transition) is not None:
        return None
    fault = Fault(
        rule=transition.rule,
        rule_version=transition.version,
        stage=stage,
        device_id=transition.device_id,
        episode=transition.episode,
        state=TransitionState.FIRING,
        severity=transition.severity,
        onset=transition.onset,
        fired_at=transition.at,
        received_at=transition.received_at,
        detected_at=now,
        evidence=_evidence(session, transition),
        superseded=transition.superseded,
    )
    if not foresight.fault_recorded(session, fault):
        session.flush()
    if not fault.superseded:
        # One buffered upload may hold a thousand past episodes: nobody looks at their readings.
        append(session, _SAMPLES, fault_id=fault.id, due_at=now)
    _publish(session, fault, "fault.firing", now=now)
    return fault


def record_end(session: Session, transition: Transition, *, now: datetime) -> Fault | None:
    """The row, ended; None if there is none or it has ended before."""
    fault = find(session, transition)
    if fault is None or fault.state == TransitionState.RESOLVED:
        return None
    reason = transition.reason or EndReason.CLEARED
    fault.state, fault.resolved_at, fault.end_reason = TransitionState.RESOLVED, transition.at, reason
    samples = session.get(FaultSamples, fault.id)
    if samples is not None:
        samples.due_at = now
    session.flush()
    _publish(session, fault, "fault.resolved", now=now, reason=reason)
    return fault


def record_flapping(session: Session, transition: Transition, *, now: datetime) -> Fault | None:
    """The row, firing and marked; None if there is none or it is marked already. An ended episode is firing again."""
    fault = find(session, transition)
    if fault is None or fault.flapping:
        return None
    fault.flapping, fault.state, fault.resolved_at, fault.end_reason = True, TransitionState.FIRING, None, None
    session.flush()
    _publish(session, fault, "fault.flapping", now=now)
    return fault


def find(session: Session, transition: Transition) -> Fault | None:
    """The row of a transition's episode."""
    if absent(session, EPISODE, transition.rule, transition.device_id, transition.episode):
        return None
    return session.scalar(
        select(Fault).where(
            Fault.rule == transition.rule,
            Fault.device_id == transition.device_id,
            Fault.episode == transition.episode,
        )
    )


def of_ticket(session: Session, ticket_id: int) -> Sequence[Fault]:
    """All faults of a ticket, oldest first."""
    if (known := faults_of(session, ticket_id)) is not None:
        return known
    return session.scalars(select(Fault).where(Fault.ticket_id == ticket_id).order_by(Fault.id)).all()


def firing_of_ticket(session: Session, ticket_id: int) -> list[Fault]:
    """Those that telemetry still shows, but for false alarms."""
    faults = of_ticket(session, ticket_id)
    return [
        fault for fault in faults if fault.state == TransitionState.FIRING and fault.verdict != Judgement.FALSE_ALARM
    ]


def current_of_ticket(session: Session, ticket: Ticket) -> list[Fault]:
    """Those that the ticket is about now: that fire, or came since it was last reopened."""
    since = select(func.max(TimelineEntry.at)).where(
        TimelineEntry.ticket_id == ticket.id, TimelineEntry.kind == "ticket_reopened"
    )
    reopened = session.scalar(since) if ticket.reopened else None
    return [
        fault
        for fault in of_ticket(session, ticket.id)
        if reopened is None or fault.state == TransitionState.FIRING or fault.detected_at >= reopened
    ]


def stage_of(session: Session, rule: str) -> Stage:
    """How far the rule may reach now; a rule that is gone reaches nobody."""
    row = session.get(Rule, rule)
    return Stage(row.stage) if row else Stage.RETIRED


def version_of(session: Session, fault: Fault) -> RuleVersion | None:
    """The rule version that found it."""
    return session.get(RuleVersion, (fault.rule, fault.rule_version))


def is_stale(session: Session, fault: Fault) -> bool:
    """Whether its evidence was too old, when it came in or before people, to contact anybody or send a command."""
    version = version_of(session, fault)
    limit_s = version.max_evidence_age_s if version else 3600.0
    return max((fault.received_at - fault.fired_at).total_seconds(), fault.late_evidence_s or 0.0) > limit_s


def is_late(session: Session, fault: Fault, *, now: datetime) -> bool:
    """Whether it was told long after its sample came in: by a rule that looked back, or after an outage of ours."""
    version = version_of(session, fault)
    limit_s = version.max_evidence_age_s if version else 3600.0
    return (now - fault.received_at).total_seconds() > limit_s


def fresh_of_ticket(session: Session, ticket_id: int) -> list[Fault]:
    """Firing faults on which somebody may be contacted, sent, or a command given, without a person's word."""
    return [fault for fault in firing_of_ticket(session, ticket_id) if not is_stale(session, fault)]


def _evidence(session: Session, transition: Transition) -> dict[str, Any]:
    version = session.get(RuleVersion, (transition.rule, transition.version))
    when = version.body.get("when") if version else None
    device = session.get(Device, transition.device_id)
    known = in_force(device.reported, device.attributes) if device else {}
    attributes = sorted(known.keys() & transition.evidence.keys())
    frozen = {"when": when, "values": dict(transition.evidence)}
    return {**frozen, "attributes": attributes} if attributes else frozen


def _publish(session: Session, fault: Fault, kind: str, *, now: datetime, **detail: Any) -> None:
    version = version_of(session, fault)
    title = version.title if version else {}
    body = {"fault_id": fault.id, "device_id": fault.device_id, "rule": fault.rule, "severity": fault.severity}
    events.publish(session, kind, at=now, **body, title=title or {"en": fault.rule}, stage=fault.stage, **detail)
