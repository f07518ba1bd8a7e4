"""Why (not), per message and per person: the rows' facts, and `notify.why` says the sentence."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.messages import Channel, MessageStage, MessageState, RecipientKind, purpose_of
from domain.people import Recipient
from notify.why import Facts, why, why_nothing
from store import contacts, people
from store.tables import Customer, Device, Maker, Message, Product, Ticket, TimelineEntry


def why_of(session: Session, message: Message, *, dispatcher: Recipient) -> str:
    """One sentence on where `message` is, and why."""
    ticket = session.get(Ticket, message.ticket_id) if message.ticket_id else None
    device = session.get(Device, ticket.device_id) if ticket else None
    facts = Facts(
        stage=MessageStage(message.stage),
        state=MessageState(message.state),
        reason=message.reason or "",
        person=_person(session, message, device, dispatcher=dispatcher),
        role=contacts.role_of(device, message.recipient_id, owner_id=ticket.customer_id if ticket else None),
        device_id=ticket.device_id if ticket else "",
        rule=(ticket.rule or "") if ticket else "",
        channel=Channel(message.channel) if message.channel else None,
        at=message.accepted_at,
    )
    return why(facts)


def why_nobody(session: Session, ticket: Ticket, customer: Customer) -> str:
    """For a person for whom nothing was planned about `ticket`."""
    device = session.get(Device, ticket.device_id)
    everybody = contacts.contacts_of(device, owner_id=ticket.customer_id)
    contact = next((one for one in everybody if one.customer_id == customer.id), None)
    if contact is None:
        return why_nothing(customer.name, reasons=[f"they are no contact of {ticket.device_id}"])
    reasons = [str(entry.detail.get("reason")) for entry in _noted(session, ticket)]
    about = purpose_of(MessageStage.OPENING, Severity(ticket.severity))
    if about not in contact.tells:
        told = ", ".join(sorted(contact.tells)) or "nothing"
        reasons.append(f"as {contact.role} they are told of {told} alone, and this is about {about}")
    if ticket.agents_only:
        reasons.append("this ticket is for agents only")
    if ticket.parent_id is not None:
        reasons.append(f"it is part of the wider fault of ticket {ticket.parent_id}")
    return why_nothing(customer.name, reasons=reasons or ["nothing was to be said so far"])


def _noted(session: Session, ticket: Ticket) -> list[TimelineEntry]:
    query = select(TimelineEntry).where(TimelineEntry.ticket_id == ticket.id, TimelineEntry.kind == "nobody_told")
    return list(session.scalars(query.order_by(TimelineEntry.id)))


def _person(session: Session, message: Message, device: Device | None, *, dispatcher: Recipient) -> Recipient:
    if message.recipient_kind == RecipientKind.CUSTOMER:
        product = session.get(Product, device.product) if device and device.product else None
        maker = session.get(Maker, product.maker) if product and product.maker else None
        return people.customer(session, message.recipient_id, device=device, maker=maker)
    if message.recipient_kind == RecipientKind.TECHNICIAN:
        return people.technician(session, message.recipient_id)
    return dispatcher
