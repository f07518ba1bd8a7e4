"""One device: what it last said, its history, its commands, its mute, and its uplinks over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Response, status
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import history, uplinks
from api.paging import Page, Wanted, page_of
from api.routes.raw import RawBytes, takes_yaml
from api.schemas.declared import MuteIn
from api.schemas.desk import CommandIn, ServiceIn, ServiceOut
from api.schemas.things import CommandOut, DeviceDetail, ManyReadingsOut, ReadingsOut, device_fields
from api.services import House
from api.thinning import pairs, thinned
from domain.clock import from_ms, iso
from domain.errors import NotFound, SourceError
from domain.faults import TransitionState
from store import service_records
from store.tables import Command, Device, DeviceValue, Fault, Ticket
from tickets import service

router = APIRouter(prefix="/v1/devices/{device_id}", tags=["devices"])

DEFAULT_SPAN = timedelta(hours=24)
AHEAD = timedelta(minutes=5)
"""So far ahead a caller's clock may be."""


@router.get("", response_model=DeviceDetail, summary="Read a device with its latest values and open faults")
def read_device(device_id: str, house: House) -> Any:
    with house.database.read() as session:
        return _detail(session, _device(session, device_id))


@router.get(
    "/readings",
    response_model=ReadingsOut | ManyReadingsOut,
    summary="History of one metric, or of several, thinned without losing extremes",
)
def readings(
    device_id: str,
    house: House,
    *,
    metric: Annotated[
        list[str], Query(min_length=1, max_length=50, description="Once: one series. Several times: `series`, one each")
    ],
    since: Annotated[datetime | None, Query(alias="from", description="ISO 8601; default: a day before `to`")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="ISO 8601; default: now")] = None,
    max_points: Annotated[int, Query(ge=2, le=100_000, description="of each series; extremes stay from 4 on")] = 1000,
) -> Any:
    """Event times in [from, to]; what was received in the last minute is in it. The same reading twice counts once."""
    with house.database.read() as session:
        _device(session, device_id)
    end = _aware(until, "to") or house.clock.now()
    start = _aware(since, "from") or end - DEFAULT_SPAN
    if start > end:
        raise SourceError(f"{iso(start)} is after {iso(end)}", cure="give a time before `to`", key="from")
    found = history.read(house, device_id, metric, since=start, until=end)
    shown = [_series(name, found.series.get(name), max_points) for name in dict.fromkeys(metric)]
    about = {"device_id": device_id, "complete": found.complete}
    return about | (shown[0] if len(shown) == 1 else {"series": shown})


@router.get("/commands", response_model=Page[CommandOut], summary="List a device's commands with their outcome")
def list_commands(device_id: str, house: House, wanted: Wanted) -> Any:
    with house.database.read() as session:
        _device(session, device_id)
        query = select(Command).where(Command.device_id == device_id)
        rows, cursor = page_of(session, query, Command.id, wanted, newest_first=True, at=Command.created_at)
        return {"items": rows, "next": cursor}


@router.post("/commands", response_model=CommandOut, status_code=status.HTTP_202_ACCEPTED, summary="Send a command")
def send_command(device_id: str, body: CommandIn, house: House) -> Any:
    """Queued here, sent over MQTT by the ingest role; GET tells the outcome."""
    with house.database.write() as session:
        _device(session, device_id)
        if body.ticket_id is not None and session.get(Ticket, body.ticket_id) is None:
            raise NotFound("ticket", body.ticket_id)
        return service.queue_command(
            session,
            device_id,
            body.name,
            body.args,
            asked_by="agent",
            ticket_id=body.ticket_id,
            now=house.clock.now(),
            timeout_s=body.timeout_s,
        )


@router.post("/mute", response_model=DeviceDetail, summary="Keep quiet about a device for a while")
def mute(device_id: str, body: MuteIn, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        device = _device(session, device_id)
        service.mute(session, device_id, until=body.end(now), reason=body.reason, now=now)
        session.flush()
        return _detail(session, device)


@router.delete("/mute", response_model=DeviceDetail, summary="Speak of a device again")
def unmute(device_id: str, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        device = _device(session, device_id)
        house.hand_on(session, service.unmute(session, device_id, now=now), now=now)
        session.flush()
        return _detail(session, device)


@router.post(
    "/service", response_model=ServiceOut, status_code=status.HTTP_202_ACCEPTED, summary="Record that it was serviced"
)
def serviced(device_id: str, house: House, body: ServiceIn | None = None) -> Any:
    """Signals of usage count anew from there. A record older than the newest one changes nothing."""
    now = house.clock.now()
    at = body.at if body is not None and body.at is not None else now
    if at > now + AHEAD:
        raise SourceError(f"{at.isoformat()} is not over yet", cure="leave it out for now", key="at")
    with house.database.write() as session:
        device = service_records.record(session, device_id, at=at, now=now)
        return {"device_id": device.id, "last_service": device.last_service}


@router.post(
    "/telemetry", status_code=status.HTTP_202_ACCEPTED, summary="Readings over HTTP", openapi_extra=takes_yaml()
)
def telemetry(device_id: str, payload: RawBytes, house: House, response: Response) -> dict[str, Any]:
    """The same payloads as over MQTT. Answered once the log holds them; what was bad is named, and kept."""
    taken = uplinks.take(house, device_id, payload)
    if taken.refused and not taken.readings:
        response.status_code = status.HTTP_422_UNPROCESSABLE_CONTENT
    return {"readings": taken.readings, "refused": taken.refused}


def _device(session: Session, device_id: str) -> Device:
    device = session.get(Device, device_id)
    if device is None:
        raise NotFound("device", device_id)
    return device


def _detail(session: Session, device: Device) -> dict[str, Any]:
    values = session.scalars(select(DeviceValue).where(DeviceValue.device_id == device.id))
    firing = select(Fault).where(Fault.device_id == device.id, Fault.state == TransitionState.FIRING)
    return {
        **device_fields(device),
        "values": {row.metric: {"value": row.value["v"], "event_time": row.event_time} for row in values},
        "open_faults": session.scalars(firing.order_by(Fault.id)).all(),
    }


def _series(metric: str, points: pl.DataFrame | None, max_points: int) -> dict[str, Any]:
    kept = pairs(thinned(points, max_points)) if points is not None else []
    items = [{"ts": from_ms(at), "value": value} for at, value in kept]
    return {"metric": metric, "items": items, "total": points.height if points is not None else 0}


def _aware(moment: datetime | None, key: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise SourceError(f"{moment.isoformat()} has no time zone", cure="end it with Z or an offset", key=key)
    return moment
