"""What a message row goes through: attempts, acceptance, settled states, and their echo in timeline and feed."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from domain.messages import BAD_NEWS, REACHED, Channel, MessageStage, MessageState, RecipientKind, Refusal
from domain.outbox import Receipt
from store import consent, due, events, timeline
from store.appending import append
from store.tables import Message, MessageAttempt

_UNHEARD = frozenset({MessageState.FAILED, MessageState.DEAD, MessageState.UNDELIVERED, MessageState.EXPIRED})
_UNREACHABLE = frozenset({Refusal.NO_CHANNEL, Refusal.OPTED_OUT, Refusal.WRONG_PERSON})

RUNG = "rung"
"""The kind of appointment at which a ladder is looked at; its ref is the message at the bottom."""
GIVEN_UP = "given_up"
"""The kind of attempt that says: not on this channel."""
TRIED_AGAIN = "tried_again"
"""The kind of attempt that says: this submission did not arrive, another follows on the same channel."""
_ATTEMPT = insert(MessageAttempt.__table__)  # type: ignore[arg-type]

FOR_GOOD = frozenset({Refusal.BAD_ADDRESS, Refusal.OPTED_OUT})
"""Refusals that the consent ledger keeps, so that nothing is sent there again."""


def take_acceptance(session: Session, message: Message, told: Receipt, *, at: datetime) -> None:
    """Once, whichever comes first: the provider's answer, a look-up, or a receipt."""
    message.provider_id = told.provider_id
    if message.accepted_at is None:
        message.accepted_at = at
        settle(session, message, MessageState.ACCEPTED, reason=None, at=at)


def concerns(session: Session, message: Message, told: Receipt) -> bool:
    """Whether a receipt is about what the message is now: bad news about the submission it stands on, good news about
    any but one that was given up for another channel. That one is on its way is no news once it is tried again.
    """
    if told.state not in REACHED:
        return message.provider_id == told.provider_id
    past = (GIVEN_UP,) if told.state is MessageState.DELIVERED else (GIVEN_UP, TRIED_AGAIN)
    over = select(MessageAttempt.id).where(
        MessageAttempt.message_id == message.id,
        MessageAttempt.kind.in_(past),
        MessageAttempt.detail == told.provider_id,
    )
    return session.scalar(over.limit(1)) is None


def refuse_channel(
    session: Session, message: Message, *, refusal: Refusal, at: datetime, provider_id: str = "", detail: str = ""
) -> None:
    """Not on this channel. Where the address will never do, the ledger knows it from now on; a STOP that the carrier
    knew of stands there as a wish.
    """
    attempt(session, message, GIVEN_UP, outcome=refusal, detail=provider_id, at=at)
    message.refused_channels = [*message.refused_channels, message.channel]
    if message.channel is None or refusal not in FOR_GOOD:
        return
    consent.record(
        session,
        RecipientKind(message.recipient_kind),
        message.recipient_id,
        channels=[Channel(message.channel)],
        granted=False,
        source=_source(refusal, Channel(message.channel)),
        actor=f"provider:{message.provider}",
        evidence=f"message {message.id}: {detail or refusal}",
        address=message.address,
        now=at,
    )


def _source(refusal: Refusal, channel: Channel) -> consent.Source:
    if refusal is Refusal.OPTED_OUT:
        return consent.Source.CARRIER
    return consent.Source.BOUNCE if channel is Channel.EMAIL else consent.Source.DEAD_NUMBER


def on_to_the_next_channel(message: Message) -> None:
    """If there is none left, the sender lets it fail."""
    message.channel = None
    once_more(message)


def once_more(message: Message) -> None:
    """As if it had not been submitted: all that it says is checked again before it goes out."""
    message.state, message.lease_until = MessageState.READY, None
    message.provider_id, message.accepted_at, message.finished_at = None, None, None


def attempt(
    session: Session, message: Message, kind: str, *, outcome: str, at: datetime, code: str = "", detail: str = ""
) -> None:
    append(
        session,
        _ATTEMPT,
        message_id=message.id,
        kind=kind,
        outcome=str(outcome),
        code=code,
        detail=detail[:500],
        at=at,
    )


def settle(
    session: Session,
    message: Message,
    state: MessageState,
    *,
    reason: str | None,
    at: datetime,
    refusal: Refusal | None = None,
) -> None:
    """A state in which the sender leaves it alone."""
    message.state, message.reason, message.lease_until = state, reason, None
    message.finished_at = at
    if state in _UNHEARD or (state == MessageState.SUPPRESSED and refusal in _UNREACHABLE):
        _look_whether_anybody_knows(session, message, at=at)
    if state not in REACHED and message.ladder_over is None:
        # Its ladder need not wait for what will not come.
        due.hasten(session, RUNG, message.ladder or message.id, at=at)
    tell(session, message, state, at=at, reason=reason, refusal=refusal)


def _look_whether_anybody_knows(session: Session, message: Message, *, at: datetime) -> None:
    """If a warning ended unheard, `tickets.unreached` looks whether another was heard."""
    parts = select(Message).where(Message.folded_into == message.id)
    whole = session.scalars(parts).all() if message.stage == MessageStage.DIGEST else [message]
    for one in whole:
        if one.stage in BAD_NEWS and one.recipient_kind == RecipientKind.CUSTOMER and one.ticket_id is not None:
            due.ensure(session, "unreached", one.ticket_id, at=at)


def tell(
    session: Session,
    message: Message,
    what: str,
    *,
    at: datetime,
    reason: str | None = None,
    refusal: Refusal | None = None,
) -> None:
    """Timeline and feed. The feed is read by screens that not everybody may see: no addresses, no texts."""
    short: dict[str, Any] = {"message_id": message.id, "stage": message.stage, "to": message.recipient_kind}
    if message.channel:
        short["channel"] = message.channel
    if refusal:
        short["refusal"] = str(refusal)
    events.publish(session, f"message.{what}", at=at, ticket_id=message.ticket_id, **short)
    if message.ticket_id is None:
        return
    texts = {"reason": reason, "body": message.body if what == MessageState.ACCEPTED else None}
    detail = {**short, **{key: text for key, text in texts.items() if text}}
    timeline.note(session, message.ticket_id, f"message_{what}", at=at, actor="notify", **detail)
