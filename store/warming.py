"""What a batch of briefs has in common is read at once, so that the session has it when each brief asks for it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import REACHED, RecipientKind
from store import foresight
from store.foresight import COMMAND, CONSENT, DISOWNED, MESSAGE, VISIT, WRITTEN, Foresight, Key, use, without_mutes
from store.tables import (
    Base,
    Command,
    Consent,
    Customer,
    Device,
    Disowned,
    Fault,
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
    faults = _faults(session, tickets)
    names = {ticket.rule for ticket in tickets} | {fault.rule for ones in faults.values() for fault in ones}
    kept: list[Base] = [
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
    absent = without_mutes(session, devices, filter(None, names))
    absent |= _without_wishes(session, messages, customers) | _without_messages(session, messages)
    absent |= _without(session, COMMAND, Command.ticket_id, tickets) | _without(
        session, VISIT, Visit.ticket_id, tickets
    )
    owners = {one for one in customers if one is not None}
    disowners = session.scalars(select(Disowned.customer_id).where(Disowned.customer_id.in_(owners)))
    absent |= {(DISOWNED, one) for one in owners - set(disowners)}
    use(session, Foresight([*kept], absent, faults))
    return kept


def _faults(session: Session, tickets: Iterable[Ticket]) -> dict[int, list[Fault]]:
    faults: dict[int, list[Fault]] = {ticket.id: [] for ticket in tickets}
    for fault in session.scalars(select(Fault).where(Fault.ticket_id.in_(faults)).order_by(Fault.id)):
        faults[fault.ticket_id or 0].append(fault)
    return faults


def _without(session: Session, word: str, column: Any, tickets: Iterable[Ticket]) -> set[Key]:
    """Tickets that no row names in `column`."""
    ids = {ticket.id for ticket in tickets}
    return {(word, one) for one in ids - set(session.scalars(select(column).where(column.in_(ids))))}


def _without_wishes(session: Session, messages: Iterable[Message], customers: Iterable[str | None]) -> set[Key]:
    people = {(message.recipient_kind, message.recipient_id) for message in messages}
    people |= {(RecipientKind.CUSTOMER, one) for one in customers if one is not None}
    query = select(Consent.person_kind, Consent.person_id).where(Consent.person_id.in_({one for _, one in people}))
    return {(CONSENT, *one) for one in people - {(kind, one) for kind, one in session.execute(query.distinct())}}


def _without_messages(session: Session, messages: Sequence[Message]) -> set[Key]:
    """Who has no other message about the same ticket, and whom none has ever reached. One message a person at a time:
    the others of the batch are none of theirs."""
    others = Message.id.not_in([message.id for message in messages])
    about = select(Message.ticket_id, Message.recipient_kind, Message.recipient_id).where(
        others, Message.ticket_id.in_({message.ticket_id for message in messages})
    )
    reached = select(Message.recipient_kind, Message.recipient_id).where(
        others,
        Message.recipient_id.in_({message.recipient_id for message in messages}),
        Message.state.in_(tuple(REACHED)),
    )
    written = select(Message.recipient_kind, Message.recipient_id).where(
        others, Message.recipient_id.in_({message.recipient_id for message in messages})
    )
    people = {(one.recipient_kind, one.recipient_id) for one in messages}
    unwritten = people - {(kind, one) for kind, one in session.execute(written.distinct())}
    told: set[Key] = {(MESSAGE, one.ticket_id, one.recipient_kind, one.recipient_id) for one in messages}
    known: set[Key] = {(foresight.REACHED, one.recipient_kind, one.recipient_id) for one in messages}
    return (
        {(WRITTEN, *one) for one in unwritten}
        | (told - {(MESSAGE, *row) for row in session.execute(about)})
        | (known - {(foresight.REACHED, *row) for row in session.execute(reached.distinct())})
    )


def _rows(session: Session, table: type[Any], key: str, wanted: Iterable[Any]) -> Sequence[Any]:
    keys = {one for one in wanted if one is not None}
    return session.scalars(select(table).where(getattr(table, key).in_(keys))).all() if keys else []
