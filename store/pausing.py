"""All sending stopped by a person: who did it, when and why, and what waits meanwhile."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.clock import iso, parse_iso
from domain.messages import MessageState
from store import events, meta
from store.outbox import NOT_PAUSED, SENDING_PAUSED
from store.tables import Message

_WAITING = (MessageState.HELD, MessageState.READY)


@dataclass(frozen=True, slots=True)
class Pause:
    """Whether sending is paused; where it is, since when, by whom and why, as far as anybody has said."""

    paused: bool
    since: datetime | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages of one stage that have not gone out."""

    stage: str
    count: int
    oldest: datetime


def pause(session: Session, *, by: str, reason: str, now: datetime) -> None:
    """Nothing goes out from now on, danger included. A pause that is on already keeps its beginning."""
    if not state(session).paused:
        meta.put(session, SENDING_PAUSED, json.dumps({"since": iso(now), "by": by, "reason": reason}))
        events.publish(session, "messages.paused", at=now)


def resume(session: Session, *, now: datetime) -> None:
    """What waits goes out, each as far as it is still true."""
    if state(session).paused:
        meta.put(session, SENDING_PAUSED, None)
        events.publish(session, "messages.resumed", at=now)


def state(session: Session) -> Pause:
    """Whether it is paused."""
    value = meta.get(session, SENDING_PAUSED)
    if value in NOT_PAUSED:
        return Pause(paused=False)
    try:
        told = json.loads(str(value))
        return Pause(paused=True, since=parse_iso(told["since"]), by=told["by"], reason=told["reason"])
    except (ValueError, TypeError, KeyError):
        # Set by hand, or before it was kept who did.
        return Pause(paused=True)


def waiting(session: Session) -> list[Queue]:
    """What waits, by stage, the most first."""
    count, oldest = func.count(Message.id), func.min(Message.created_at)
    query = select(Message.stage, count, oldest).where(Message.state.in_(_WAITING)).group_by(Message.stage)
    return [Queue(stage, number, since) for stage, number, since in session.execute(query.order_by(count.desc()))]
