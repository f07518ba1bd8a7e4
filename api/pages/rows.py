"""Tickets as rows of lists: who, what, where it stands, and the last thing that happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.views import times
from api.views.phrases import first_upper, said
from api.views.states import Pill, ticket_pill
from api.views.timeline import Names, lines
from store.tables import Customer, Technician, Ticket, TimelineEntry

_LONGEST = 96


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket in a list."""

    id: int
    who: str
    title: str
    pill: Pill
    line: str
    here: bool = False
    children: int = 0
    """Devices of a storm."""


def rows_of(
    session: Session, tickets: Sequence[Ticket], *, zone: ZoneInfo, now: datetime, here: int | None = None
) -> list[Row]:
    """The rows, in the order given."""
    names = names_of(session, tickets)
    last = _last_entries(session, [ticket.id for ticket in tickets])
    children = _children(session, [ticket.id for ticket in tickets if ticket.scope])
    return [
        Row(
            ticket.id,
            names.people.get(f"customer:{ticket.customer_id}", ticket.device_id or "No device"),
            first_upper(said(ticket.title, "en", default="Ticket")),
            ticket_pill(ticket.state),
            _line(last.get(ticket.id), names, zone, now),
            ticket.id == here,
            children.get(ticket.id, 0),
        )
        for ticket in tickets
    ]


def _children(session: Session, parents: Sequence[int]) -> dict[int, int]:
    query = select(Ticket.parent_id, func.count(Ticket.id)).where(Ticket.parent_id.in_(parents))
    return {parent: count for parent, count in session.execute(query.group_by(Ticket.parent_id)) if parent}


def names_of(session: Session, tickets: Iterable[Ticket]) -> Names:
    """Everybody whom these tickets speak of."""
    ids = {ticket.customer_id for ticket in tickets if ticket.customer_id}
    people = {f"customer:{row.id}": row.name for row in session.scalars(select(Customer).where(Customer.id.in_(ids)))}
    people |= {f"technician:{row.id}": row.name for row in session.scalars(select(Technician))}
    return Names(people, {})


def _last_entries(session: Session, ids: Sequence[int]) -> dict[int, TimelineEntry]:
    newest = (
        select(func.max(TimelineEntry.id)).where(TimelineEntry.ticket_id.in_(ids)).group_by(TimelineEntry.ticket_id)
    )
    entries = session.scalars(select(TimelineEntry).where(TimelineEntry.id.in_(newest)))
    return {entry.ticket_id: entry for entry in entries}


def _line(entry: TimelineEntry | None, names: Names, zone: ZoneInfo, now: datetime) -> str:
    found = lines([entry], names) if entry else []
    if not found:
        return ""
    head = found[0].head.rstrip(":")
    text = ": ".join(part for part in (head, found[0].text or found[0].aside) if part)
    short = text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
    return f"{times.at(found[0].at, zone, now=now)} · {short}"
