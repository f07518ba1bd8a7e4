"""A visit as it happens: on the way, on site, done, or no longer needed."""

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from dispatch.offers import EXPIRES, visit_news
from dispatch.orders import ORDER_OPEN, UNDER_WAY, cancel_order, derive, find_visit, open_order, step, visits_of
from domain.errors import SourceError
from domain.messages import MessageStage
from domain.tickets import Effect, TicketState, VisitState
from domain.verdicts import ClosingCode
from store import due
from store.tables import Ticket, Visit, WorkOrder
from tickets.faults import firing_of_ticket
from tickets.lifecycle import find_ticket, is_open, shift
from tickets.recovery import await_proof
from tickets.verdicts import judge_ticket

Outcome = Literal["fixed", "incomplete"]
_NOT_BEGUN = frozenset({VisitState.OFFERED, VisitState.ACCEPTED})
_ENDS: dict[str, VisitState] = {"fixed": VisitState.COMPLETED, "incomplete": VisitState.INCOMPLETE}


def en_route(session: Session, visit_id: int, *, now: datetime) -> list[Effect]:
    """The technician sets out; a visit whose fault is gone by telemetry's word is cancelled instead.

    Raises NotFound, IllegalTransition; the same move again does nothing, here and below.
    """
    visit = find_visit(session, visit_id)
    ticket = find_ticket(session, visit.ticket_id)
    if visit.state == VisitState.ACCEPTED and _recovered(session, ticket):
        return _spare(session, visit, ticket, now=now)
    if not step(session, visit, VisitState.EN_ROUTE, kind="en_route", actor=_actor(visit), now=now):
        return []
    visit.en_route_at = now
    _follow(session, visit, now=now)
    return [visit_news(visit, MessageStage.ON_THE_WAY)]


def arrive(session: Session, visit_id: int, *, now: datetime) -> list[Effect]:
    """The technician is there, or goes on after a pause."""
    visit = find_visit(session, visit_id)
    if step(session, visit, VisitState.ON_SITE, kind="arrived", actor=_actor(visit), now=now):
        visit.arrived_at = visit.arrived_at or now
        _follow(session, visit, now=now)
    return []


def pause(session: Session, visit_id: int, *, now: datetime) -> list[Effect]:
    """Work stops for a while."""
    visit = find_visit(session, visit_id)
    if step(session, visit, VisitState.PAUSED, kind="paused", actor=_actor(visit), now=now):
        _follow(session, visit, now=now)
    return []


def complete(
    session: Session,
    visit_id: int,
    *,
    now: datetime,
    outcome: Outcome = "fixed",
    note: str = "",
    verdict: str | None = None,
    code: ClosingCode | None = None,
) -> list[Effect]:
    """The work is over. `fixed` still waits for telemetry's proof; `verdict`, or else what follows from the closing
    code, judges the faults that it was about. Raises SourceError where the two contradict each other.
    """
    if outcome not in _ENDS:
        raise SourceError(f"{outcome!r} is no outcome", key="outcome", cure=f"write {' or '.join(_ENDS)}")
    if code is not None and verdict not in {None, code.judgement}:
        problem = f"{verdict!r} contradicts the closing code {code.value!r}"
        raise SourceError(problem, key="verdict", cure="leave one of them out")
    judgement = verdict or (code.judgement if code else None)
    visit, to = find_visit(session, visit_id), _ENDS[outcome]
    actor = _actor(visit)
    detail = {"note": note, "verdict": judgement, "code": code}
    if not step(session, visit, to, kind=to.value, actor=actor, now=now, **detail):
        return []
    visit.finished_at, visit.note = now, note or None
    _follow(session, visit, now=now)
    ticket = find_ticket(session, visit.ticket_id)
    effects: list[Effect] = []
    if judgement is not None:
        effects += judge_ticket(session, ticket.id, judgement, actor=actor, now=now, code=code, note=note)
    if not is_open(ticket):
        return effects
    if outcome == "fixed":
        return effects + await_proof(session, ticket, actor=actor, now=now)
    shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason=note or "the visit did not fix it")
    return effects


def call_off(session: Session, ticket_id: int, *, now: datetime) -> list[Effect]:
    """Nobody is needed any more: visits that have not begun are cancelled; one that has goes on to its end."""
    order = open_order(session, ticket_id)
    if order is None:
        return []
    effects: list[Effect] = []
    visits = visits_of(session, order)
    for visit in visits:
        if visit.state in _NOT_BEGUN:
            effects += _cancel(session, visit, reason="not needed any more", now=now)
    derive(session, order, now=now)
    begun = any(visit.state in UNDER_WAY for visit in visits)
    if order.state in ORDER_OPEN and not begun:
        cancel_order(order, now=now)
    return effects


def _spare(session: Session, visit: Visit, ticket: Ticket, *, now: datetime) -> list[Effect]:
    effects = _cancel(session, visit, reason="telemetry shows that the fault is gone", now=now)
    cancel_order(session.get_one(WorkOrder, visit.work_order_id), now=now)
    if is_open(ticket):
        reason = "healthy again; watching whether it lasts"
        shift(session, ticket, TicketState.PENDING_DEVICE, actor="telemetry", now=now, reason=reason)
    return effects


def _cancel(session: Session, visit: Visit, *, reason: str, now: datetime) -> list[Effect]:
    step(session, visit, VisitState.CANCELLED, kind="cancelled", actor="telemetry", now=now, reason=reason)
    visit.finished_at = now
    due.cancel(session, EXPIRES, visit.id)
    return [visit_news(visit, MessageStage.VISIT_CANCELLED)]


def _recovered(session: Session, ticket: Ticket) -> bool:
    if not is_open(ticket):
        return True
    return ticket.healthy_since is not None and not firing_of_ticket(session, ticket.id)


def _follow(session: Session, visit: Visit, *, now: datetime) -> None:
    derive(session, session.get_one(WorkOrder, visit.work_order_id), now=now)


def _actor(visit: Visit) -> str:
    return f"technician:{visit.technician_id}"
