"""What providers report later, written to the message it is about; late and repeated reports move nothing."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import REACHED, MessageState, advances
from domain.outbox import Receipt
from store import deliveries
from store.locking import locked
from store.tables import Message


def receipt(session: Session, told: Receipt, *, now: datetime, message_id: int | None = None) -> bool:
    """Note what a provider says later. False if no message of ours is meant; a late or repeated receipt moves nothing.

    A receipt proves that a submission of unknown outcome was taken, so it also ends a doubt. One that says that the
    address will never do sends the message on to the person's next channel.
    """
    which = Message.id == message_id if message_id else Message.provider_id == told.provider_id
    # Two receipts at once: the second looks at what the first has made of the message.
    message = session.scalars(locked(select(Message).where(which))).first()
    if message is None or (message.provider_id and message.provider_id != told.provider_id):
        return False
    state = MessageState(message.state)
    deliveries.attempt(session, message, "receipt", outcome=told.state, code=told.code, detail=told.detail, at=now)
    if not advances(state, told.state) or not deliveries.concerns(session, message, told):
        return True
    deliveries.take_acceptance(session, message, told, at=now)
    if told.state is not MessageState.ACCEPTED:
        deliveries.settle(session, message, told.state, reason=told.detail or None, at=now)
    if told.refusal and message.channel and told.state not in REACHED:
        deliveries.refuse_channel(
            session, message, refusal=told.refusal, provider_id=told.provider_id, detail=told.detail, at=now
        )
        deliveries.on_to_the_next_channel(message)
    return True
