"""The technician's page behind a signed link: facts first, then the next move at the thumb."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import guard
from api.pages.evidence import evidence_of, svg
from api.pages.rendering import page
from api.routes.raw import FormFields
from api.schemas.desk import VisitMoveIn
from api.services import House
from api.views import times
from api.views.phrases import first_upper, number, said
from api.views.states import Pill
from api.views.technician_words import LANGUAGES, MOVES
from api.visiting import Move, make_move
from domain.errors import NotFound
from domain.faults import TransitionState
from domain.links import LinkSigner, Purpose
from domain.tickets import VisitState
from store.tables import (
    Command,
    Customer,
    Device,
    DeviceValue,
    Fault,
    Product,
    Technician,
    Ticket,
    Visit,
    WorkOrder,
)

router = APIRouter()

_TONES = {VisitState.OFFERED: "watch", VisitState.COMPLETED: "good", VisitState.INCOMPLETE: "watch"}
_LISTED = (VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED, VisitState.COMPLETED)


@dataclass(frozen=True, slots=True)
class Stop:
    """One visit of the day."""

    href: str
    hour: str
    name: str
    here: bool
    done: bool


@router.get("/v/{token}")
def show(token: str, request: Request, house: House) -> Response:
    """The visit as its technician sees it. Looking changes nothing."""
    visit_id = house.signer.open(Purpose.VISIT, token)
    now = house.clock.now()
    with house.database.read() as session:
        visit = _visit(session, visit_id)
        technician = session.get_one(Technician, visit.technician_id)
        language = technician.language if technician.language in LANGUAGES else "en"
        zone, words = times.zone_of(technician.timezone), LANGUAGES[language]
        ticket = session.get_one(Ticket, visit.ticket_id)
        device = session.get(Device, ticket.device_id)
        customer = session.get(Customer, ticket.customer_id) if ticket.customer_id else None
        faults = session.scalars(select(Fault).where(Fault.ticket_id == ticket.id).order_by(Fault.id)).all()
        evidence = evidence_of(session, faults[-1], now=now) if faults else None
        state = VisitState(visit.state)
        promised = state in _LISTED
        context = {
            "title": first_upper(said(ticket.title, language)),
            "pill_of": Pill(_TONES.get(state, "calm"), words[f"state_{state}"]),
            "who": customer.name if customer and promised else "",
            "window": times.window(visit.window_start, visit.window_end, zone, now=now, language=language),
            "place": (device.address or "") if device else "",
            "navigate": _navigate(device),
            "call": customer.phone if customer and promised and customer.phone else "",
            "facts": _facts(session, ticket, faults, device, words, language, zone, now),
            "values": _values(session, device, language),
            "days": _day(session, visit, house.signer, zone, language),
            "moves": MOVES.get(state, ()),
            "state": state,
            "note": visit.note or "",
            "firing": any(fault.state == TransitionState.FIRING for fault in faults),
            "healthy": times.at(ticket.healthy_since, zone, now=now, language=language) if ticket.healthy_since else "",
        }
    chart = svg(house, evidence, zone=zone, now=now, language=language, height=110) if evidence else None
    return page(
        request,
        "technician.html",
        part="parts/technician.html",
        language=language,
        w=words,
        chart=chart,
        chart_title=f"{evidence.title}, {evidence.unit}" if evidence and evidence.unit else (evidence.title if evidence else ""),
        since=times.at(evidence.since, zone, now=now, language=language) if evidence else "",
        until=times.at(evidence.until, zone, now=now, language=language) if evidence else "",
        token=token,
        **context,
    )


@router.post("/v/{token}/{move}", dependencies=[Depends(guard.same_origin)])
def act(token: str, move: Move, fields: FormFields, house: House) -> Response:
    """One move of the technician; the same move twice changes nothing."""
    visit_id = house.signer.open(Purpose.VISIT, token)
    said_with_it = VisitMoveIn(
        reason=fields.get("reason", ""),
        outcome="incomplete" if fields.get("outcome") == "incomplete" else "fixed",
        note=fields.get("note", ""),
        verdict="false_alarm" if fields.get("verdict") == "false_alarm" else None,
    )
    with house.database.write() as session:
        make_move(house, session, visit_id, move, said_with_it, now=house.clock.now())
    return RedirectResponse(f"/v/{token}", status_code=303)


def _visit(session: Session, visit_id: int) -> Visit:
    visit = session.get(Visit, visit_id)
    if visit is None:
        raise NotFound("visit", visit_id)
    return visit


def _facts(
    session: Session,
    ticket: Ticket,
    faults: Sequence[Fault],
    device: Device | None,
    words: dict[str, str],
    language: str,
    zone: ZoneInfo,
    now: datetime,
) -> list[tuple[str, str, bool]]:
    """(what, value, whether it stands out)."""
    found: list[tuple[str, str, bool]] = []
    product = session.get(Product, device.product) if device and device.product else None
    order = session.scalars(select(WorkOrder).where(WorkOrder.ticket_id == ticket.id).order_by(WorkOrder.id.desc())).first()
    units = {name: str((about or {}).get("unit") or "") for name, about in ((product.metrics if product else None) or {}).items()}
    for fault in faults[-2:]:
        since = words["since"].format(at=times.at(fault.onset, zone, now=now, language=language))
        found.append((words["fault"], f"{fault.rule.replace('-', ' ')}, {since}", True))
        values = (fault.evidence or {}).get("values") or {}
        shown = "; ".join(f"{name.replace('_', ' ')} {number(value, units.get(name))}" for name, value in values.items())
        if shown:
            found.append((words["evidence"], shown, False))
    for command in session.scalars(select(Command).where(Command.ticket_id == ticket.id).order_by(Command.created_at)):
        at = times.at(command.sent_at or command.created_at, zone, now=now, language=language)
        found.append((words["tried"], f"{command.name} {at}: {words.get(f'command_{command.state}', command.state)}", False))
    if order and order.skill:
        found.append((words["skill"], words.get(f"skill_{order.skill}", order.skill), True))
    if order:
        found.append((words["takes"], times.span(order.duration_s, language=language), False))
    if product:
        attributes = {**(device.reported or {}), **(device.attributes or {})} if device else {}
        firmware = f" · {attributes['firmware']}" if "firmware" in attributes else ""
        found.append((words["device"], f"{said(product.title, language, default=product.name)}{firmware} · {ticket.device_id}", False))
    before = session.scalars(
        select(Ticket.id).where(Ticket.device_id == ticket.device_id, Ticket.id != ticket.id).limit(50)
    ).all()
    found.append((words["before"], words["before_none"] if not before else words["before_some"].format(n=len(before)), False))
    return found


def _values(session: Session, device: Device | None, language: str) -> list[tuple[str, str]]:
    if device is None:
        return []
    product = session.get(Product, device.product) if device.product else None
    metrics = (product.metrics if product else None) or {}
    rows = session.scalars(select(DeviceValue).where(DeviceValue.device_id == device.id).order_by(DeviceValue.metric))
    return [
        (
            said((metrics.get(row.metric) or {}).get("title"), language) or row.metric.replace("_", " "),
            number(row.value["v"], (metrics.get(row.metric) or {}).get("unit")),
        )
        for row in list(rows)[:8]
    ]


def _navigate(device: Device | None) -> str:
    """`geo:` opens whatever map the phone has; nothing is loaded from elsewhere."""
    if device is None or device.lat is None or device.lon is None:
        return ""
    label = quote(device.address or device.id)
    return f"geo:{device.lat},{device.lon}?q={device.lat},{device.lon}({label})"


def _day(session: Session, visit: Visit, signer: LinkSigner, zone: ZoneInfo, language: str) -> list[Stop]:
    """The technician's visits of the same day, in order."""
    wanted = visit.window_start.astimezone(zone).date()
    rows = session.scalars(
        select(Visit).where(Visit.technician_id == visit.technician_id).order_by(Visit.window_start, Visit.id)
    )
    stops = []
    for row in rows:
        if row.window_start.astimezone(zone).date() != wanted or (row.state not in _LISTED and row.id != visit.id):
            continue
        ticket = session.get(Ticket, row.ticket_id)
        customer = session.get(Customer, ticket.customer_id) if ticket and ticket.customer_id else None
        # Before the offer is accepted a name is more than is needed.
        name = customer.name.split()[-1] if customer and row.state in _LISTED else "?"
        done = row.state == VisitState.COMPLETED
        token = signer.token(Purpose.VISIT, row.id)
        stops.append(Stop(f"/v/{token}", times.hour(row.window_start, zone, language=language), name, row.id == visit.id, done))
    return stops if len(stops) > 1 else []
