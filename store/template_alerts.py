"""A broken template is told to the dispatcher: one message a day for each, however many messages it spoils."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain.messages import MessageStage
from domain.tickets import Announce
from store import planning
from store.tables import Message, Meta
from store.upsert import insert


def alert(session: Session, message: Message, *, template: str, problem: str, now: datetime) -> None:
    """Plan the word to the dispatcher at the ticket of the first message spoiled that day (UTC)."""
    if message.ticket_id is None or not _first_today(session, template, day=now.date().isoformat()):
        return
    details = {"template": template, "problem": problem[:300].rstrip(".")}
    announce = Announce(message.ticket_id, MessageStage.TEMPLATE_BROKEN, f"{template} {now.date()}", details)
    planning.plan(session, announce, now=now)


def _first_today(session: Session, template: str, *, day: str) -> bool:
    """One statement, so that of two senders at one moment one is the first."""
    first = insert(session, Meta).values(key=f"template_alert:{template}", value=day)
    told = first.on_conflict_do_update(index_elements=[Meta.key], set_={"value": day}, where=Meta.value != day)
    return session.scalar(told.returning(Meta.key)) is not None
