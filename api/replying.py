"""A colleague's own words to a customer: into the outbox, where that person's wishes hold for them too."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain.errors import Conflict, SourceError
from domain.messages import Channel, MessageStage, RecipientKind
from domain.tickets import Announce, Effect, TicketState
from store import threads, timeline
from store.tables import Ticket
from tickets.lifecycle import shift

LONGEST = 1000
AWAKE = timedelta(hours=1)
"""Who has written so lately may be answered at night."""
_ANSWERED_THERE = frozenset({Channel.SMS, Channel.EMAIL, Channel.WHATSAPP})
"""Channels on which words go back as they are; after a call or on a page, the person's own preference counts."""


def reply(session: Session, ticket: Ticket, text: str, *, actor: str, once: str, now: datetime) -> list[Effect]:
    """Say `text`, on the channel that they used last. `once` tells one answer from the next: the same goes out once.

    Raises SourceError for no words or too many, and Conflict where there is no customer.
    """
    words = text.strip()
    if not words:
        raise SourceError("there are no words to send", key="text")
    if len(words) > LONGEST:
        raise SourceError(f"the answer has {len(words)} characters", cure=f"at most {LONGEST} go out", key="text")
    if ticket.customer_id is None:
        raise Conflict(f"ticket {ticket.id} has no customer to answer")
    heard = threads.last_of_them(session, RecipientKind.CUSTOMER, ticket.customer_id)
    details: dict[str, Any] = {"text": words, "customer_id": ticket.customer_id}
    if heard is not None and heard.channel in _ANSWERED_THERE:
        details["channel"] = heard.channel
    details["awake"] = heard is not None and now - heard.at <= AWAKE
    timeline.note(session, ticket.id, "agent_reply", at=now, actor=actor, text=words)
    if ticket.state == TicketState.PENDING_AGENT:
        shift(session, ticket, TicketState.PENDING_CUSTOMER, actor=actor, now=now, reason="answered")
    return [Announce(ticket.id, MessageStage.AGENT_REPLY, once, details)]
