"""Tickets: what is going on, everything that happened, and what an agent does about it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, status
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.ids import PathId, QueryId
from api.paging import Page, Wanted, page_of
from api.schemas.desk import AssignIn, CommentIn, MoveIn, TicketDetail, TicketIn, TicketOut
from api.services import House
from domain.errors import NotFound
from domain.tickets import LEGAL_MOVES, TicketCause, TicketState
from store import timeline
from store.tables import Ticket
from tickets import service

router = APIRouter(prefix="/v1/tickets", tags=["tickets"])

AGENT = "agent"
MOST_CHILDREN = 1000


@router.get("", response_model=Page[TicketOut], summary="List tickets, newest first")
def list_tickets(
    house: House,
    wanted: Wanted,
    *,
    state: Annotated[list[TicketState] | None, Query(description="a state, or several")] = None,
    device_id: str | None = None,
    customer_id: str | None = None,
    parent_id: QueryId | None = None,
) -> Any:
    query = select(Ticket)
    if state:
        query = query.where(Ticket.state.in_(state))
    named = ((Ticket.device_id, device_id), (Ticket.customer_id, customer_id), (Ticket.parent_id, parent_id))
    for column, value in named:
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, Ticket.id, wanted, newest_first=True)
        return {"items": rows, "next": cursor}


@router.post("", response_model=TicketDetail, status_code=status.HTTP_201_CREATED, summary="Open a ticket by hand")
def open_ticket(body: TicketIn, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        ticket_id, effects = service.open_by_hand(
            session,
            device_id=body.device_id,
            customer_id=body.customer_id,
            title={"en": body.title},
            text=body.text,
            cause=TicketCause(body.cause),
            severity=body.severity,
            actor=AGENT,
            now=now,
        )
        house.hand_on(session, effects, now=now)
        session.flush()
        return _detail(session, ticket_id)


@router.get("/{ticket_id}", response_model=TicketDetail, summary="Read a ticket with its timeline")
def read_ticket(ticket_id: PathId, house: House) -> Any:
    with house.database.read() as session:
        return _detail(session, ticket_id)


@router.post("/{ticket_id}/transitions", response_model=TicketDetail, summary="Move a ticket to another state")
def move_ticket(ticket_id: PathId, body: MoveIn, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        effects = service.move(session, ticket_id, body.to, actor=AGENT, reason=body.reason, now=now)
        house.hand_on(session, effects, now=now)
        session.flush()
        return _detail(session, ticket_id)


@router.post("/{ticket_id}/comments", response_model=TicketDetail, summary="Add words to the timeline")
def comment_ticket(ticket_id: PathId, body: CommentIn, house: House) -> Any:
    with house.database.write() as session:
        service.comment(session, ticket_id, body.text, actor=AGENT, now=house.clock.now())
        session.flush()
        return _detail(session, ticket_id)


@router.post("/{ticket_id}/assign", response_model=TicketDetail, summary="Say who takes it")
def assign_ticket(ticket_id: PathId, body: AssignIn, house: House) -> Any:
    with house.database.write() as session:
        service.assign(session, ticket_id, body.assignee, actor=AGENT, now=house.clock.now())
        session.flush()
        return _detail(session, ticket_id)


def _detail(session: Session, ticket_id: int) -> dict[str, Any]:
    ticket = session.get(Ticket, ticket_id)
    if ticket is None:
        raise NotFound("ticket", ticket_id)
    children = select(Ticket).where(Ticket.parent_id == ticket_id).order_by(Ticket.id)
    return {
        **{column.key: getattr(ticket, column.key) for column in Ticket.__mapper__.columns},
        "timeline": timeline.of_ticket(session, ticket_id),
        "children": session.scalars(children.limit(MOST_CHILDREN)).all(),
        "legal": list(LEGAL_MOVES[TicketState(ticket.state)]),
    }
