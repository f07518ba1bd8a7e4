"""Which ticket somebody's words are about, where they do not say so by a link or by answering a message.

The last message that reached them counts, unless they name a product, or two things came so close together that nobody
can tell. What stays open is asked once, and then read by a person.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import BAD_NEWS, REACHED, RecipientKind
from domain.tickets import OPEN_STATES
from store.tables import Device, Message, Product, Ticket

TOGETHER = timedelta(minutes=30)
"""Messages that came within this before the last one were seen with it."""
ANSWERED_WITHIN = timedelta(days=7)
"""So long the last message is what an answer is about."""
ENDED_WITHIN = timedelta(days=1)
"""So long, if its ticket has ended and others are open."""
MOST_CHOICES = 4
"""More do not fit a text message: then a person sorts it out."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An open ticket, and what its product is called."""

    ticket_id: int
    nouns: Sequence[str]
    """In every language."""
    noun: Mapping[str, Any]
    trouble: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The ticket, as far as that is plain; else those that may be meant."""

    ticket_id: int | None
    choices: Sequence[int] = ()


def things_of(session: Session, customer_id: str) -> list[Thing]:
    """What is open for this customer, or was told them as one of several contacts; the newest first."""
    told = select(Message.ticket_id).where(
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id == customer_id,
        Message.stage.in_(BAD_NEWS),
        Message.state.in_(REACHED),
    )
    theirs = (Ticket.customer_id == customer_id) | Ticket.id.in_(told)
    query = select(Ticket).where(theirs, Ticket.state.in_(OPEN_STATES), Ticket.agents_only.is_(False))
    found: list[Thing] = []
    for ticket in session.scalars(query.order_by(Ticket.opened_at.desc(), Ticket.id.desc())):
        device = session.get(Device, ticket.device_id)
        product = session.get(Product, device.product) if device and device.product else None
        noun: Mapping[str, Any] = (product.noun or product.title) if product else {}
        called = [*noun.values(), *(product.title.values() if product else ())]
        found.append(Thing(ticket.id, [str(name) for name in called], noun, ticket.title))
    return found


def subject(
    session: Session,
    customer_id: str,
    *,
    channel: str,
    things: Sequence[Thing],
    named: Collection[int],
    now: datetime,
) -> Subject:
    """`named` are the tickets whose product the words name. Nothing plain and nothing to choose: the caller decides."""
    open_ids = [thing.ticket_id for thing in things]
    if len(named) == 1:
        return Subject(next(iter(named)))
    recent = _recent(session, customer_id, channel=channel, now=now)
    if not recent:
        return Subject(open_ids[0]) if len(open_ids) == 1 else Subject(None, open_ids)
    last = recent[0]
    if last.ticket_id not in open_ids:
        just_ended = last.accepted_at is not None and now - last.accepted_at <= ENDED_WITHIN
        if just_ended or not open_ids:
            return Subject(last.ticket_id)
        return Subject(open_ids[0]) if len(open_ids) == 1 else Subject(None, open_ids)
    together = [one.ticket_id for one in recent if _seen_with(one, last) and one.ticket_id in open_ids]
    seen = list(dict.fromkeys(number for number in together if number is not None))
    return Subject(seen[0]) if len(seen) == 1 else Subject(None, seen)


def labels(things: Sequence[Thing]) -> list[dict[str, str]]:
    """What to call each in a question: its product, and its trouble where several are called the same."""
    nouns = [{language: _short(str(name)) for language, name in thing.noun.items()} for thing in things]
    return [
        {language: _short(str(words)) for language, words in thing.trouble.items()}
        if not noun or nouns.count(noun) > 1
        else noun
        for thing, noun in zip(things, nouns, strict=True)
    ]


def _recent(session: Session, customer_id: str, *, channel: str, now: datetime) -> Sequence[Message]:
    """What reached them on this channel, newest first."""
    reached = select(Message).where(
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id == customer_id,
        Message.state.in_(REACHED),
        Message.ticket_id.is_not(None),
        Message.accepted_at > now - ANSWERED_WITHIN,
        Message.channel == channel,
    )
    return session.scalars(reached.order_by(Message.accepted_at.desc(), Message.id.desc()).limit(10)).all()


def _seen_with(one: Message, last: Message) -> bool:
    return (
        one.accepted_at is not None and last.accepted_at is not None and last.accepted_at - one.accepted_at <= TOGETHER
    )


def _short(name: str) -> str:
    lower = name[:1].lower() + name[1:] if name[1:2].islower() else name
    return lower if len(lower) <= 24 else f"{lower[:21].rstrip()}..."
