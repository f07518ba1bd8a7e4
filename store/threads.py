"""One person's conversation: what we sent and what they wrote, on every channel, as one thread. Only reads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.orm import Session

from domain.messages import REACHED, MessageStage, RecipientKind
from store import pictures
from store.tables import Attachment, Inbound, Message


@dataclass(frozen=True, slots=True)
class Said:
    """One thing in it. `id` is m and the message's number, or i and the inbound's."""

    id: str
    at: datetime
    outgoing: bool
    channel: str
    """Empty for a message that has none yet."""
    text: str
    subject: str
    ticket_id: int | None
    state: str
    """Of an outgoing message, a MessageState; empty for theirs."""
    stage: str
    """Of an outgoing message."""
    reason: str
    """Why an outgoing message is where it is."""
    intent: str
    """What theirs was understood as; empty for ours."""
    automatic: bool = False
    pictures: Sequence[Attachment] = field(default_factory=tuple)


Place = tuple[datetime, str, int]
"""Where one stands in the thread: its time, "i" or "m", and its number."""


def of_person(
    session: Session,
    kind: RecipientKind,
    person_id: str,
    *,
    limit: int = 100,
    before: Place | None = None,
    ticket_id: int | None = None,
) -> list[tuple[Place, Said]]:
    """The newest `limit` of it (before a place; about one ticket alone), oldest first, each with its place.

    A message of ours belongs to it once it was submitted, or while a colleague's own words wait.
    """
    ours, theirs = _ours(kind, person_id), _theirs(kind, person_id)
    if ticket_id is not None:
        ours, theirs = ours.where(Message.ticket_id == ticket_id), theirs.where(Inbound.ticket_id == ticket_id)
    places = union_all(ours, theirs).subquery()
    at, which, number = places.c.at, places.c.which, places.c.number
    query = select(at, which, number)
    if before is not None:
        then, side, row = before
        same = at == literal(then, Inbound.at.type)
        later = (which < side) | ((which == side) & (number < row))
        query = query.where((at < literal(then, Inbound.at.type)) | (same & later))
    found = session.execute(query.order_by(at.desc(), which.desc(), number.desc()).limit(limit)).all()
    newest_first = [(row.at, row.which, row.number) for row in found]
    return _read(session, list(reversed(newest_first)))


def last_of_us(
    session: Session, kind: RecipientKind, person_id: str, *, stages: Collection[str] = (), channel: str | None = None
) -> Message | None:
    """The last message that reached them, of these stages and on this channel where any are named."""
    query = select(Message).where(
        Message.recipient_kind == kind, Message.recipient_id == person_id, Message.state.in_(REACHED)
    )
    if stages:
        query = query.where(Message.stage.in_(stages))
    if channel is not None:
        query = query.where(Message.channel == channel)
    return session.scalars(query.order_by(Message.accepted_at.desc(), Message.id.desc()).limit(1)).first()


def last_of_them(session: Session, kind: RecipientKind, person_id: str) -> Inbound | None:
    """The last that this person wrote, machines aside."""
    query = select(Inbound).where(
        Inbound.recipient_kind == kind, Inbound.recipient_id == person_id, Inbound.automatic.is_(False)
    )
    return session.scalars(query.order_by(Inbound.at.desc(), Inbound.id.desc()).limit(1)).first()


def _ours(kind: RecipientKind, person_id: str) -> Select[datetime, str, int]:
    when = func.coalesce(Message.accepted_at, Message.created_at, type_=Inbound.at.type).label("at")
    submitted = Message.body.is_not(None) | (Message.stage == MessageStage.AGENT_REPLY)
    query = select(when, literal("m").label("which"), Message.id.label("number"))
    return query.where(Message.recipient_kind == kind, Message.recipient_id == person_id, submitted)


def _theirs(kind: RecipientKind, person_id: str) -> Select[datetime, str, int]:
    query = select(Inbound.at.label("at"), literal("i").label("which"), Inbound.id.label("number"))
    return query.where(Inbound.recipient_kind == kind, Inbound.recipient_id == person_id)


def _read(session: Session, places: Sequence[Place]) -> list[tuple[Place, Said]]:
    ours = {number for _, which, number in places if which == "m"}
    theirs = {number for _, which, number in places if which == "i"}
    messages = {row.id: row for row in session.scalars(select(Message).where(Message.id.in_(ours)))}
    inbound = {row.id: row for row in session.scalars(select(Inbound).where(Inbound.id.in_(theirs)))}
    shown = pictures.of_inbound(session, theirs)
    return [
        (place, _outgoing(messages[place[2]], at=place[0]))
        if place[1] == "m"
        else (place, _incoming(inbound[place[2]], shown.get(place[2], ())))
        for place in places
    ]


def _outgoing(row: Message, *, at: datetime) -> Said:
    return Said(
        id=f"m{row.id}",
        at=at,
        outgoing=True,
        channel=row.channel or str(row.details.get("channel") or ""),
        text=row.body or str(row.details.get("text") or ""),
        subject=row.subject or "",
        ticket_id=row.ticket_id,
        state=row.state,
        stage=row.stage,
        reason=row.reason or "",
        intent="",
    )


def _incoming(row: Inbound, shown: Sequence[Attachment]) -> Said:
    return Said(
        id=f"i{row.id}",
        at=row.at,
        outgoing=False,
        channel=row.channel,
        text=row.body,
        subject="",
        ticket_id=row.ticket_id,
        state="",
        stage="",
        reason="",
        intent=row.intent,
        automatic=row.automatic,
        pictures=tuple(shown),
    )
