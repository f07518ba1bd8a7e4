"""Maintenance windows: which there are, and lifting one before its time."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, status
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.manifests.muting import remove_mute
from api.paging import Page, Wanted, page_of
from api.schemas.moments import Moment, Shown
from api.services import House
from domain.errors import NotFound
from store.tables import Mute
from tickets import service

router = APIRouter(prefix="/v1/mutes", tags=["mutes"])


class MuteOut(Shown):
    """A maintenance window. `start` is on the wall clock of `timezone`."""

    name: str
    scope: str
    value: str
    start: str
    timezone: str
    duration_s: float
    rrule: str | None
    reason: str
    until: Moment | None
    """When the window that holds now ends; null: none does."""


@router.get("", response_model=Page[MuteOut], summary="List maintenance windows")
def list_mutes(house: House, wanted: Wanted) -> Any:
    now = house.clock.now()
    with house.database.read() as session:
        rows, cursor = page_of(session, select(Mute), Mute.name, wanted)
        return {"items": [_shown(row, now) for row in rows], "next": cursor}


@router.get("/{name}", response_model=MuteOut, summary="Read a maintenance window")
def read_mute(name: str, house: House) -> Any:
    with house.database.read() as session:
        return _shown(_row(session, name), house.clock.now())


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT, summary="Lift a maintenance window")
def lift_mute(name: str, house: House) -> None:
    with house.database.write() as session:
        remove_mute(session, name, now=house.clock.now())


def _row(session: Session, name: str) -> Mute:
    row = session.get(Mute, name)
    if row is None:
        raise NotFound("mute", name)
    return row


def _shown(row: Mute, now: datetime) -> dict[str, Any]:
    columns = {column.key: getattr(row, column.key) for column in Mute.__mapper__.columns}
    return columns | {"until": service.muting_until(row, now)}
