"""How much news went to a person today: what a cap is measured by, counted alike at decision and at submission."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.messages import ANSWERS, REACHED, UPDATES, Channel, MessageStage, MessageState, Purpose, RecipientKind
from domain.outbox import Pending
from domain.people import Recipient
from store.foresight import WRITTEN, absent
from store.tables import Customer, Message

A_DAY = timedelta(days=1)
_SAID = REACHED | {MessageState.SUBMITTING, MessageState.IN_DOUBT, MessageState.UNDELIVERED}


@dataclass(frozen=True, slots=True)
class Today:
    """A person's day so far, on their own calendar."""

    said: Mapping[Channel, int] = field(default_factory=dict)
    """News by channel; answers, appointments, danger and summaries do not count."""
    summarised: frozenset[date] = frozenset()
    """Days whose summary has gone, or is no longer open."""
    updates: frozenset[tuple[int | None, str, str]] = frozenset()
    """Ticket, stage and occurrence of the updates within a day."""


class _News(NamedTuple):
    """One message of service to one customer."""

    person_id: str
    message_id: int
    stage: str
    state: str
    channel: str | None
    occurrence: str
    ticket_id: int | None
    at: datetime


def today_of(session: Session, person: Recipient, *, now: datetime, but: int = 0) -> Today:
    """What went to `person` today, without message `but`."""
    if person.kind is not RecipientKind.CUSTOMER or absent(session, WRITTEN, person.kind, person.id):
        return Today()
    return _today(_news(session, [person.id], now=now), person, now=now, but=but)


@dataclass(slots=True)
class CapBook:
    """What one transaction knows of the days of those it decides on: held, so that nobody else decides on them."""

    session: Session
    now: datetime
    _news: dict[str, list[_News]] = field(default_factory=dict)

    def open(self, decided: Iterable[Pending]) -> None:
        """In one order for all, against deadlock."""
        people = (one.brief.recipient for one in decided)
        ids = sorted({person.id for person in people if person.kind is RecipientKind.CUSTOMER})
        if not ids:
            return
        self.session.execute(
            select(Customer.id).where(Customer.id.in_(ids)).order_by(Customer.id).with_for_update(key_share=True)
        )
        for news in _news(self.session, ids, now=self.now):
            self._news.setdefault(news.person_id, []).append(news)

    def has_room(self, pending: Pending, channel: Channel) -> bool:
        """Whether the cap that the decision on `pending` saw still has room for it on `channel`."""
        brief = pending.brief
        if not _counts(pending) or channel not in brief.caps:
            return True
        news = self._news.get(brief.recipient.id, ())
        said = _today(news, brief.recipient, now=self.now, but=pending.id).said
        return said.get(channel, 0) < brief.caps[channel]

    def count(self, pending: Pending, channel: Channel) -> None:
        """It goes out: what else this transaction decides for the same person sees it."""
        person_id, state = pending.brief.recipient.id, MessageState.SUBMITTING
        news = _News(person_id, pending.id, pending.stage, state, channel, "", None, self.now)
        self._news.setdefault(person_id, []).append(news)


def _news(session: Session, person_ids: Sequence[str], *, now: datetime) -> list[_News]:
    """Of the last day and a half, in which any calendar's today lies."""
    at = func.coalesce(Message.accepted_at, Message.not_before)
    query = select(
        Message.recipient_id,
        Message.id,
        Message.stage,
        Message.state,
        Message.channel,
        Message.occurrence,
        Message.ticket_id,
        at,
    ).where(
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.recipient_id.in_(person_ids),
        Message.purpose == Purpose.SERVICE,
        at >= now - timedelta(hours=36),
    )
    return [_News(*row) for row in session.execute(query)]


def _today(news: Iterable[_News], person: Recipient, *, now: datetime, but: int) -> Today:
    zone = ZoneInfo(person.timezone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(0), tzinfo=zone)
    said, summarised, updates = Counter[Channel](), set[date](), set[tuple[int | None, str, str]]()
    for one in news:
        if one.message_id == but:
            continue
        if one.stage in UPDATES and one.state in _SAID and one.at > now - A_DAY:
            updates.add((one.ticket_id, one.stage, one.occurrence))
        if one.at < midnight:
            continue
        if one.stage == MessageStage.DIGEST:
            if one.state != MessageState.HELD:
                summarised.add(date.fromisoformat(one.occurrence))
        elif one.stage not in ANSWERS and one.state in _SAID and one.channel:
            said[Channel(one.channel)] += 1
    return Today(said, frozenset(summarised), frozenset(updates))


def _counts(pending: Pending) -> bool:
    """Whether it is news that a cap may keep back."""
    brief, stage = pending.brief, pending.stage
    is_news = pending.purpose is Purpose.SERVICE and stage not in ANSWERS and stage is not MessageStage.DIGEST
    return is_news and brief.severity is not Severity.SAFETY and brief.recipient.kind is RecipientKind.CUSTOMER
