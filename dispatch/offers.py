"""Offers: the best candidate is asked; a refusal or silence goes to the next, and nobody left goes to a person."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dispatch.candidates import Candidate, Ranking, rank
from dispatch.orders import (
    BOOKED,
    bookings,
    derive,
    find_visit,
    hand_of,
    hands,
    is_double,
    need_of,
    open_order,
    report,
    step,
    visits_of,
)
from dispatch.shifts import next_start
from domain.errors import NotFound
from domain.messages import MessageStage
from domain.tickets import Announce, Effect, TicketState, VisitState, WorkOrderState
from store import due, events, timeline
from store.locking import locked
from store.tables import Technician, Ticket, Visit, WorkOrder
from tickets.lifecycle import find_ticket, is_open, playbook_of, shift, tell

EXPIRES = "offer_expires"
CUSTOMER = "customer:"


def request(
    session: Session, ticket_id: int, *, skill: str | None = None, asked_by: str = "playbook", now: datetime
) -> list[Effect]:
    """Have somebody sent for a ticket. While a visit is offered, promised or under way, nothing more is done.

    `skill` None: the one that the ticket's playbook names. `asked_by` is playbook:NAME, customer:ID, agent …
    """
    ticket = find_ticket(session, ticket_id)
    if not is_open(ticket):
        return []
    order = _order(session, ticket, skill=skill, asked_by=asked_by, now=now)
    if any(visit.state in BOOKED for visit in visits_of(session, order)):
        return []
    return offer_next(session, order, now=now)


def offer_next(session: Session, order: WorkOrder, *, now: datetime) -> list[Effect]:
    """Ask the best candidate who has not refused; with none left, tell the dispatcher at once."""
    visits = visits_of(session, order)
    ranking = rank(
        need_of(session, order),
        hands(session),
        bookings(session, now=now),
        now=now,
        refused={visit.technician_id for visit in visits if _refused(visit)},
    )
    if not ranking.candidates:
        return _nobody(session, order, ranking, now=now)
    return _offer(session, order, ranking.candidates[0], now=now)


def accept(session: Session, visit_id: int, *, now: datetime) -> list[Effect]:
    """The technician takes it. If the time was taken or has gone by meanwhile, a new offer is made instead.

    Raises NotFound, IllegalTransition.
    """
    visit = find_visit(session, visit_id)
    if visit.state == VisitState.OFFERED and _time_is_gone(session, visit, now=now):
        return _lapse(session, visit, now=now)
    if not step(session, visit, VisitState.ACCEPTED, kind="accepted", actor=_actor(visit), now=now):
        return []
    visit.answered_at = visit.accepted_at = now
    due.cancel(session, EXPIRES, visit.id)
    derive(session, session.get_one(WorkOrder, visit.work_order_id), now=now)
    ticket = find_ticket(session, visit.ticket_id)
    if is_open(ticket):
        shift(session, ticket, TicketState.PENDING_VISIT, actor=_actor(visit), now=now, reason="a technician will come")
    return [visit_news(visit, MessageStage.VISIT_CONFIRMED)]


def decline(session: Session, visit_id: int, *, now: datetime, reason: str = "") -> list[Effect]:
    """The technician will not come, even if they had accepted: the next one is asked. Raises as `accept`."""
    visit = find_visit(session, visit_id)
    if not step(session, visit, VisitState.DECLINED, kind="declined", actor=_actor(visit), now=now, reason=reason):
        return []
    visit.answered_at, visit.note = visit.answered_at or now, reason or None
    return _pass_on(session, visit, now=now)


def expire(session: Session, visit_id: int, *, now: datetime) -> list[Effect]:
    """No answer in time: the next one is asked."""
    visit = find_visit(session, visit_id)
    if visit.state != VisitState.OFFERED:
        return []
    step(
        session, visit, VisitState.EXPIRED, kind="expired", actor="clock", now=now, reason="there was no answer in time"
    )
    return _pass_on(session, visit, now=now)


def visit_news(visit: Visit, stage: MessageStage) -> Announce:
    """An announcement about this visit, wanted once."""
    details: dict[str, Any] = {"visit_id": visit.id, "technician_id": visit.technician_id}
    return Announce(visit.ticket_id, stage, str(visit.id), details)


def _order(session: Session, ticket: Ticket, *, skill: str | None, asked_by: str, now: datetime) -> WorkOrder:
    order = open_order(session, ticket.id)
    if order is not None:
        if asked_by.startswith(CUSTOMER):
            order.asked_by = asked_by
        return order
    plan = playbook_of(session, ticket).visit
    order = WorkOrder(
        ticket_id=ticket.id,
        state=WorkOrderState.PENDING_DISPATCH,
        skill=skill or plan.skill,
        duration_s=plan.duration_s,
        asked_by=asked_by,
        created_at=now,
    )
    session.add(order)
    session.flush()
    detail = {"work_order_id": order.id, "skill": order.skill}
    timeline.note(session, ticket.id, "visit_wanted", at=now, actor=asked_by, **detail)
    tell(session, ticket, "work_order.opened", now=now, **detail)
    return order


def _offer(session: Session, order: WorkOrder, candidate: Candidate, *, now: datetime) -> list[Effect]:
    visit = Visit(
        work_order_id=order.id,
        ticket_id=order.ticket_id,
        technician_id=candidate.technician_id,
        state=VisitState.OFFERED,
        window_start=candidate.start,
        window_end=candidate.end,
        offered_at=now,
    )
    session.add(visit)
    session.flush()
    derive(session, order, now=now)
    km = None if candidate.km is None else round(candidate.km, 1)
    report(session, visit, "offered", actor="dispatch", now=now, km=km, skill=order.skill)
    ticket = find_ticket(session, order.ticket_id)
    due.schedule(session, EXPIRES, visit.id, at=_answer_by(session, ticket, visit, now=now))
    shift(session, ticket, TicketState.PENDING_VISIT, actor="dispatch", now=now, reason="a visit is offered")
    return [visit_news(visit, MessageStage.VISIT_OFFER)]


def _answer_by(session: Session, ticket: Ticket, visit: Visit, *, now: datetime) -> datetime:
    """Out of hours an offer waits for the next shift: nobody loses it by sleeping."""
    patience = timedelta(seconds=playbook_of(session, ticket).visit.answer_within_s)
    hand = hand_of(session.get_one(Technician, visit.technician_id))
    at_work = next_start(hand.shifts, now, hand.zone) or now
    return max(now + patience, min(at_work + patience, visit.window_start))


def _nobody(session: Session, order: WorkOrder, ranking: Ranking, *, now: datetime) -> list[Effect]:
    derive(session, order, now=now)
    ticket = find_ticket(session, order.ticket_id)
    reasons = [{"technician_id": one.technician_id, "reason": one.reason} for one in ranking.left_out]
    detail = {"work_order_id": order.id, "skill": order.skill, "left_out": reasons}
    timeline.note(session, ticket.id, "no_technician", at=now, actor="dispatch", **detail)
    events.publish(session, "visit.no_technician", at=now, ticket_id=ticket.id, device_id=ticket.device_id, **detail)
    shift(session, ticket, TicketState.PENDING_AGENT, actor="dispatch", now=now, reason="nobody can be sent")
    effects: list[Effect] = [Announce(ticket.id, MessageStage.NO_TECHNICIAN, str(order.id), detail)]
    if order.asked_by.startswith(CUSTOMER) or _was_promised(session, order):
        effects.append(Announce(ticket.id, MessageStage.VISIT_NONE_FREE, str(order.id)))
    return effects


def _was_promised(session: Session, order: WorkOrder) -> bool:
    """Whether the customer was told that somebody comes."""
    return any(visit.accepted_at for visit in visits_of(session, order))


def _pass_on(session: Session, visit: Visit, *, now: datetime) -> list[Effect]:
    due.cancel(session, EXPIRES, visit.id)
    order = session.get_one(WorkOrder, visit.work_order_id)
    derive(session, order, now=now)
    ticket = find_ticket(session, visit.ticket_id)
    return offer_next(session, order, now=now) if is_open(ticket) else []


def _lapse(session: Session, visit: Visit, *, now: datetime) -> list[Effect]:
    """Accepted too late; this technician may be asked again."""
    visit.answered_at = now
    reason = "the time was no longer free"
    step(session, visit, VisitState.EXPIRED, kind="expired", actor="dispatch", now=now, reason=reason)
    return _pass_on(session, visit, now=now)


def _time_is_gone(session: Session, visit: Visit, *, now: datetime) -> bool:
    # Locked, so that two offers cannot be accepted for the same hours side by side.
    technician = session.scalar(locked(select(Technician).where(Technician.id == visit.technician_id)))
    if technician is None:
        raise NotFound("technician", visit.technician_id)
    return is_double(session, visit) or now >= visit.window_end


def _refused(visit: Visit) -> bool:
    """Who accepted too late did not refuse."""
    return visit.state == VisitState.DECLINED or (visit.state == VisitState.EXPIRED and visit.answered_at is None)


def _actor(visit: Visit) -> str:
    return f"technician:{visit.technician_id}"
