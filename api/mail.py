"""A mail that came back: a report to the message it is about, a person's words to their ticket, once each.

Only who writes from their own address, in answer to a mail that we sent them, moves anything: an address in `From` is
easily forged, the one that we signed into `Reply-To` is not. Anybody else is read by a person.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.inbound import receive
from api.senders import Person, find_person
from api.unsubscribing import refuse
from domain.links import LinkSigner, Purpose
from domain.messages import Channel, MessageState, RecipientKind, ReplyIntent
from domain.outbox import Receipt
from domain.tickets import Effect
from notify import return_address
from notify.bounces import Bounce, receipt_of
from notify.received_mail import Received, newly_written
from notify.replies import understand
from store import deliveries
from store.pictures import Picture
from store.receipts import receipt
from store.tables import Customer, Message, Technician, Ticket

log = structlog.get_logger()


def take(session: Session, mail: Received, *, signer: LinkSigner, now: datetime) -> Sequence[Effect]:
    """Whatever it is, once. Never answered here; what follows from it may be."""
    named = _named(session, mail, signer)
    if mail.bounces:
        for bounce in mail.bounces:
            _reported(session, named.get(Purpose.BOUNCE), bounce, now=now)
        return []
    if Purpose.UNSUBSCRIBE in named:
        refuse(session, named[Purpose.UNSUBSCRIBE], evidence=f"mail {mail.message_id}", now=now)
        return []
    if mail.automatic or Purpose.BOUNCE in named:
        about = named.get(Purpose.REPLY) or named.get(Purpose.BOUNCE)
        return _heard(session, mail, about, mail.text, intent=None, now=now, automatic=True)
    about = named.get(Purpose.REPLY)
    text = newly_written(mail.text, quoting=(about.body or "") if about else "") or _said_in_subject(mail, about)
    return _heard(session, mail, about, text, intent=_intent(session, mail, about, text), now=now)


def _named(session: Session, mail: Received, signer: LinkSigner) -> dict[Purpose, Message]:
    """The messages that the signed addresses name to which this mail was sent."""
    opened = filter(None, (return_address.opened(signer, address) for address in mail.sent_to))
    found = ((purpose, session.get(Message, number)) for purpose, number in opened)
    return {purpose: message for purpose, message in found if message is not None}


def _reported(session: Session, message: Message | None, bounce: Bounce, *, now: datetime) -> None:
    """Believed if it came to the address that we signed for this mail, or names a mail of ours."""
    if message is None and bounce.original_id:
        query = select(Message).where(Message.provider_id == bounce.original_id)
        message = session.scalars(query.limit(1)).first()
    if message is None:
        log.info("bounce_about_nothing_of_ours", action=bounce.action, status=bounce.status)
        return
    # By now it may have gone out on another channel, of which a mail that comes back says nothing.
    by_mail = message.channel == Channel.EMAIL
    unsure = message.provider_id is None and message.state in {MessageState.SUBMITTING, MessageState.IN_DOUBT}
    if by_mail and unsure:
        # We did not hear that it was taken, and here is the proof.
        receipt(session, Receipt(bounce.original_id, MessageState.ACCEPTED), now=now, message_id=message.id)
    own_id = message.provider_id if by_mail else None
    told = receipt_of(bounce, provider_id=own_id or bounce.original_id)
    if told is None:
        detail = f"{bounce.action}: {bounce.diagnostic}"
        deliveries.attempt(
            session, message, "receipt", outcome=message.state, code=bounce.status, detail=detail, at=now
        )
        return
    receipt(session, told, now=now, message_id=message.id)


def _heard(
    session: Session,
    mail: Received,
    about: Message | None,
    text: str,
    *,
    intent: ReplyIntent | None,
    now: datetime,
    automatic: bool = False,
) -> Sequence[Effect]:
    person = _person(session, about) or find_person(session, Channel.EMAIL, mail.sender)
    return receive(
        session,
        channel=Channel.EMAIL,
        text=text,
        provider_id=f"mail {mail.message_id}"[:500],
        now=now,
        address=mail.sender,
        person=person,
        ticket_id=_ticket_of(session, about, person),
        intent=intent,
        reply_to=about.id if about else None,
        attachments=[Picture(content=image.content, name=image.name) for image in mail.images],
        automatic=automatic,
    )


def _intent(session: Session, mail: Received, about: Message | None, text: str) -> ReplyIntent | None:
    """None lets the words speak. A wish to be left alone is honoured wherever it comes from."""
    person = _person(session, about)
    if person is not None and about is not None and mail.sender in {_lower(person.email), _lower(about.address)}:
        return None
    return ReplyIntent.STOP if about is None and understand(text) is ReplyIntent.STOP else ReplyIntent.UNCLEAR


def _person(session: Session, about: Message | None) -> Person | None:
    if about is None:
        return None
    if about.recipient_kind == RecipientKind.CUSTOMER:
        return session.get(Customer, about.recipient_id)
    return session.get(Technician, about.recipient_id)


def _ticket_of(session: Session, about: Message | None, person: Person | None) -> int | None:
    """The ticket that they answer, if it is theirs."""
    ticket = session.get(Ticket, about.ticket_id) if about and about.ticket_id else None
    return ticket.id if ticket and person and ticket.customer_id == person.id else None


def _said_in_subject(mail: Received, about: Message | None) -> str:
    """Some write STOP there and nothing below. Our own subject says nothing."""
    ours = (about.subject or "").removeprefix("Re: ") if about else ""
    return "" if mail.images or (ours and mail.subject.endswith(ours)) else mail.subject


def _lower(address: str | None) -> str:
    return (address or "").strip().lower() or "-"
