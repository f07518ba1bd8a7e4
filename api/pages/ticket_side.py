"""Beside a ticket: the customer, the device, the visit and the messages, a line or two each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.explaining import why_of
from api.pages.frame import address
from api.pages.tiles import device_pill
from api.views import times
from api.views.phrases import CHANNELS, first_upper, number, plural, said
from api.views.states import Pill, command_pill, message_pill, visit_pill
from domain.faults import TransitionState
from domain.people import Recipient
from store.notes import in_force
from store.people import wanted_channels
from store.tables import (
    Command,
    Customer,
    Device,
    DeviceValue,
    Fault,
    Message,
    Product,
    Technician,
    Ticket,
    Visit,
    WorkOrder,
)

_LANGUAGES = {"en": "English", "fr": "French"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line with a pill."""

    text: str
    aside: str
    pill: Pill
    why: str = ""
    """More of it, for those who ask."""


@dataclass(frozen=True, slots=True)
class Side:
    """All of it."""

    customer: str
    phone: str
    wishes: str
    device: str
    device_href: str
    device_pill: Pill | None
    device_facts: Sequence[tuple[str, str]]
    messages: Sequence[Entry]
    visits: Sequence[Entry]
    commands: Sequence[Entry]
    ticket_facts: Sequence[tuple[str, str]]


def side_of(session: Session, ticket: Ticket, *, zone: ZoneInfo, now: datetime, dispatcher: Recipient) -> Side:
    """What stands beside this ticket."""
    customer = session.get(Customer, ticket.customer_id) if ticket.customer_id else None
    device = session.get(Device, ticket.device_id)
    flapping = session.scalars(
        select(Fault.flapping).where(Fault.device_id == ticket.device_id, Fault.state == TransitionState.FIRING)
    ).all()
    return Side(
        customer=customer.name if customer else "",
        phone=(customer.phone or "") if customer else "",
        wishes=wishes_of(session, customer, ticket) if customer else "",
        device=ticket.device_id,
        device_href=f"/devices/{address(ticket.device_id)}" if device else "",
        device_pill=device_pill(device, firing=bool(flapping), unstable=all(flapping), now=now) if device else None,
        device_facts=device_facts(session, device, now=now) if device else [],
        messages=_messages(session, ticket, zone, now, dispatcher),
        visits=_visits(session, ticket, zone, now),
        commands=_commands(session, ticket, zone, now),
        ticket_facts=_ticket_facts(ticket, zone, now),
    )


def wishes_of(session: Session, customer: Customer, ticket: Ticket | None = None) -> str:
    """Language, channels, quiet hours, and how often we were in contact."""
    channels = wanted_channels(session, customer)
    parts = [_LANGUAGES.get(customer.language, customer.language)]
    parts.append(", then ".join(CHANNELS.get(name, name) for name in channels) or "does not want to be written to")
    if customer.quiet_from and customer.quiet_to:
        parts.append(f"quiet {customer.quiet_from} to {customer.quiet_to}")
    others = select(Ticket.id).where(Ticket.customer_id == customer.id, Ticket.id != (ticket.id if ticket else 0))
    before = len(session.scalars(others.limit(100)).all())
    if ticket is None:
        parts.append(plural(before, "ticket") + " so far" if before else "no ticket so far")
    else:
        parts.append(plural(before, "ticket") + " before" if before else "first ticket")
    return " · ".join(parts)


def device_facts(session: Session, device: Device, *, now: datetime) -> list[tuple[str, str]]:
    """What it is and what it last said."""
    product = session.get(Product, device.product) if device.product else None
    attributes = in_force(device.reported, device.attributes)
    facts = [("Product", said(product.title, "en", default=product.name) if product else "unknown")]
    facts += [(name.replace("_", " ").capitalize(), number(value)) for name, value in list(attributes.items())[:4]]
    if device.address:
        facts.append(("Place", device.address))
    facts.append(("Last seen", times.ago(device.last_seen, now=now) or "never"))
    metrics = (product.metrics if product else None) or {}
    values = session.scalars(select(DeviceValue).where(DeviceValue.device_id == device.id).order_by(DeviceValue.metric))
    for row in list(values)[:8]:
        about = metrics.get(row.metric) or {}
        facts.append(
            (
                said(about.get("title"), "en") or row.metric.replace("_", " ").capitalize(),
                number(row.value["v"], about.get("unit")),
            )
        )
    return facts


def _messages(session: Session, ticket: Ticket, zone: ZoneInfo, now: datetime, dispatcher: Recipient) -> list[Entry]:
    rows = session.scalars(select(Message).where(Message.ticket_id == ticket.id).order_by(Message.id.desc()).limit(12))
    return [
        Entry(
            f"{first_upper(CHANNELS.get(row.channel or '', 'message'))} to the {row.recipient_kind}",
            f"{row.stage.replace('_', ' ')}, {times.at(row.accepted_at or row.created_at, zone, now=now)}"
            + (f": {row.reason}" if row.reason else ""),
            message_pill(row.state),
            why_of(session, row, dispatcher=dispatcher),
        )
        for row in rows
    ]


def _visits(session: Session, ticket: Ticket, zone: ZoneInfo, now: datetime) -> list[Entry]:
    rows = session.scalars(select(Visit).where(Visit.ticket_id == ticket.id).order_by(Visit.id.desc())).all()
    people = {row.id: row.name for row in session.scalars(select(Technician))}
    orders = {row.id: row.skill for row in session.scalars(select(WorkOrder).where(WorkOrder.ticket_id == ticket.id))}
    return [
        Entry(
            people.get(row.technician_id, row.technician_id),
            times.window(row.window_start, row.window_end, zone, now=now).capitalize()
            + (f" · {skill}" if (skill := orders.get(row.work_order_id)) else ""),
            visit_pill(row.state),
        )
        for row in rows
    ]


def _commands(session: Session, ticket: Ticket, zone: ZoneInfo, now: datetime) -> list[Entry]:
    rows = session.scalars(select(Command).where(Command.ticket_id == ticket.id).order_by(Command.created_at.desc()))
    return [
        Entry(row.name, times.at(row.sent_at or row.created_at, zone, now=now), command_pill(row.state)) for row in rows
    ]


def _ticket_facts(ticket: Ticket, zone: ZoneInfo, now: datetime) -> list[tuple[str, str]]:
    facts = [
        ("Number", str(ticket.id)),
        ("Severity", ticket.severity),
        ("Opened", times.at(ticket.opened_at, zone, now=now)),
        ("Playbook", ticket.playbook or ("default" if ticket.rule else "by hand")),
        ("With", ticket.assignee or "nobody"),
    ]
    if ticket.reopened:
        facts.append(("Came back", plural(ticket.reopened, "time")))
    return facts
