"""The live wall: what needs a person, what runs by itself, and everything as it happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api import guard
from api.pages.frame import SPAN, admit, by_itself, desk_zone, frame, headline, needs_person
from api.pages.rendering import page
from api.pages.rows import Row, names_of, rows_of
from api.pages.tiles import Tile, tiles_of
from api.rule_facts import noisy
from api.services import House
from api.views import times
from api.views.news import news
from api.views.phrases import plural, said
from domain.faults import TransitionState
from domain.tickets import OPEN_STATES, TicketState
from store.tables import Customer, Device, Event, Fault, Ticket
from tickets import service

router = APIRouter()

NEWS = 30
TILES = 24
OVER_SINCE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class FigureCard:
    """One figure of the strip."""

    name: str
    value: str
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    """Tickets that ask for the same attention."""

    title: str
    words: str
    tickets: Sequence[Row]


@dataclass(frozen=True, slots=True)
class NewsLine:
    """One line of the feed."""

    id: int
    at: str
    tone: str
    text: str
    about: str
    href: str


@dataclass(frozen=True, slots=True)
class Wall:
    """Everything on the page."""

    title: str
    summary: str
    now: str
    figures: Sequence[FigureCard]
    groups: Sequence[Group]
    noisy: Sequence[tuple[str, str, str]]
    """Rules that cost trust: name, reason, cure."""
    news: Sequence[NewsLine]
    tiles: Sequence[Tile]
    device_words: str


@router.get("/")
def console(request: Request, house: House, token: str | None = None) -> Response:
    """The wall; `?token=` is exchanged for a cookie, so that it does not stay in the address."""
    if token is not None and guard.opens(token, house):
        answer = RedirectResponse("/", status_code=303)
        guard.remember(answer, house)
        return answer
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    with house.database.read() as session:
        figures = service.kpis(session, since=now - SPAN, until=now + SPAN)
        wall = _wall(session, figures, zone, now)
        return page(request, "console.html", part="parts/console.html", frame=frame(request, session), wall=wall)


def _wall(session: Session, figures: Sequence[Mapping[str, Any]], zone: ZoneInfo, now: datetime) -> Wall:
    devices = session.scalars(select(Device).order_by(Device.id)).all()
    groups, needing, running = _groups(session, zone, now)
    firing = session.scalar(select(func.count(Fault.id)).where(Fault.state == TransitionState.FIRING)) or 0
    return Wall(
        title=plural(needing, "ticket needs you", "tickets need you") if needing else "Nothing needs you",
        summary=", ".join(
            (
                f"{plural(running, 'ticket')} in hand",
                plural(firing, "fault") + " firing",
                plural(len(devices), "device"),
            )
        ),
        now=f"{times.day(now, zone, now=now).capitalize()} {times.hour(now, zone)}",
        figures=_cards(figures, firing),
        groups=groups,
        noisy=[(row.name, found.reason, found.cure) for row, found in noisy(session, now=now)],
        news=_news(session, zone),
        tiles=tiles_of(session, devices, now=now)[:TILES],
        device_words=f"all {len(devices)}" if len(devices) > TILES else "list",
    )


def _groups(session: Session, zone: ZoneInfo, now: datetime) -> tuple[list[Group], int, int]:
    opened = session.scalars(
        select(Ticket).where(Ticket.state.in_(OPEN_STATES), by_itself()).order_by(Ticket.opened_at)
    ).all()
    person = [ticket for ticket in opened if needs_person(ticket)]
    running = [ticket for ticket in opened if not needs_person(ticket)]
    over_states = (TicketState.RESOLVED, TicketState.CLOSED)
    over_query = select(Ticket).where(Ticket.state.in_(over_states), Ticket.updated_at > now - OVER_SINCE)
    over = session.scalars(over_query.order_by(Ticket.updated_at.desc()).limit(6)).all()
    wanted = (
        ("Needs a person", "oldest first", person),
        ("In hand", "runs by itself", running),
        ("Over", "the last day", over),
    )
    groups = [
        Group(title, words, rows_of(session, found, zone=zone, now=now)) for title, words, found in wanted if found
    ]
    return groups, len(person), len(running)


def _cards(figures: Sequence[Mapping[str, Any]], firing: int) -> list[FigureCard]:
    by_name = {figure["name"]: figure for figure in figures}
    head = headline(figures)
    return [
        FigureCard(
            "Found before they called", *((head.value, head.words) if head else ("–", "no confirmed fault yet"))
        ),
        FigureCard("Faults firing now", str(firing), plural(_count(by_name, "faults"), "fault") + " in 30 days"),
        _span(by_name, "time_to_notify_median", "From noticing to telling", "median"),
        _span(by_name, "time_to_restore_median", "From first sign to healthy", "median, by telemetry's proof"),
        FigureCard(
            "Fixed from afar",
            str(_count(by_name, "truck_rolls_avoided")),
            f"{plural(_count(by_name, 'truck_rolls'), 'visit')} driven",
        ),
    ]


def _count(by_name: Mapping[str, Mapping[str, Any]], name: str) -> int:
    return int((by_name.get(name) or {}).get("value") or 0)


def _span(by_name: Mapping[str, Mapping[str, Any]], name: str, title: str, words: str) -> FigureCard:
    figure = by_name.get(name) or {}
    value = figure.get("value")
    return FigureCard(
        title, "–" if value is None else times.span(value), words if value is not None else "nothing to measure yet"
    )


def _news(session: Session, zone: ZoneInfo) -> list[NewsLine]:
    events = session.scalars(select(Event).order_by(Event.id.desc()).limit(NEWS * 3)).all()
    ids = {number for event in events if isinstance(number := (event.body or {}).get("ticket_id"), int)}
    tickets = session.scalars(select(Ticket).where(Ticket.id.in_(ids))).all()
    people = names_of(session, tickets).people
    titles = {
        row.id: f"{people.get(f'customer:{row.customer_id}', row.device_id)}: {said(row.title, 'en')}"
        for row in tickets
    }
    lines = news(events, titles, _owners(session))[:NEWS]
    return [NewsLine(n.id, times.hour(n.at, zone), n.tone, n.text, n.about, n.href) for n in lines]


def _owners(session: Session) -> dict[str, str]:
    """Names of customers by device."""
    query = select(Device.id, Customer.name).join(Customer, Customer.id == Device.customer_id)
    return dict(session.execute(query).all())
