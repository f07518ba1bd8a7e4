"""Work orders and visits at rest: what is found, what state follows, and how a visit moves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from dispatch.candidates import Booking, Hand, Need
from dispatch.shifts import DEFAULT, parse_shifts
from domain.clock import iso
from domain.errors import IllegalTransition, NotFound, SourceError
from domain.people import Place
from domain.tickets import VISIT_MOVES, VisitState, WorkOrderState
from store import events, timeline
from store.locking import locked
from store.tables import Device, Technician, Ticket, Visit, WorkOrder
from tickets.lifecycle import find_ticket

UNDER_WAY = frozenset({VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED})
PROMISED = UNDER_WAY | {VisitState.ACCEPTED}
BOOKED = PROMISED | {VisitState.OFFERED}
"""States in which a visit takes up its technician's time."""
ORDER_OPEN = frozenset(
    {
        WorkOrderState.PENDING_DISPATCH,
        WorkOrderState.ASSIGNED,
        WorkOrderState.ACCEPTED,
        WorkOrderState.IN_PROGRESS,
    }
)


def order_state(visits: Sequence[VisitState]) -> WorkOrderState:
    """The state of a work order that nobody has called off, from its visits, oldest first."""
    states = set(visits)
    if states & UNDER_WAY:
        return WorkOrderState.IN_PROGRESS
    if VisitState.ACCEPTED in states:
        return WorkOrderState.ACCEPTED
    if VisitState.OFFERED in states:
        return WorkOrderState.ASSIGNED
    ends = {VisitState.COMPLETED: WorkOrderState.DONE, VisitState.INCOMPLETE: WorkOrderState.INCOMPLETE}
    return ends.get(visits[-1], WorkOrderState.PENDING_DISPATCH) if visits else WorkOrderState.PENDING_DISPATCH


def find_visit(session: Session, visit_id: int) -> Visit:
    """The visit, locked against other writers. Raises NotFound."""
    ticket_id = session.scalar(select(Visit.ticket_id).where(Visit.id == visit_id))
    if ticket_id is None:
        raise NotFound("visit", visit_id)
    # Everybody locks the ticket first, so that no two wait for each other.
    find_ticket(session, ticket_id)
    return session.scalars(locked(select(Visit).where(Visit.id == visit_id))).one()


def open_order(session: Session, ticket_id: int) -> WorkOrder | None:
    """The one open work order of a ticket, if there is one."""
    query = select(WorkOrder).where(WorkOrder.ticket_id == ticket_id, WorkOrder.state.in_(ORDER_OPEN))
    return session.scalar(locked(query))


def visits_of(session: Session, order: WorkOrder) -> Sequence[Visit]:
    """Its visits, oldest first."""
    return session.scalars(select(Visit).where(Visit.work_order_id == order.id).order_by(Visit.id)).all()


def derive(session: Session, order: WorkOrder, *, now: datetime) -> None:
    """Bring the order's state in line with its visits."""
    session.flush()
    order.state = order_state([VisitState(visit.state) for visit in visits_of(session, order)])
    if order.state not in ORDER_OPEN:
        order.closed_at = order.closed_at or now


def cancel_order(order: WorkOrder, *, now: datetime) -> None:
    """Nobody is needed any more."""
    order.state, order.closed_at = WorkOrderState.CANCELLED, now


def step(
    session: Session, visit: Visit, to: VisitState, *, kind: str, actor: str, now: datetime, **detail: Any
) -> bool:
    """Move the visit, with its timeline entry `visit_<kind>` and its news; False if it is there already.

    Raises IllegalTransition.
    """
    was = VisitState(visit.state)
    if was is to:
        return False
    if to not in VISIT_MOVES[was]:
        raise IllegalTransition(f"visit {visit.id}", now=was, wanted=to, legal=VISIT_MOVES[was])
    visit.state = to
    report(session, visit, kind, actor=actor, now=now, **detail)
    return True


def report(session: Session, visit: Visit, kind: str, *, actor: str, now: datetime, **detail: Any) -> None:
    """What happened to a visit, for the ticket's timeline and the feed."""
    technician = session.get(Technician, visit.technician_id)
    body = {
        "visit_id": visit.id,
        "work_order_id": visit.work_order_id,
        "technician_id": visit.technician_id,
        "technician": technician.name if technician else visit.technician_id,
        "window_start": iso(visit.window_start),
        "window_end": iso(visit.window_end),
    }
    timeline.note(session, visit.ticket_id, f"visit_{kind}", at=now, actor=actor, **body, **detail)
    ticket = session.get(Ticket, visit.ticket_id)
    about = {"device_id": ticket.device_id, "title": ticket.title} if ticket else {}
    events.publish(session, f"visit.{kind}", at=now, ticket_id=visit.ticket_id, state=visit.state, **body, **about)


def need_of(session: Session, order: WorkOrder) -> Need:
    """What the order takes."""
    return Need(order.skill, timedelta(seconds=order.duration_s), _place_of_ticket(session, order.ticket_id))


def hands(session: Session) -> list[Hand]:
    """All technicians."""
    return [hand_of(row) for row in session.scalars(select(Technician).order_by(Technician.id))]


def hand_of(row: Technician) -> Hand:
    """One technician; what cannot be read was checked when it was applied, and must not keep others from being sent."""
    try:
        shifts = parse_shifts(row.shifts)
    except SourceError:
        shifts = DEFAULT
    try:
        zone = ZoneInfo(row.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return Hand(row.id, frozenset(row.skills), shifts, zone, _place(row.home_lat, row.home_lon))


def bookings(session: Session, *, now: datetime) -> list[Booking]:
    """Time that is taken now or later."""
    query = select(Visit, WorkOrder.duration_s).join(WorkOrder, WorkOrder.id == Visit.work_order_id)
    yesterday = now - timedelta(days=1)
    rows = session.execute(query.where(Visit.state.in_(BOOKED), Visit.window_end >= yesterday)).all()
    return [
        Booking(
            visit.technician_id,
            visit.window_start,
            reserved_until(visit, duration_s),
            _place_of_ticket(session, visit.ticket_id),
        )
        for visit, duration_s in rows
    ]


def is_double(session: Session, visit: Visit) -> bool:
    """Whether its technician has promised some of its time to another visit."""
    order = session.get_one(WorkOrder, visit.work_order_id)
    query = select(Visit, WorkOrder.duration_s).join(WorkOrder, WorkOrder.id == Visit.work_order_id)
    others = query.where(Visit.technician_id == visit.technician_id, Visit.id != visit.id, Visit.state.in_(PROMISED))
    until = reserved_until(visit, order.duration_s)
    return any(
        other.window_start < until and visit.window_start < reserved_until(other, duration_s)
        for other, duration_s in session.execute(others).all()
    )


def reserved_until(visit: Visit, duration_s: float) -> datetime:
    """A visit takes its window, or its duration where that is longer."""
    return max(visit.window_end, visit.window_start + timedelta(seconds=duration_s))


def _place_of_ticket(session: Session, ticket_id: int) -> Place | None:
    ticket = session.get(Ticket, ticket_id)
    device = session.get(Device, ticket.device_id) if ticket else None
    return _place(device.lat, device.lon) if device else None


def _place(lat: float | None, lon: float | None) -> Place | None:
    return None if lat is None or lon is None else Place(lat, lon)
