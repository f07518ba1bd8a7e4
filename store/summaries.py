"""Summaries: several messages to one person in one. Each keeps its row and says in which summary it stands."""

from collections.abc import Collection, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.messages import Channel, MessageStage, MessageState, Refusal
from domain.outbox import Pending
from store import deliveries, events, timeline
from store.tables import Message, Ticket, TimelineEntry

OVERRIDE = "safety_override"
"""Kind of the timeline's entry on a warning of danger that passed over what keeps others back."""


def fold(
    session: Session,
    message: Message,
    pending: Pending,
    *,
    until: datetime,
    refusal: Refusal,
    reason: str,
    now: datetime,
) -> None:
    """Let `message` stand in the person's open summary instead; without one, in a new one for `until`."""
    summary = _open(session, message, now=now)
    if summary is None:
        zone = ZoneInfo(pending.brief.recipient.timezone)
        summary = Message(
            stage=MessageStage.DIGEST,
            occurrence=until.astimezone(zone).date().isoformat(),
            recipient_kind=message.recipient_kind,
            recipient_id=message.recipient_id,
            details={},
            state=MessageState.HELD,
            reason="waits for its hour, and for what else there may be to say",
            not_before=until,
            created_at=now,
        )
        session.add(summary)
        session.flush()
        events.publish(session, "message.planned", at=now, message_id=summary.id, ticket_id=None, stage=summary.stage)
    summary.not_before = min(summary.not_before, until)
    message.folded_into = summary.id
    deliveries.settle(session, message, MessageState.SUPPRESSED, reason=reason, refusal=refusal, at=now)


def parts_of(session: Session, message: Message) -> Sequence[Message]:
    """What stands in a summary."""
    if message.stage != MessageStage.DIGEST:
        return []
    return session.scalars(select(Message).where(Message.folded_into == message.id).order_by(Message.id)).all()


def told_by(session: Session, message: Message) -> tuple[MessageState, Channel | None]:
    """How far a message got and where: by itself, or in the summary in which it stands."""
    summary = session.get(Message, message.folded_into) if message.folded_into else None
    told = summary or message
    return MessageState(told.state), Channel(told.channel) if told.channel else None


def released(
    session: Session, message: Message, *, overrides: Sequence[Refusal], parts: Collection[int], now: datetime
) -> None:
    """What its release leaves behind: what of a summary turned out untrue, and what danger has passed over."""
    for part in parts_of(session, message):
        if part.id not in parts:
            part.folded_into, part.reason = None, "no longer so when the summary went out; left out of it"
    if overrides and message.ticket_id is not None and not _is_noted(session, message):
        ticket = session.get_one(Ticket, message.ticket_id)
        timeline.note(
            session,
            ticket.id,
            OVERRIDE,
            at=now,
            actor="notify",
            message_id=message.id,
            rule=ticket.rule or "",
            passed=[str(one) for one in overrides],
            reason=f"it is about danger, so it passed over: {', '.join(one.replace('_', ' ') for one in overrides)}",
        )


def _open(session: Session, message: Message, *, now: datetime) -> Message | None:
    """The person's summary that still waits for its hour: nobody has begun to write it."""
    query = select(Message).where(
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.stage == MessageStage.DIGEST,
        Message.state == MessageState.HELD,
        Message.not_before > now,
    )
    return session.scalars(query.order_by(Message.id).limit(1).with_for_update()).first()


def _is_noted(session: Session, message: Message) -> bool:
    query = select(TimelineEntry.detail).where(
        TimelineEntry.ticket_id == message.ticket_id, TimelineEntry.kind == OVERRIDE
    )
    return any(detail.get("message_id") == message.id for detail in session.scalars(query))
