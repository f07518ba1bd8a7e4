"""The technician's page behind a signed link: facts first, then the next move at the thumb."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import guard
from api.errors import Gone
from api.ids import PathId
from api.pages.evidence import evidence_of, svg
from api.pages.rendering import page
from api.pages.visit_facts import Reader, facts_of, values_of
from api.pictures import served
from api.routes.raw import FormFields
from api.schemas.desk import VisitMoveIn
from api.services import House
from api.views import times
from api.views.phrases import first_upper, said
from api.views.states import Pill
from api.views.technician_words import LANGUAGES, MOVES
from api.visiting import Move, make_move
from domain.errors import NotFound
from domain.faults import TransitionState
from domain.links import LinkSigner, Purpose
from domain.tickets import VISIT_MOVES, VisitState
from domain.verdicts import ClosingCode
from store import pictures
from store.tables import (
    Customer,
    Device,
    Fault,
    Technician,
    Ticket,
    Visit,
)

router = APIRouter()

_TONES = {VisitState.OFFERED: "watch", VisitState.COMPLETED: "good", VisitState.INCOMPLETE: "watch"}
_UNDER_WAY = (VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED)
"""While a technician has the visit, the customer's name and phone are theirs to see."""
_PROMISED = (*_UNDER_WAY, VisitState.COMPLETED)
OPENS_AFTER_END = timedelta(days=7)
"""So long after a visit came to its end, its link still opens."""


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
        visit = _visit(session, visit_id, now=now)
        technician = session.get_one(Technician, visit.technician_id)
        language = technician.language if technician.language in LANGUAGES else "en"
        reader = Reader(language, times.zone_of(technician.timezone), now)
        fault = session.scalars(
            select(Fault).where(Fault.ticket_id == visit.ticket_id).order_by(Fault.id.desc())
        ).first()
        evidence = evidence_of(session, fault, now=now, language=language) if fault else None
        context = _context(session, visit, reader, house.signer)
    chart = svg(house, evidence, zone=reader.zone, now=now, language=language, height=110) if evidence else None
    return page(
        request,
        "technician.html",
        part="parts/technician.html",
        language=language,
        w=reader.words,
        chart=chart,
        chart_title=", ".join(part for part in (evidence.title, evidence.unit) if part) if evidence else "",
        token=token,
        **context,
    )


def _context(session: Session, visit: Visit, reader: Reader, signer: LinkSigner) -> dict[str, Any]:
    state = VisitState(visit.state)
    ticket = session.get_one(Ticket, visit.ticket_id)
    device = session.get(Device, ticket.device_id)
    customer = session.get(Customer, ticket.customer_id) if ticket.customer_id and state in _UNDER_WAY else None
    firing = select(Fault.id).where(Fault.ticket_id == ticket.id, Fault.state == TransitionState.FIRING).limit(1)
    return {
        "title": first_upper(said(ticket.title, reader.language)),
        "pill_of": Pill(_TONES.get(state, "calm"), reader.words[f"state_{state}"]),
        "who": customer.name if customer else "",
        "window": times.window(
            visit.window_start, visit.window_end, reader.zone, now=reader.now, language=reader.language
        ),
        "place": (device.address or "") if device else "",
        "navigate": _navigate(device),
        "call": (customer.phone or "") if customer else "",
        "facts": facts_of(session, ticket, device, reader),
        "values": values_of(session, device, reader),
        "days": _day(session, visit, signer, reader),
        "moves": MOVES.get(state, ()),
        "state": state,
        "note": visit.note or "",
        "photos": [row.id for row in pictures.of_ticket(session, ticket.id)] if state in _UNDER_WAY else [],
        "firing": session.scalar(firing) is not None,
        "healthy": reader.at(ticket.healthy_since) if ticket.healthy_since else "",
    }


@router.get("/v/{token}/pictures/{picture_id}")
def picture(token: str, picture_id: PathId, house: House) -> Response:
    """What the customer sent of it, while the technician has the visit."""
    visit_id = house.signer.open(Purpose.VISIT, token)
    with house.database.read() as session:
        visit = _visit(session, visit_id, now=house.clock.now())
        shown = {row.id: row for row in pictures.of_ticket(session, visit.ticket_id)}
        return served(shown.get(picture_id) if visit.state in _UNDER_WAY else None, picture_id)


@router.post("/v/{token}/{move}", dependencies=[Depends(guard.same_origin)])
def act(token: str, move: Move, fields: FormFields, house: House) -> Response:
    """One move of the technician; the same move twice changes nothing."""
    visit_id = house.signer.open(Purpose.VISIT, token)
    said_with_it = VisitMoveIn(
        reason=fields.get("reason", ""),
        outcome="incomplete" if fields.get("outcome") == "incomplete" else "fixed",
        note=fields.get("note", ""),
        closing_code=_code(fields.get("closing_code", "")),
    )
    now = house.clock.now()
    with house.database.write() as session:
        _visit(session, visit_id, now=now)
        make_move(house, session, visit_id, move, said_with_it, now=now)
    return RedirectResponse(f"/v/{token}", status_code=303)


def _code(word: str) -> ClosingCode | None:
    return ClosingCode(word) if word in set(ClosingCode) else None


def _visit(session: Session, visit_id: int, *, now: datetime) -> Visit:
    """The visit that a link opens. Raises NotFound, and Gone once it has been over for so long."""
    visit = session.get(Visit, visit_id)
    if visit is None:
        raise NotFound("visit", visit_id)
    # What was called off has no time of its own: the window it was planned for counts, if that is later.
    over = visit.finished_at or max(visit.answered_at or visit.window_end, visit.window_end)
    if not VISIT_MOVES[VisitState(visit.state)] and now - over > OPENS_AFTER_END:
        raise Gone("this visit is over")
    return visit


def _navigate(device: Device | None) -> str:
    """`geo:` opens whatever map the phone has; nothing is loaded from elsewhere."""
    if device is None or device.lat is None or device.lon is None:
        return ""
    label = quote(device.address or device.id)
    return f"geo:{device.lat},{device.lon}?q={device.lat},{device.lon}({label})"


def _day(session: Session, visit: Visit, signer: LinkSigner, reader: Reader) -> list[Stop]:
    """The technician's visits of the same day, in order; none where there is only this one."""
    wanted = visit.window_start.astimezone(reader.zone).date()
    mine = select(Visit).where(Visit.technician_id == visit.technician_id)
    stops = []
    for row in session.scalars(mine.order_by(Visit.window_start, Visit.id)):
        promised = row.state in _PROMISED
        if row.window_start.astimezone(reader.zone).date() != wanted or not (promised or row.id == visit.id):
            continue
        ticket = session.get(Ticket, row.ticket_id)
        customer = session.get(Customer, ticket.customer_id) if ticket and ticket.customer_id else None
        # Before the offer is accepted, and once the work is done, a name is more than is needed.
        name = customer.name.split()[-1] if customer and row.state in _UNDER_WAY else "" if promised else "?"
        hour = times.hour(row.window_start, reader.zone, language=reader.language)
        href = f"/v/{signer.token(Purpose.VISIT, row.id)}"
        stops.append(Stop(href, hour, name, row.id == visit.id, row.state == VisitState.COMPLETED))
    return stops if len(stops) > 1 else []
