"""What people write to us, whatever way it came: kept once, understood, and given to the ticket it is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from api.listening import Listener
from api.senders import Person, address_of, find_person, kind_of
from domain.messages import Channel, MessageStage, ReplyIntent
from domain.tickets import Announce, Effect
from store import events, pictures
from store.pictures import Picture
from store.tables import Customer, Inbound, Message
from store.upsert import insert_once

_OF_THE_CARRIER = frozenset({MessageStage.OPTED_OUT, MessageStage.OPTED_IN, MessageStage.HELP})
"""Answers that a carrier may have given in our place."""


def receive(
    session: Session,
    *,
    channel: Channel | Literal["web"],
    text: str,
    provider_id: str,
    now: datetime,
    address: str = "",
    person: Person | None = None,
    ticket_id: int | None = None,
    intent: ReplyIntent | None = None,
    reply_to: int | None = None,
    attachments: Sequence[Picture] = (),
    automatic: bool = False,
    confirmed: bool = False,
) -> Sequence[Effect]:
    """Take one message in; the same `provider_id` twice counts once. The person is named, or found by `address`;
    `intent` is given where a button or the provider said it.

    A customer's words go to their ticket: `ticket_id`, that of our message `reply_to`, or the one they mean, which is
    asked where nobody can tell. What a stranger writes, what a technician writes (a STOP aside) and what a machine
    writes (`automatic`, or found out) is kept and shown, and moves nothing. `confirmed`: the provider has answered this
    one already, so a STOP or HELP gets no second answer.
    """
    who = person or (find_person(session, channel, address) if channel != "web" else None)
    answered = _answered(session, reply_to, who)
    heard_id = insert_once(
        session,
        Inbound,
        provider_id=provider_id,
        channel=channel,
        address=address or address_of(who, channel),
        recipient_kind=kind_of(who),
        recipient_id=who.id if who else None,
        ticket_id=ticket_id or (answered.ticket_id if answered else None),
        reply_to=answered.id if answered else None,
        automatic=automatic,
        intent=intent or ReplyIntent.UNCLEAR,
        body=text,
        at=now,
    )
    if heard_id is None:
        return []
    heard = session.get_one(Inbound, heard_id)
    pictures.add(session, heard, attachments, now=now)
    effects = Listener(session, heard, who, answered, now).listen(intent)
    told = {"inbound_id": heard.id, "channel": channel, "sender_kind": heard.recipient_kind}
    about = {"ticket_id": heard.ticket_id} if isinstance(who, Customer) else {}
    events.publish(session, "inbound.received", at=now, **told, **about)
    return [effect for effect in effects if not (confirmed and _is_of_the_carrier(effect))]


def _answered(session: Session, message_id: int | None, who: Person | None) -> Message | None:
    """Our message that this one answers, if it went to that person: whoever forwards a mail speaks for themselves."""
    message = session.get(Message, message_id) if message_id is not None else None
    if message is None or who is None or (message.recipient_kind, message.recipient_id) != (kind_of(who), who.id):
        return None
    return message


def _is_of_the_carrier(effect: Effect) -> bool:
    return isinstance(effect, Announce) and effect.stage in _OF_THE_CARRIER
