"""How much news went to a person today: what a cap is measured by, counted alike at decision and at submission."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.messages import ANSWERS, REACHED, Channel, MessageStage, MessageState, Purpose, RecipientKind
from domain.outbox import Pending
from domain.people import Recipient
from store.foresight import WRITTEN, absent
from store.tables import Customer, Message

_SAID = REACHED | {MessageState.SUBMITTING, MessageState.IN_DOUBT, MessageState.UNDELIVERED}


@dataclass(frozen=True, slots=True)
class Today:
    """A person's day so far, on their own calendar."""

    said: Mapping[Channel, int] = field(default_factory=dict)
    """News by channel; answers, appointments, danger and summaries do not count."""
    summarised: frozenset[date] = frozenset()
    """Days whose summary has gone, or is no longer open."""


def today_of(session: Session, person: Recipient, *, now: datetime, but: int = 0) -> Today:
    """What went to `person` today, without message `but`."""
    if person.kind is not RecipientKind.CUSTOMER or absent(session, WRITTEN, person.kind, person.id):
        return Today()
    zone = ZoneInfo(person.timezone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(0), tzinfo=zone)
    said, summarised = Counter[Channel](), set[date]()
    query = select(Message.stage, Message.state, Message.channel, Message.occurrence).where(
        Message.recipient_kind == person.kind,
        Message.recipient_id == person.id,
        Message.purpose == Purpose.SERVICE,
        Message.id != but,
        func.coalesce(Message.accepted_at, Message.not_before) >= midnight,
    )
    for stage, state, channel, occurrence in session.execute(query):
        if stage == MessageStage.DIGEST:
            if state != MessageState.HELD:
                summarised.add(date.fromisoformat(occurrence))
        elif stage not in ANSWERS and state in _SAID and channel:
            said[Channel(channel)] += 1
    return Today(said, frozenset(summarised))


def hold_people(session: Session, decided: Iterable[Pending]) -> None:
    """Until this transaction ends, nobody else decides on these people; in one order for all, against deadlock."""
    people = (one.brief.recipient for one in decided)
    ids = {person.id for person in people if person.kind is RecipientKind.CUSTOMER}
    session.execute(
        select(Customer.id).where(Customer.id.in_(ids)).order_by(Customer.id).with_for_update(key_share=True)
    )


def has_room(session: Session, pending: Pending, channel: Channel, *, now: datetime) -> bool:
    """Whether the cap that the decision on `pending` saw still has room for it on `channel`; the person is held."""
    brief = pending.brief
    if not _counts(pending) or channel not in brief.caps:
        return True
    said = today_of(session, brief.recipient, now=now, but=pending.id).said
    return said.get(channel, 0) < brief.caps[channel]


def _counts(pending: Pending) -> bool:
    """Whether it is news that a cap may keep back."""
    brief, stage = pending.brief, pending.stage
    is_news = pending.purpose is Purpose.SERVICE and stage not in ANSWERS and stage is not MessageStage.DIGEST
    return is_news and brief.severity is not Severity.SAFETY and brief.recipient.kind is RecipientKind.CUSTOMER
