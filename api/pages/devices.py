"""Devices: the list, and one with its values, charts, faults and tickets."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.findings import findings
from api.pages.frame import address, admit, desk_zone, frame
from api.pages.rendering import page
from api.pages.rows import rows_of
from api.pages.ticket_side import device_facts, wishes_of
from api.pages.tiles import device_pill, tiles_of
from api.routes.raw import FormFields
from api.services import House
from api.views import times
from api.views.phrases import said
from api.views.states import Pill, command_pill, fault_pill
from domain.durations import parse_duration_s
from domain.errors import NotFound, SourceError
from domain.faults import TransitionState
from store.tables import Command, Customer, Device, DeviceValue, Fault, Product, Ticket
from tickets import service

router = APIRouter()

SPANS = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
CHARTS = 6
LISTED = 500


@router.get("/devices")
def devices(request: Request, house: House, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """All devices, those in trouble first."""
    admit(request, house)
    with house.database.read() as session:
        query = select(Device).order_by(Device.id).limit(LISTED)
        if q.strip():
            like = f"%{q.strip()}%"
            owners = select(Customer.id).where(Customer.name.ilike(like))
            query = query.where(or_(Device.id.ilike(like), Device.product.ilike(like), Device.customer_id.in_(owners)))
        tiles = tiles_of(session, session.scalars(query).all(), now=house.clock.now())
        return page(request, "devices.html", part="parts/devices.html", frame=frame(request, session), tiles=tiles, q=q)


@router.get("/devices/{device_id}")
def device(device_id: str, request: Request, house: House, span: str = "6h") -> Response:
    """One device."""
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    span = span if span in SPANS else "6h"
    with house.database.read() as session:
        row = session.get(Device, device_id)
        if row is None:
            raise NotFound("device", device_id)
        return page(
            request,
            "device.html",
            part="parts/device.html",
            frame=frame(request, session),
            device=row,
            href=address(device_id),
            facts=device_facts(session, row, now=now),
            plots=_plots(session, row, zone=zone, now=now, span=SPANS[span]),
            span=span,
            spans=list(SPANS),
            muted=times.at(row.muted_until, zone, now=now) if row.muted_until and row.muted_until > now else "",
            **_belongings(session, row, zone=zone, now=now),
        )


def _belongings(session: Session, row: Device, *, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Product, owner, tickets, faults and commands."""
    product = session.get(Product, row.product) if row.product else None
    customer = session.get(Customer, row.customer_id) if row.customer_id else None
    faults = session.scalars(select(Fault).where(Fault.device_id == row.id).order_by(Fault.id.desc()).limit(20)).all()
    tickets = session.scalars(
        select(Ticket).where(Ticket.device_id == row.id).order_by(Ticket.id.desc()).limit(20)
    ).all()
    firing = [fault.flapping for fault in faults if fault.state == TransitionState.FIRING]
    newest = select(Command).where(Command.device_id == row.id).order_by(Command.created_at.desc()).limit(8)
    declared = product.commands if product else {}
    return {
        "product": said(product.title, "en", default=product.name) if product else "No product",
        "state_pill": device_pill(row, firing=bool(firing), unstable=all(firing), now=now),
        "customer": customer,
        "wishes": wishes_of(session, customer) if customer else "",
        "faults": [
            (
                one.fault,
                times.at(one.fault.onset, zone, now=now),
                _pill(one.fault),
                one.explanation.why["en"].sentence(),
            )
            for one in findings(session, faults)
        ],
        "tickets": rows_of(session, tickets, zone=zone, now=now),
        "commands": [
            (c.name, times.at(c.created_at, zone, now=now), command_pill(c.state), c.asked_by)
            for c in session.scalars(newest)
        ],
        "offered": [(name, said((about or {}).get("title"), "en", default=name)) for name, about in declared.items()],
    }


def _pill(fault: Fault) -> Pill:
    firing = fault.state == TransitionState.FIRING
    return fault_pill(firing=firing, flapping=fault.flapping, kept_back=fault.kept_back is not None)


def _plots(session: Session, row: Device, *, zone: ZoneInfo, now: datetime, span: timedelta) -> list[dict[str, Any]]:
    """One chart for each metric of numbers."""
    product = session.get(Product, row.product) if row.product else None
    metrics = product.metrics if product else {}
    values = session.scalars(select(DeviceValue).where(DeviceValue.device_id == row.id).order_by(DeviceValue.metric))
    numeric = [v.metric for v in values if isinstance(v.value["v"], int | float) and not isinstance(v.value["v"], bool)]
    return [
        {
            "device": row.id,
            "metrics": [metric],
            "title": said((metrics.get(metric) or {}).get("title"), "en") or metric.replace("_", " "),
            "unit": str((metrics.get(metric) or {}).get("unit") or ""),
            "from": (now - span).isoformat(),
            "to": now.isoformat(),
            "zone": zone.key,
        }
        for metric in numeric[:CHARTS]
    ]


@router.post("/devices/{device_id}/{action}")
def act(device_id: str, action: str, request: Request, fields: FormFields, house: House) -> Response:
    """Send a command, mute, unmute."""
    admit(request, house)
    now = house.clock.now()
    with house.database.write() as session:
        if session.get(Device, device_id) is None:
            raise NotFound("device", device_id)
        match action:
            case "command":
                service.queue_command(session, device_id, fields.get("name", ""), asked_by="agent", now=now)
            case "mute":
                try:
                    lasts = timedelta(seconds=parse_duration_s(fields.get("for", "")))
                except ValueError as exc:
                    raise SourceError(str(exc), key="for") from exc
                service.mute(session, device_id, until=now + lasts, reason=fields.get("reason", ""), now=now)
            case "unmute":
                house.hand_on(session, service.unmute(session, device_id, now=now), now=now)
            case _:
                raise NotFound("action", action)
    return RedirectResponse(f"/devices/{address(device_id)}", status_code=303)
