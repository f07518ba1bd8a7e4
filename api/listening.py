"""One message of a person on its way: what it means, which ticket it is about, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.senders import Person, at_address, kind_of, looping
from api.views.times import zone_of
from domain.messages import Channel, MessageStage, Purpose, RecipientKind, ReplyIntent
from domain.tickets import Announce, Effect
from notify.absences import away_until
from notify.questions import ASKING
from notify.replies import meant, picked, understand
from store import consent, due, events, people, pictures, threads, timeline
from store.tables import Customer, Device, Inbound, Message, Ticket
from tickets import service, subjects
from tickets.answers import back_on, coming, was_told

WAITS_FOR_CHOICE = timedelta(minutes=30)
"""So long words wait to be told which thing they are about; then a person reads them."""
_COSTLY = frozenset({ReplyIntent.FIXED, ReplyIntent.SEND_SOMEONE, ReplyIntent.FALSE_ALARM, ReplyIntent.NOT_MINE})
"""What must not go to the wrong ticket; anything else is read by a person, or does no harm there."""
_WRITTEN = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.EMAIL})
"""Where machines answer machines; keys of a telephone and taps on a page are a person's."""
_WISHES = frozenset({ReplyIntent.STOP, ReplyIntent.START})
_ONCE_IN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom it came from (None: a stranger), and which message of ours it answers, as far as that is plain."""

    session: Session
    heard: Inbound
    who: Person | None
    answered: Message | None
    now: datetime

    def listen(self, intent: ReplyIntent | None) -> Sequence[Effect]:
        """Understand it, unless `intent` is known, and let it do what it asks for."""
        heard, who = self.heard, self.who
        if heard.automatic:
            return []
        things = subjects.things_of(self.session, who.id) if isinstance(who, Customer) else []
        asked = self._asked()
        heard.intent = intent = intent or self._understood(things, asked)
        if intent in _WISHES:
            return self._wish(who, stop=intent is ReplyIntent.STOP)
        if who is not None and heard.channel in _WRITTEN and (why := looping(self.session, heard, now=self.now)):
            return self._is_machine(why)
        if not isinstance(who, Customer):
            return []
        waiting = self._waiting(asked)
        if asked is not None and waiting is not None:
            return self._picked(who, asked, waiting, intent)
        return self._sorted(who, things, intent)

    def _understood(self, things: Sequence[subjects.Thing], asked: Message | None) -> ReplyIntent:
        heard, who = self.heard, self.who
        if not heard.body.strip() and pictures.of_inbound(self.session, [heard.id]):
            return ReplyIntent.PHOTO
        return understand(
            heard.body,
            language=who.language if who else "en",
            asked=MessageStage(asked.stage) if asked else None,
            nouns=[noun for thing in things for noun in thing.nouns],
            name=who.name if who else "",
            today=self.now.astimezone(self._zone()).date(),
        )

    def _asked(self) -> Message | None:
        """The question that a digit answers: of the message answered, else the last that asked on their thread."""
        heard = self.heard
        if self.answered is not None:
            return self.answered
        if heard.recipient_kind is None or heard.recipient_id is None:
            return None
        person = RecipientKind(heard.recipient_kind), heard.recipient_id
        # On their page they see what came on every channel.
        channel = None if heard.channel == "web" else heard.channel
        last = threads.last_of_us(self.session, *person, stages=ASKING, channel=channel)
        if last is not None and last.stage == MessageStage.WHICH_ONE and self._waiting(last) is None:
            # Settled: what counts again is the question before.
            stages = ASKING - {MessageStage.WHICH_ONE}
            last = threads.last_of_us(self.session, *person, stages=stages, channel=channel)
        return last

    def _sorted(self, who: Customer, things: Sequence[subjects.Thing], intent: ReplyIntent) -> Sequence[Effect]:
        """To its ticket; where that is not plain and would matter, a question back."""
        heard = self.heard
        if heard.ticket_id is None:
            which = self._subject(who, things, intent)
            heard.ticket_id = which.ticket_id
            if len(which.choices) > 1 and intent in _COSTLY:
                if len(which.choices) <= subjects.MOST_CHOICES:
                    return self._ask([thing for thing in things if thing.ticket_id in which.choices])
                heard.intent = intent = ReplyIntent.UNCLEAR
            heard.ticket_id = heard.ticket_id or next(iter(which.choices), None)
        return self._hand_over(who, heard, intent)

    def _subject(self, who: Customer, things: Sequence[subjects.Thing], intent: ReplyIntent) -> subjects.Subject:
        pairs = [(thing.ticket_id, noun) for thing in things for noun in thing.nouns]
        named = {pairs[place][0] for place in meant(self.heard.body, [noun for _, noun in pairs])}
        if not named and intent is ReplyIntent.WHEN:
            tickets = (self.session.get_one(Ticket, thing.ticket_id) for thing in things)
            named = {ticket.id for ticket in tickets if coming(self.session, ticket)}
        return subjects.subject(
            self.session, who.id, channel=self.heard.channel, things=things, named=named, now=self.now
        )

    def _ask(self, offered: Sequence[subjects.Thing]) -> Sequence[Effect]:
        """Which one? Asked once; the words wait in their row, and the answer takes them to their ticket."""
        tickets, number = [thing.ticket_id for thing in offered], self.heard.id
        choices = {"choices": subjects.labels(offered), "tickets": tickets, "inbound_id": number}
        due.schedule(self.session, "which_one", number, at=self.now + WAITS_FOR_CHOICE, ticket_id=tickets[0])
        details = {**back_on(self.heard.channel), **choices}
        return [Announce(tickets[0], MessageStage.WHICH_ONE, str(number), details)]

    def _waiting(self, asked: Message | None) -> Inbound | None:
        """The words that wait for the answer to this question, if it is such a question."""
        if asked is None or asked.stage != MessageStage.WHICH_ONE:
            return None
        waiting = self.session.get(Inbound, asked.details["inbound_id"])
        return waiting if waiting is not None and waiting.ticket_id is None else None

    def _picked(self, who: Customer, asked: Message, waiting: Inbound, intent: ReplyIntent) -> Sequence[Effect]:
        """The waiting words go where this answer says; where it says nothing plain, a person reads both."""
        tickets: list[int] = asked.details["tickets"]
        place = picked(self.heard.body, asked.details["choices"])
        due.cancel(self.session, "which_one", waiting.id)
        if place is None:
            waiting.ticket_id = self.heard.ticket_id = tickets[0]
            waiting.intent = ReplyIntent.UNCLEAR
            both = (
                (waiting, ReplyIntent.UNCLEAR),
                (self.heard, intent if intent not in _COSTLY else ReplyIntent.UNCLEAR),
            )
            return [effect for one, meaning in both for effect in self._hand_over(who, one, meaning)]
        waiting.ticket_id = self.heard.ticket_id = tickets[place]
        if intent is not ReplyIntent.UNCLEAR:
            # "The boiler is fixed" says both; what it answers is said.
            return self._hand_over(who, self.heard, intent)
        return self._hand_over(who, waiting, ReplyIntent(waiting.intent))

    def _hand_over(self, who: Customer, one: Inbound, intent: ReplyIntent) -> Sequence[Effect]:
        ticket = self.session.get(Ticket, one.ticket_id) if one.ticket_id is not None else None
        if ticket is not None and ticket.customer_id != who.id and not was_told(self.session, ticket, who.id):
            # Whose it is has changed since: their words are theirs, and find their own way.
            one.ticket_id = None
        about, effects = service.on_reply(
            self.session,
            customer_id=who.id,
            ticket_id=one.ticket_id,
            intent=intent,
            text=one.body,
            channel=one.channel,
            inbound_id=one.id,
            until=self._until(one) if intent is ReplyIntent.AWAY else None,
            now=self.now,
        )
        one.ticket_id = about
        return effects

    def _wish(self, who: Person | None, *, stop: bool) -> Sequence[Effect]:
        """Theirs, and that of everybody with the same number or address: it is the phone that is to be left alone."""
        effects: Sequence[Effect] = []
        if isinstance(who, Customer):
            effects = self._hand_over(who, self.heard, ReplyIntent(self.heard.intent))
        for other in at_address(self.session, self.heard.channel, self.heard.address):
            if not (isinstance(other, Customer) and other is who):
                self._record(other, stop=stop)
        return effects

    def _record(self, other: Person, *, stop: bool) -> None:
        kind = kind_of(other) or RecipientKind.CUSTOMER
        read = people.customer if kind is RecipientKind.CUSTOMER else people.technician
        channel, person = Channel(self.heard.channel), read(self.session, other.id)
        if all(person.refuses(channel, purpose) is stop for purpose in Purpose):
            return
        consent.record(
            self.session,
            kind,
            other.id,
            channels=[channel],
            granted=not stop,
            source=consent.Source.STOP if stop else consent.Source.START,
            actor=f"{kind}:{other.id}",
            evidence=self.heard.body,
            now=self.now,
        )
        said = "opted_out" if stop else "opted_in"
        events.publish(self.session, f"{kind}.{said}", at=self.now, **{f"{kind}_id": other.id})

    def _is_machine(self, why: str) -> Sequence[Effect]:
        """Kept and not answered; an agent sees it once a day on the ticket it is about."""
        heard = self.heard
        heard.automatic = True
        same = (Inbound.recipient_kind == heard.recipient_kind) & (Inbound.recipient_id == heard.recipient_id)
        earlier = select(Inbound.id).where(same, Inbound.automatic, Inbound.id != heard.id)
        seen = self.session.scalar(earlier.where(Inbound.at > self.now - _ONCE_IN).limit(1))
        if heard.ticket_id is None:
            kind, person_id = RecipientKind(heard.recipient_kind or ""), heard.recipient_id or ""
            last = threads.last_of_us(self.session, kind, person_id)
            heard.ticket_id = last.ticket_id if last else None
        if seen is None and heard.ticket_id is not None:
            actor = f"{heard.recipient_kind}:{heard.recipient_id}"
            timeline.note(self.session, heard.ticket_id, "answers_stopped", at=self.now, actor=actor, reason=why)
        return []

    def _until(self, one: Inbound) -> datetime | None:
        """The first moment of the day on which they are back, where they are."""
        zone, language = self._zone(), self.who.language if self.who else "en"
        day = away_until(one.body, language=language, today=self.now.astimezone(zone).date())
        return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) if day else None

    def _zone(self) -> ZoneInfo:
        if self.who is None:
            return ZoneInfo("UTC")
        home = select(Device.timezone).where(Device.customer_id == self.who.id, Device.timezone.is_not(None)).limit(1)
        return zone_of(self.who.timezone, self.session.scalar(home))
