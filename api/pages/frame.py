"""What stands around every desk page: the navigation with its counts, and the headline figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from api import guard
from api.services import Services, services_of
from api.views import times
from domain.brakes import CauseState
from domain.tickets import OPEN_STATES, TicketCause, TicketState
from store import approvals
from store.tables import Ticket
from tickets import service

SPAN = timedelta(days=30)
"""What the desk's figures look back on: its pages read them anew at each change."""
_PAGES = (
    ("Live", "/"),
    ("Tickets", "/tickets"),
    ("Devices", "/devices"),
    ("Rules", "/rules"),
    ("Templates", "/templates"),
    ("Sandbox", "/sandbox"),
    ("Status", "/status"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the navigation."""

    name: str
    href: str
    here: bool
    count: int


@dataclass(frozen=True, slots=True)
class Headline:
    """Found before they called."""

    value: str
    words: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The whole of it."""

    items: Sequence[Item]
    headline: Headline | None


def admit(request: Request, house: Services) -> None:
    """Only a browser that has shown the token sees the desk. Raises Unauthorized or Forbidden."""
    guard.admitted(request, house)


def frame(request: Request, session: Session) -> Frame:
    """The frame of the page that `request` asks for."""
    path = request.url.path
    waiting = session.scalar(select(func.count(Ticket.id)).where(Ticket.state.in_(OPEN_STATES), by_itself())) or 0
    items = [
        Item(name, href, path == href or (href != "/" and path.startswith(href)), waiting if name == "Tickets" else 0)
        for name, href in _PAGES
    ]
    asked = len(approvals.approvals(session, state=CauseState.WAITING))
    if asked or path.startswith("/approvals"):
        items.append(Item("Approvals", "/approvals", path.startswith("/approvals"), asked))
    # The wall shows the headline larger.
    return Frame(items, None if path == "/" else _headline(session, now=services_of(request).clock.now()))


def _headline(session: Session, *, now: datetime) -> Headline | None:
    return headline([service.proactive(session, since=now - SPAN, until=now + SPAN)])


def headline(figures: Sequence[Mapping[str, Any]]) -> Headline | None:
    """The proactive rate in words; None while there is nothing to tell."""
    rate = next((figure for figure in figures if figure["name"] == "proactive_rate"), None)
    if rate is None or rate["value"] is None:
        return None
    found = round(rate["value"] * rate["n"])
    return Headline(f"{rate['value'] * 100:.0f}\u00a0%", f"{found} of {rate['n']} confirmed faults, 30 days")


def desk_zone(house: Services) -> ZoneInfo:
    """The zone in which the desk reads its times."""
    return times.zone_of(house.dispatcher.timezone)


def by_itself() -> ColumnElement[bool]:
    """Tickets that stand in lists by themselves; the parts of a wider fault that is open stand on its page."""
    wider = select(Ticket.id).where(Ticket.scope.is_not(None), Ticket.state.in_(OPEN_STATES))
    return or_(Ticket.parent_id.is_(None), Ticket.parent_id.not_in(wider))


def needs_person(ticket: Ticket) -> bool:
    """Whether nothing goes on by itself: somebody was asked for, or no playbook runs for it."""
    by_hand = ticket.agents_only or ticket.cause != TicketCause.FAULT
    return ticket.state == TicketState.PENDING_AGENT or (ticket.state == TicketState.OPEN and by_hand)


def waiting_first(ticket: Ticket) -> int:
    """Sorts what needs a person before all else, and what is over last."""
    if needs_person(ticket):
        return 0
    order = (TicketState.OPEN, TicketState.PENDING_CUSTOMER, TicketState.PENDING_VISIT, TicketState.PENDING_DEVICE)
    return 1 + (order.index(TicketState(ticket.state)) if ticket.state in order else len(order))


def address(device_id: str) -> str:
    """A device id as part of a path."""
    return quote(device_id, safe="")
