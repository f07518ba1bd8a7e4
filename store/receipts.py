"""What providers report later, written to the message it is about; late and repeated reports move nothing."""

import random
import time
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.delivery import next_try_s
from domain.lines import Line
from domain.messages import REACHED, Channel, MessageState, Refusal, advances
from domain.outbox import Receipt
from store import deliveries, lines
from store.locking import locked
from store.tables import Message


def receipt(
    session: Session, told: Receipt, *, now: datetime, message_id: int | None = None, provider: str | None = None
) -> bool:
    """Note what a provider says later. False if no message of ours is meant, or another `provider` has it by now; a
    late or repeated receipt moves nothing.

    A receipt proves that a submission of unknown outcome was taken, so it also ends a doubt. After bad news the message
    is tried again where that may help, else it goes on to the person's next channel.
    """
    which = Message.id == message_id if message_id else Message.provider_id == told.provider_id
    # Two receipts at once: the second looks at what the first has made of the message.
    message = session.scalars(locked(select(Message).where(which))).first()
    if message is None or (message.provider_id and message.provider_id != told.provider_id):
        return False
    if message.provider_id is None and provider not in {None, message.provider}:
        return False
    state = MessageState(message.state)
    deliveries.attempt(session, message, "receipt", outcome=told.state, code=told.code, detail=told.detail, at=now)
    if not advances(state, told.state) or not deliveries.concerns(session, message, told):
        return True
    deliveries.take_acceptance(session, message, told, at=now)
    if told.state is not MessageState.ACCEPTED:
        deliveries.settle(session, message, told.state, reason=told.detail or None, at=now)
    if told.refusal and message.channel and told.state not in REACHED:
        _after_bad_news(session, message, told, told.refusal, channel=Channel(message.channel), now=now)
    return True


def _after_bad_news(
    session: Session, message: Message, told: Receipt, refusal: Refusal, *, channel: Channel, now: datetime
) -> None:
    pause_s = next_try_s(refusal, channel=channel, attempt=message.attempts - message.forgiven)
    if pause_s is not None:
        # Tenths of jitter, so that a thousand messages do not come back in one second.
        message.not_before = now + timedelta(seconds=pause_s * random.uniform(0.9, 1.1))
        deliveries.attempt(session, message, deliveries.TRIED_AGAIN, outcome=refusal, detail=told.provider_id, at=now)
        deliveries.once_more(message)
        return
    if refusal is Refusal.MISCONFIGURED and message.provider:
        line = Line(message.provider, message.sender or "", message.country or "")
        lines.trip(session, line, told.detail or str(refusal), now=now, wall_s=time.time())
    deliveries.refuse_channel(
        session, message, refusal=refusal, provider_id=told.provider_id, detail=told.detail, at=now
    )
    deliveries.on_to_the_next_channel(message)
