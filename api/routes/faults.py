"""Faults: episodes with their frozen evidence, and whether people found them real."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.findings import findings
from api.ids import PathId, QueryId
from api.paging import Page, Wanted, page_of
from api.schemas.desk import FaultOut, VerdictIn
from api.services import House
from domain.errors import NotFound
from domain.faults import TransitionState
from store.tables import Fault
from tickets import service

router = APIRouter(prefix="/v1/faults", tags=["faults"])


@router.get("", response_model=Page[FaultOut], summary="List fault episodes, newest first")
def list_faults(
    house: House,
    wanted: Wanted,
    *,
    device_id: str | None = None,
    state: TransitionState | None = None,
    rule: str | None = None,
    ticket_id: QueryId | None = None,
    flapping: bool | None = None,
) -> Any:
    query = select(Fault)
    if state is TransitionState.FLAPPING:
        query = query.where(Fault.flapping)
    elif state is not None:
        query = query.where(Fault.state == state)
    if flapping is not None:
        query = query.where(Fault.flapping.is_(flapping))
    for column, value in ((Fault.device_id, device_id), (Fault.rule, rule), (Fault.ticket_id, ticket_id)):
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, Fault.id, wanted, newest_first=True)
        return {"items": [one.shown() for one in findings(session, rows)], "next": cursor}


@router.get("/{fault_id}", response_model=FaultOut, summary="Read a fault episode")
def read_fault(fault_id: PathId, house: House) -> Any:
    with house.database.read() as session:
        fault = session.get(Fault, fault_id)
        if fault is None:
            raise NotFound("fault", fault_id)
        return _shown(session, fault)


@router.post("/{fault_id}/verdict", response_model=FaultOut, summary="Say whether it was a fault")
def give_verdict(fault_id: PathId, body: VerdictIn, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        effects = service.verdict(session, fault_id, body.verdict, actor="agent", now=now, note=body.note)
        house.hand_on(session, effects, now=now)
        return _shown(session, session.get_one(Fault, fault_id))


def _shown(session: Session, fault: Fault) -> dict[str, Any]:
    (finding,) = findings(session, [fault])
    return finding.shown()
