"""Work orders and visits, and the moves a technician or dispatcher makes."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import select

from api.ids import PathId, QueryId
from api.paging import Page, Wanted, page_of
from api.schemas.desk import VisitMoveIn, VisitOut, WorkOrderOut
from api.services import House
from api.visiting import Move, make_move
from domain.errors import NotFound
from domain.tickets import VisitState, WorkOrderState
from store.tables import Visit, WorkOrder

router = APIRouter(prefix="/v1", tags=["visits"])


@router.get("/work-orders", response_model=Page[WorkOrderOut], summary="List work orders, newest first")
def list_work_orders(
    house: House, wanted: Wanted, state: WorkOrderState | None = None, ticket_id: QueryId | None = None
) -> Any:
    query = select(WorkOrder)
    for column, value in ((WorkOrder.state, state), (WorkOrder.ticket_id, ticket_id)):
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, WorkOrder.id, wanted, newest_first=True)
        return {"items": rows, "next": cursor}


@router.get("/visits", response_model=Page[VisitOut], summary="List visits, newest first")
def list_visits(
    house: House,
    wanted: Wanted,
    state: VisitState | None = None,
    technician_id: str | None = None,
    ticket_id: QueryId | None = None,
) -> Any:
    query = select(Visit)
    wishes = ((Visit.state, state), (Visit.technician_id, technician_id), (Visit.ticket_id, ticket_id))
    for column, value in wishes:
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, Visit.id, wanted, newest_first=True)
        return {"items": rows, "next": cursor}


@router.get("/visits/{visit_id}", response_model=VisitOut, summary="Read a visit")
def read_visit(visit_id: PathId, house: House) -> Any:
    with house.database.read() as session:
        visit = session.get(Visit, visit_id)
        if visit is None:
            raise NotFound("visit", visit_id)
        return visit


@router.post(
    "/visits/{visit_id}/{move}", response_model=VisitOut, summary="Accept, decline, set off, arrive, pause, complete"
)
def move_visit(visit_id: PathId, move: Move, house: House, body: VisitMoveIn | None = None) -> Any:
    """A move made twice changes nothing; an illegal one is 409 with the legal ones."""
    with house.database.write() as session:
        make_move(house, session, visit_id, move, body or VisitMoveIn(), now=house.clock.now())
        session.flush()
        return session.get_one(Visit, visit_id)
