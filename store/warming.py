"""What a batch of briefs has in common is read at once, so that the session has it when each brief asks for it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import RecipientKind
from store.tables import (
    Base,
    Customer,
    Device,
    Maker,
    Message,
    Playbook,
    Product,
    Rule,
    RuleVersion,
    Technician,
    Ticket,
    Visit,
)


def warm(session: Session, messages: Sequence[Message]) -> list[Base]:
    """The rows that briefs of `messages` look up by key. A session forgets what nobody holds, so hold them."""
    tickets = _rows(session, Ticket, "id", (message.ticket_id for message in messages))
    devices = _rows(session, Device, "id", (ticket.device_id for ticket in tickets))
    products = _rows(session, Product, "name", (device.product for device in devices))
    people = [message for message in messages if message.recipient_kind == RecipientKind.CUSTOMER]
    technicians = (one.recipient_id for one in messages if one.recipient_kind == RecipientKind.TECHNICIAN)
    customers = {one.recipient_id for one in people} | {ticket.customer_id for ticket in tickets}
    names = {ticket.rule for ticket in tickets}
    return [
        *tickets,
        *devices,
        *products,
        *_rows(session, Ticket, "id", (ticket.parent_id for ticket in tickets)),
        *_rows(session, Maker, "id", (product.maker for product in products)),
        *_rows(session, Customer, "id", customers),
        *_rows(session, Technician, "id", technicians),
        *_rows(session, Visit, "id", (message.visit_id for message in messages)),
        *_rows(session, Rule, "name", names),
        *_rows(session, RuleVersion, "name", names),
        *_rows(session, Playbook, "name", (ticket.playbook for ticket in tickets)),
    ]


def _rows(session: Session, table: type[Any], key: str, wanted: Iterable[Any]) -> Sequence[Any]:
    keys = {one for one in wanted if one is not None}
    return session.scalars(select(table).where(getattr(table, key).in_(keys))).all() if keys else []
