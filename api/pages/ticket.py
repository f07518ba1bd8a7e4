"""An agent's ticket page: situation, next best action, evidence, everything in order, and who it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.ids import PathId
from api.pages.evidence import Evidence, evidence_of
from api.pages.frame import admit, by_itself, desk_zone, frame, waiting_first
from api.pages.rendering import page
from api.pages.rows import Row, names_of, rows_of
from api.pages.ticket_side import side_of
from api.services import House
from api.situation import IDLE
from api.views import times
from api.views.next_action import NextAction, Situation, next_action
from api.views.phrases import first_name, first_upper, said
from api.views.states import Pill, fault_pill, ticket_pill
from api.views.thread import Bubble, for_desk
from api.views.timeline import Line, Names, lines
from api.views.verdicts import verdict_lines
from domain.errors import NotFound
from domain.faults import TransitionState
from domain.messages import BAD_NEWS, REACHED, RecipientKind, ReplyIntent
from domain.tickets import LEGAL_MOVES, OPEN_STATES, TicketState, VisitState
from domain.verdicts import Judgement
from store import threads, timeline
from store.tables import Command, Customer, Device, Fault, Message, Product, Technician, Ticket, TimelineEntry, Visit
from tickets import verdicts

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Shown:
    """A timeline line with its time written out."""

    at: str
    line: Line


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything in the middle of the page."""

    id: int
    title: str
    about: str
    pills: Sequence[Pill]
    action: NextAction
    evidence: Evidence | None
    plot: dict[str, Any] | None
    entries: Sequence[Shown]
    is_open: bool
    firing: bool
    judged: str
    """The verdict in force on its newest fault."""
    verdicts: Sequence[str]
    """Who said what of it."""
    commands: Sequence[tuple[str, str]]
    can_call_off: bool
    thread: Sequence[Bubble]
    """What its customer and we said to each other, about this and all else."""
    can_write: bool
    legal: Sequence[str]
    parent: Row | None
    children: Sequence[Row]
    """The first of them; how many there are, the parent's row says."""
    child_count: int


CHILDREN, SAID = 50, 40
"""As many as the page shows."""


@router.get("/tickets")
def tickets(request: Request, house: House, show: str = "open") -> Response:
    """All tickets, what needs a person first."""
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    with house.database.read() as session:
        query = select(Ticket).order_by(Ticket.id.desc()).limit(300)
        if show != "all":
            query = query.where(Ticket.state.in_(OPEN_STATES), by_itself())
        found = sorted(session.scalars(query), key=waiting_first)
        rows = rows_of(session, found, zone=zone, now=now)
        return page(
            request, "tickets.html", part="parts/tickets.html", frame=frame(request, session), rows=rows, show=show
        )


@router.get("/tickets/{ticket_id}")
def ticket(ticket_id: PathId, request: Request, house: House) -> Response:
    """One ticket."""
    admit(request, house)
    now = house.clock.now()
    with house.database.read() as session:
        row = session.get(Ticket, ticket_id)
        if row is None:
            raise NotFound("ticket", ticket_id)
        zone = desk_zone(house)
        queue = sorted(
            session.scalars(
                select(Ticket).where(Ticket.state.in_(OPEN_STATES), by_itself()).order_by(Ticket.opened_at)
            ),
            key=waiting_first,
        )
        return page(
            request,
            "ticket.html",
            part="parts/ticket.html",
            frame=frame(request, session),
            queue=rows_of(session, queue, zone=zone, now=now, here=ticket_id),
            desk=_desk(session, row, zone=zone, now=now),
            side=side_of(session, row, zone=zone, now=now, dispatcher=house.dispatcher),
            once=uuid4().hex,
        )


def _desk(session: Session, ticket: Ticket, *, zone: ZoneInfo, now: datetime) -> Desk:
    entries = timeline.of_ticket(session, ticket.id)
    faults = session.scalars(select(Fault).where(Fault.ticket_id == ticket.id).order_by(Fault.id)).all()
    firing = [fault for fault in faults if fault.state == TransitionState.FIRING]
    device = session.get(Device, ticket.device_id)
    product = session.get(Product, device.product) if device and device.product else None
    situation = _situation(session, ticket, entries, firing=bool(firing))
    shown = (firing or list(faults))[-1] if faults else None
    evidence = evidence_of(session, shown, now=now) if shown else None
    unstable = all(fault.flapping for fault in firing)
    pills = [ticket_pill(ticket.state), *([fault_pill(firing=True, flapping=unstable)] if firing else [])]
    family = _family(session, ticket, zone=zone, now=now)
    units = {name: str((about or {}).get("unit") or "") for name, about in (product.metrics if product else {}).items()}
    names = Names(names_of(session, [ticket]).people, units)
    newest_first = list(reversed(lines(entries, names)))
    offered = situation.visit_state in {VisitState.OFFERED, VisitState.ACCEPTED}
    return Desk(
        id=ticket.id,
        title=first_upper(said(ticket.title, "en", default="Ticket")),
        about=_about(ticket, situation, zone, now),
        pills=pills,
        action=next_action(situation, zone=zone, now=now),
        evidence=evidence,
        plot=_plot(evidence, entries, zone) if evidence and evidence.metric else None,
        entries=[Shown(times.at(line.at, zone, now=now), line) for line in newest_first],
        is_open=ticket.state in OPEN_STATES,
        firing=bool(firing),
        judged=_JUDGED.get(shown.verdict or "", "") if shown else "",
        verdicts=verdict_lines(verdicts.of_fault(session, shown.id), names, zone=zone, now=now) if shown else [],
        commands=[
            (name, said((about or {}).get("title"), "en", default=name))
            for name, about in (product.commands if product else {}).items()
        ],
        can_call_off=offered,
        thread=_thread(session, ticket, zone=zone, now=now),
        can_write=situation.customer is not None,
        legal=LEGAL_MOVES[TicketState(ticket.state)],
        **family,
    )


def _thread(session: Session, ticket: Ticket, *, zone: ZoneInfo, now: datetime) -> list[Bubble]:
    if ticket.customer_id is None:
        return []
    found = threads.of_person(session, RecipientKind.CUSTOMER, ticket.customer_id, limit=SAID)
    return for_desk([said for _, said in found], zone=zone, now=now)


def _family(session: Session, ticket: Ticket, *, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Of a child its parent, of a parent its children."""
    mine = Ticket.parent_id == ticket.id
    children = session.scalars(select(Ticket).where(mine).order_by(Ticket.id).limit(CHILDREN)).all()
    parents = session.scalars(select(Ticket).where(Ticket.id == ticket.parent_id)).all()
    return {
        "parent": next(iter(rows_of(session, parents, zone=zone, now=now)), None),
        "children": rows_of(session, children, zone=zone, now=now),
        "child_count": session.scalar(select(func.count(Ticket.id)).where(mine)) or 0,
    }


def _about(ticket: Ticket, situation: Situation, zone: ZoneInfo, now: datetime) -> str:
    found = f"since {times.at(ticket.onset, zone, now=now)}"
    contact = ticket.first_contact_at
    if ticket.cause == "fault":
        found = f"found at {times.at(ticket.opened_at, zone, now=now)}"
        found += ", before they called" if contact is None or contact > ticket.opened_at else ", after they called"
    return " · ".join(part for part in (situation.customer or "", ticket.device_id, found) if part)


def _situation(session: Session, ticket: Ticket, entries: Sequence[TimelineEntry], *, firing: bool) -> Situation:
    customer = session.get(Customer, ticket.customer_id) if ticket.customer_id else None
    command = session.scalars(
        select(Command).where(Command.ticket_id == ticket.id).order_by(Command.created_at.desc())
    ).first()
    visit = session.scalars(select(Visit).where(Visit.ticket_id == ticket.id).order_by(Visit.id.desc())).first()
    technician = session.get(Technician, visit.technician_id) if visit else None
    replies = [entry for entry in entries if entry.kind == "reply" and entry.detail.get("intent") not in IDLE]
    last = replies[-1].detail if replies else {}
    nobody = [entry.id for entry in entries if entry.kind == "no_technician"]
    return Situation(
        state=TicketState(ticket.state),
        customer=customer.name if customer else None,
        phone=customer.phone if customer else None,
        call_wanted=last.get("intent") in {ReplyIntent.CALL_ME, *_TO_READ},
        words=str(last.get("text") or "") if last.get("intent") in _TO_READ and last.get("channel") != "web" else "",
        unanswered=_unanswered(ticket, entries),
        nobody_free=bool(nobody) and not any(e.id > nobody[-1] and e.kind == "reply" for e in entries),
        unreached=next((str(e.detail["reason"]) for e in reversed(entries) if e.kind == "nobody_reachable"), ""),
        told_at=_told_at(session, ticket),
        command=command.name if command else None,
        command_at=(command.sent_at or command.created_at) if command else None,
        visit_state=VisitState(visit.state) if visit else None,
        technician=first_name(technician.name) if technician else None,
        window_start=visit.window_start if visit else None,
        window_end=visit.window_end if visit else None,
        firing=firing,
        healthy_since=ticket.healthy_since,
        resolved_at=ticket.resolved_at,
        closed_by=ticket.closed_by,
    )


def _unanswered(ticket: Ticket, entries: Sequence[TimelineEntry]) -> str:
    """Why a person was asked for at the top of a ladder, while nobody has answered."""
    asked = [entry for entry in entries if entry.kind == "nobody_answers"]
    return str(asked[-1].detail.get("reason", "")) if asked and ticket.acknowledged_at is None else ""


def _told_at(session: Session, ticket: Ticket) -> datetime | None:
    query = select(Message.accepted_at).where(
        Message.ticket_id == ticket.id,
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.stage.in_(BAD_NEWS),
        Message.state.in_(REACHED),
    )
    return session.scalars(query.order_by(Message.accepted_at.desc()).limit(1)).first()


_TO_READ = frozenset(
    {ReplyIntent.UNCLEAR, ReplyIntent.FALSE_ALARM, ReplyIntent.PHOTO, ReplyIntent.NOT_MINE, ReplyIntent.AWAY}
)
"""Answers after which, if the ticket is still open, a person reads them and calls."""
_JUDGED: dict[str, str] = {Judgement.REAL: "a real fault", Judgement.FALSE_ALARM: "a false alarm"}
_MARKS = {"command_sent": "restart", "message_accepted": "told", "visit_arrived": "on site", "fault_cleared": "healthy"}


def _plot(evidence: Evidence, entries: Sequence[TimelineEntry], zone: ZoneInfo) -> dict[str, Any]:
    """What chart.js needs: where the readings are, and what to draw over them. Times are epoch seconds."""
    marks = [{"at": evidence.onset.timestamp(), "text": "first sign", "tone": "alarm"}]
    for entry in entries:
        text = _MARKS.get(entry.kind)
        detail = entry.detail or {}
        if text and (entry.kind != "message_accepted" or detail.get("stage") in BAD_NEWS):
            text = str(detail.get("name") or text) if entry.kind == "command_sent" else text
            marks.append({"at": entry.at.timestamp(), "text": text, "tone": "muted"})
    return {
        "device": evidence.device_id,
        "metrics": list(evidence.metrics[:3]),
        "title": evidence.title,
        "unit": evidence.unit,
        "from": evidence.since.isoformat(),
        "to": evidence.until.isoformat(),
        "onset": evidence.onset.timestamp(),
        "over": evidence.over.timestamp() if evidence.over else None,
        "limit": evidence.limit,
        "marks": marks,
        "zone": zone.key,
    }
