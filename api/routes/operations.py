"""What a supervisor looks after: bad input, figures, and the feed of what changes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import select

from api import feed
from api.ids import LARGEST
from api.paging import Page, Wanted, page_of
from api.schemas.moments import Moment
from api.schemas.things import DeadLetterOut
from api.services import House
from domain.errors import SourceError
from store.tables import DeadLetter
from tickets import service

router = APIRouter(prefix="/v1")


class Figure(BaseModel):
    """One figure with how many cases it rests on and what it means."""

    name: str
    value: float | None
    n: int
    unit: str
    definition: str


class Figures(BaseModel):
    """All of them for a time."""

    since: Moment
    until: Moment
    items: list[Figure]


@router.get("/dead-letters", response_model=Page[DeadLetterOut], summary="List bad input", tags=["dead letters"])
def list_dead_letters(house: House, wanted: Wanted, device_id: str | None = None, reason: str | None = None) -> Any:
    query = select(DeadLetter)
    for column, value in ((DeadLetter.device_id, device_id), (DeadLetter.reason, reason)):
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, DeadLetter.id, wanted, newest_first=True)
        return {"items": [_letter(row) for row in rows], "next": cursor}


@router.get("/kpis", response_model=Figures, summary="Figures, each with n and definition", tags=["figures"])
def kpis(
    house: House,
    since: Annotated[datetime | None, Query(alias="from", description="ISO 8601; default: everything")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="ISO 8601; default: now")] = None,
) -> Any:
    start, end = since or datetime.fromisoformat("1970-01-01T00:00:00Z"), until or house.clock.now()
    for key, moment in (("from", start), ("to", end)):
        if moment.tzinfo is None:
            raise SourceError(f"{moment.isoformat()} has no time zone", cure="end it with Z or an offset", key=key)
    with house.database.read() as session:
        return Figures(
            since=start, until=end, items=[Figure(**figure) for figure in service.kpis(session, since=start, until=end)]
        )


@router.get("/events", summary="Server-sent events: what changes, as it changes", tags=["events"])
async def events(
    house: House,
    request: Request,
    last_event_id: Annotated[str | None, Header(description="continue after this one")] = None,
) -> StreamingResponse:
    """Each event has an id; a client that comes back with `Last-Event-ID` misses nothing."""
    known = last_event_id and last_event_id.isdecimal() and len(last_event_id) <= len(str(LARGEST))
    start = min(int(last_event_id), LARGEST) if last_event_id and known else None
    return StreamingResponse(
        feed.stream(house, request, after_id=start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _letter(row: DeadLetter) -> dict[str, Any]:
    fields = {column.key: getattr(row, column.key) for column in DeadLetter.__mapper__.columns}
    return {**fields, "payload": row.payload.decode("utf-8", "backslashreplace")}
