"""Verdicts at rest: each word on whether a fault was real is kept, the weightiest one counts, and a false alarm ends
the ticket that rests on nothing else.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.errors import NotFound, SourceError
from domain.faults import Severity, TransitionState
from domain.messages import MessageStage
from domain.tickets import Effect
from domain.verdicts import ClosingCode, Given, Judgement, VerdictSource, in_force
from store import due, events, timeline
from store.locking import locked
from store.tables import Fault, Ticket, Verdict
from tickets import inhibition
from tickets.correlation import surface
from tickets.faults import current_of_ticket, firing_of_ticket
from tickets.lifecycle import find_ticket, is_open
from tickets.recovery import resolve, watch


def verdict(
    session: Session,
    fault_id: int,
    judgement: str,
    *,
    actor: str,
    now: datetime,
    code: ClosingCode | None = None,
    note: str = "",
) -> list[Effect]:
    """Judge a fault `real` or a `false_alarm`; the same word of the same person twice counts once.

    A false alarm resolves an open ticket that rests on nothing else, unless a weightier word says that it is real.
    `actor` is agent, technician:ID or customer:ID. Raises NotFound, and SourceError for another word.
    """
    fault = _find(session, fault_id)
    if judgement not in set(Judgement):
        raise SourceError(f"{judgement!r} is no verdict", key="verdict", cure=f"write {' or '.join(Judgement)}")
    source = VerdictSource(actor.partition(":")[0])
    given = of_fault(session, fault_id)
    same = [one for one in given if one.by == actor]
    if same and (same[-1].verdict, same[-1].code) == (judgement, code):
        return []
    said = Verdict(fault_id=fault_id, verdict=judgement, source=source, by=actor, at=now, code=code, note=note)
    session.add(said)
    counts = _reflect(fault, [*given, said])
    session.flush()
    if fault.verdict == Judgement.FALSE_ALARM:
        inhibition.ended(session, fault, now=now)
    return _follow(session, fault, said, counts=counts, now=now)


def judge_ticket(
    session: Session,
    ticket_id: int,
    judgement: str,
    *,
    actor: str,
    now: datetime,
    code: ClosingCode | None = None,
    note: str = "",
) -> list[Effect]:
    """The same word on every fault that the ticket is about now; those of an earlier life of it keep theirs."""
    ticket = find_ticket(session, ticket_id)
    effects: list[Effect] = []
    for fault in current_of_ticket(session, ticket):
        effects += verdict(session, fault.id, judgement, actor=actor, now=now, code=code, note=note)
    return effects


def of_fault(session: Session, fault_id: int) -> Sequence[Verdict]:
    """All that was said of a fault, oldest first."""
    return session.scalars(select(Verdict).where(Verdict.fault_id == fault_id).order_by(Verdict.id)).all()


def _find(session: Session, fault_id: int) -> Fault:
    """The fault, locked, so that of two words at once each knows of the other. Raises NotFound."""
    fault = session.get(Fault, fault_id)
    if fault is None:
        raise NotFound("fault", fault_id)
    if fault.ticket_id is not None:
        # Everybody locks the ticket first, so that no two wait for each other.
        find_ticket(session, fault.ticket_id)
    return session.scalars(locked(select(Fault).where(Fault.id == fault_id))).one()


def _reflect(fault: Fault, said: Sequence[Verdict]) -> bool:
    """Put the verdict that counts on the fault; whether the last one agrees with it."""
    best = in_force(Given(Judgement(one.verdict), VerdictSource(one.source), one.at, one.by) for one in said)
    if best is not None:
        fault.verdict, fault.verdict_by = best.judgement, best.by
    return fault.verdict == said[-1].verdict


def _follow(session: Session, fault: Fault, said: Verdict, *, counts: bool, now: datetime) -> list[Effect]:
    body = {"fault_id": fault.id, "verdict": said.verdict, "source": said.source, "counts": counts}
    events.publish(session, "fault.verdict", at=now, device_id=fault.device_id, rule=fault.rule, **body)
    if fault.ticket_id is None:
        return []
    ticket = find_ticket(session, fault.ticket_id)
    detail = {**body, "rule": fault.rule, "code": said.code, "note": said.note}
    timeline.note(session, ticket.id, "verdict", at=now, actor=said.by, **detail)
    if fault.verdict == Judgement.REAL and fault.state == TransitionState.FIRING and is_open(ticket):
        # Taken for a false alarm before, it did not stand against the ticket's being healthy.
        ticket.healthy_since = None
        due.cancel(session, "healthy", ticket.id)
    if said.verdict == Judgement.REAL and counts and fault.state == TransitionState.FIRING and not is_open(ticket):
        return surface(session, fault, now=now)
    if said.verdict != Judgement.FALSE_ALARM or not counts or not is_open(ticket):
        return []
    # A person who sees nothing wrong cannot see gas, and what is critical may not have begun.
    grave = Severity(fault.severity).rank >= Severity.CRITICAL.rank
    if said.source == VerdictSource.CUSTOMER and grave:
        return []
    return _settle(session, ticket, by=said.source, actor=said.by, now=now)


def _settle(session: Session, ticket: Ticket, *, by: str, actor: str, now: datetime) -> list[Effect]:
    others = [fault for fault in current_of_ticket(session, ticket) if fault.verdict != Judgement.FALSE_ALARM]
    if not others:
        stage, reason = MessageStage.FALSE_ALARM, "a false alarm"
        return resolve(session, ticket, by=by, actor=actor, now=now, reason=reason, stage=stage)
    if firing_of_ticket(session, ticket.id) or ticket.healthy_since is not None:
        return []
    return watch(session, ticket, since=max(fault.resolved_at or now for fault in others), now=now)
