"""Ladders climbed: when the time of a rung has come, the rows as they are then decide who is told next, and on what.

The place of a ladder is its appointment: there is one while it goes on, and it stands on the rung that this names.
Whoever looks holds the ticket, as does whoever acknowledges, so that of the two one comes first.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.ladders import Ladder, Rung, Until, Whom
from domain.messages import BAD_NEWS, Channel, MessageStage, MessageState, Purpose, RecipientKind, Refusal
from domain.people import Recipient
from domain.tickets import OPEN_STATES, Effect
from notify.ladder import Climb, Look, Try, channels_of, ladder_of, look
from store import contacts, due, events, ladders, meta, ownership, people, timeline
from store.deliveries import RUNG
from store.locking import locked
from store.outbox import NOT_PAUSED, SENDING_PAUSED
from store.tables import Device, Due, Message, Ticket, TimelineEntry
from tickets import service
from tickets.faults import firing_of_ticket, of_ticket
from tickets.lifecycle import playbook_of

PER_STEP = 10
"""A message's `rung` is its step's number times this, and then a place among those of one step."""
_IN_A_SUMMARY = frozenset({Refusal.CAPPED, Refusal.ABSENT})
_SPOKEN = {Channel.SMS: "SMS", Channel.VOICE: "call", Channel.EMAIL: "e-mail", Channel.WHATSAPP: "WhatsApp"}


def begin(session: Session, message_ids: Sequence[int], *, now: datetime) -> None:
    """Messages were planned: those that have a ladder stand on its first rung."""
    for root in session.scalars(select(Message).where(Message.id.in_(message_ids)).order_by(Message.id)).all():
        climber = _climber(session, root, now=now)
        if climber is not None:
            climber.begin()


def on_due(session: Session, row: Due, *, now: datetime) -> list[Effect]:
    """The time of a rung has come, or something happened to it."""
    root = session.get(Message, int(row.ref))
    if root is None or root.ticket_id is None:
        return []
    # Before anything is read: whoever acknowledges holds the ticket too.
    session.scalar(locked(select(Ticket).where(Ticket.id == root.ticket_id)))
    session.refresh(root)
    climber = _climber(session, root, now=now)
    return climber.look(int(row.detail.get("step", 0))) if climber and root.ladder_over is None else []


def _climber(session: Session, root: Message, *, now: datetime) -> "_Climber | None":
    ticket = session.get(Ticket, root.ticket_id) if root.ticket_id else None
    if ticket is None or root.recipient_kind == RecipientKind.DISPATCHER:
        return None
    own = playbook_of(session, ticket).ladder
    ladder = ladder_of(MessageStage(root.stage), Severity(ticket.severity), own)
    return _Climber(session, root, ticket, ladder, now) if ladder else None


@dataclass(frozen=True, slots=True)
class _Climber:
    """One ladder, looked at in one transaction."""

    session: Session
    root: Message
    ticket: Ticket
    ladder: Ladder
    now: datetime

    def begin(self) -> None:
        """The bottom rung's channels are the message's; where they are several, each has a row."""
        first = self.ladder.rungs[0]
        if first.channels:
            # Somebody without any of them is told where they can be.
            person = self._person(RecipientKind(self.root.recipient_kind), self.root.recipient_id)
            fixed = channels_of(first, person, purpose=Purpose(self.root.purpose))
            self.root.only_channel = fixed[0] if fixed else None
            self._add(person, 0, fixed[1:], beside=1)
        due.ensure(self.session, RUNG, self.root.id, at=_later(max(self.now, self.root.not_before), first), step=0)

    def look(self, step: int) -> list[Effect]:
        """Wait on, be content, or climb; it stands on rung `step` of the ladder, counted from 0."""
        if step >= len(self.ladder.rungs) or (self._bad_news and self.ticket.state not in OPEN_STATES):
            return []
        rows = ladders.messages_of(self.session, self.root.id)
        mine = [row for row in rows if row.rung // PER_STEP == step]
        if withheld := self._withheld(step, mine):
            return self._said_later(mine) if withheld <= _IN_A_SUMMARY else []
        rung, first = self.ladder.rungs[step], ladders.first_tried(self.session, mine)
        tries = [_try(row, first.get(row.id)) for row in mine]
        match look(rung, tries, true_now=self._true_now(), paused=self._paused(mine), now=self.now):
            case Look(at):
                due.ensure(self.session, RUNG, self.root.id, at=at, step=step)
            case Climb():
                return self._climb(step, rows)
        return []

    def _climb(self, step: int, rows: Sequence[Message]) -> list[Effect]:
        """To the next rung on which somebody can be told; beyond the last, to a person at the desk."""
        for number in range(step + 1, len(self.ladder.rungs)):
            rung = self.ladder.rungs[number]
            person = self._whom(rung)
            tried = _tried(rows, person) if person else frozenset()
            channels = channels_of(rung, person, purpose=Purpose(self.root.purpose), tried=tried) if person else ()
            if person is None or not channels:
                continue
            self._replace(rows, person)
            self._add(person, number, channels)
            due.ensure(self.session, RUNG, self.root.id, at=_later(self.now, rung), step=number)
            return []
        return self._top(rows)

    def _top(self, rows: Sequence[Message]) -> list[Effect]:
        return self._over(f"nobody has answered: {', '.join(self._spoken(row) for row in rows)}")

    def _said_later(self, rows: Sequence[Message]) -> list[Effect]:
        """What stands in a summary is read much later: where an answer is wanted, the desk hears of it now."""
        answer_wanted = self.ladder.human and self.ladder.rungs[0].until is Until.ACKNOWLEDGED
        if not answer_wanted or self._others_hear():
            return []
        return self._over(f"nobody hears of it now: {next(row.reason for row in rows if row.reason)}")

    def _over(self, reason: str) -> list[Effect]:
        if self.ladder.human and self.ticket.acknowledged_at is None:
            # Of several people's ladders the first that comes to its end.
            occurrence = f"{self.root.stage}-{self.root.occurrence}"
            return service.nobody_answers(
                self.session, self.ticket.id, reason=reason, occurrence=occurrence, now=self.now
            )
        timeline.note(self.session, self.ticket.id, "not_received", at=self.now, actor="notify", reason=reason)
        return []

    def _whom(self, rung: Rung) -> Recipient | None:
        if rung.whom is Whom.PERSON:
            return self._person(RecipientKind(self.root.recipient_kind), self.root.recipient_id)
        everybody = contacts.contacts_of(self._device, owner_id=self.ticket.customer_id)
        untold = (one.customer_id for one in everybody if one.customer_id not in self._told())
        mine = (one for one in untold if self.ticket.device_id not in ownership.disowned(self.session, one))
        found = next(mine, None)
        return self._person(RecipientKind.CUSTOMER, found) if found else None

    def _told(self) -> frozenset[str]:
        """Everybody who is told of this moment, be it on a ladder of their own."""
        same = select(Message.recipient_id).where(
            Message.ticket_id == self.ticket.id,
            Message.stage == self.root.stage,
            Message.occurrence == self.root.occurrence,
            Message.recipient_kind == RecipientKind.CUSTOMER,
        )
        return frozenset(self.session.scalars(same))

    def _others_hear(self) -> bool:
        """Whether somebody else is told of this moment, on a ladder of their own."""
        theirs = select(Message.id).where(
            Message.ticket_id == self.ticket.id,
            Message.stage == self.root.stage,
            Message.occurrence == self.root.occurrence,
            Message.recipient_kind == RecipientKind.CUSTOMER,
            Message.recipient_id != self.root.recipient_id,
            Message.ladder.is_(None),
            Message.state != MessageState.SUPPRESSED,
        )
        return self.session.scalar(theirs.limit(1)) is not None

    def _person(self, kind: RecipientKind, person_id: str) -> Recipient:
        if kind is RecipientKind.TECHNICIAN:
            return people.technician(self.session, person_id)
        return people.customer(self.session, person_id, device=self._device)

    def _add(self, person: Recipient, step: int, channels: Iterable[Channel], *, beside: int = 0) -> None:
        for place, channel in enumerate(channels, start=beside):
            rung = step * PER_STEP + place
            added = ladders.add(
                self.session, self.root, kind=person.kind, person_id=person.id, rung=rung, channel=channel, now=self.now
            )
            if added is not None:
                told = {"message_id": added, "ticket_id": self.ticket.id, "stage": self.root.stage, "rung": rung}
                events.publish(self.session, "message.planned", at=self.now, **told)

    def _replace(self, rows: Sequence[Message], person: Recipient) -> None:
        """What still waits for the same person elsewhere has become needless; not where danger is."""
        if self.ticket.severity != Severity.SAFETY:
            waiting = [row.id for row in rows if row.recipient_id == person.id]
            ladders.supersede(self.session, waiting, reason="it goes out on another channel", now=self.now)

    @property
    def _bad_news(self) -> bool:
        return self.root.stage in BAD_NEWS

    @property
    def _device(self) -> Device | None:
        return self.session.get(Device, self.ticket.device_id)

    def _withheld(self, step: int, rows: Sequence[Message]) -> set[str]:
        """Why a word of this step was kept back for what it says, or stands elsewhere: then no other is said.

        Not where only the person cannot, or does not want to, be reached, nor, once they were told, for a fault that
        was away for a moment.
        """
        if step == 0 and self.root.state == MessageState.SUPERSEDED:
            return {Refusal.SUPERSEDED}
        suppressed = {row.id for row in rows if row.state == MessageState.SUPPRESSED}
        harmless = {Refusal.NO_CHANNEL, Refusal.OPTED_OUT} | ({Refusal.NO_LONGER_TRUE} if step else set())
        return self._refusals(suppressed) - harmless if suppressed else set()

    def _refusals(self, message_ids: AbstractSet[int]) -> set[str]:
        entries = select(TimelineEntry.detail).where(
            TimelineEntry.ticket_id == self.ticket.id, TimelineEntry.kind == f"message_{MessageState.SUPPRESSED}"
        )
        told = self.session.scalars(entries)
        return {str(detail["refusal"]) for detail in told if detail.get("message_id") in message_ids}

    def _true_now(self) -> bool:
        faults = self._bad_news and of_ticket(self.session, self.ticket.id)
        return not faults or bool(firing_of_ticket(self.session, self.ticket.id))

    def _paused(self, rows: Sequence[Message]) -> bool:
        """Whether nothing goes out just now: a person has stopped it, or no sender has looked at these so far."""
        if self.ticket.severity == Severity.SAFETY:
            return False
        untouched = any(row.state == MessageState.READY and not row.attempts and not row.reason for row in rows)
        return untouched or meta.get(self.session, SENDING_PAUSED) not in NOT_PAUSED

    def _spoken(self, row: Message) -> str:
        channel = _channel(row)
        whom = (
            ""
            if row.recipient_id == self.root.recipient_id
            else f" to {self._person(RecipientKind.CUSTOMER, row.recipient_id).name}"
        )
        return f"{_SPOKEN.get(channel, channel) if channel else 'message'}{whom} {row.state.replace('_', ' ')}"


def _later(moment: datetime, rung: Rung) -> datetime:
    return moment + timedelta(seconds=rung.wait_s)


def _channel(row: Message) -> Channel | None:
    name = row.channel or row.only_channel
    return Channel(name) if name else None


def _tried(rows: Sequence[Message], person: Recipient) -> frozenset[Channel]:
    """Where they were told, or it was given up: it may have arrived there after all."""
    ours = [row for row in rows if row.recipient_id == person.id]
    given_up = {Channel(name) for row in ours for name in row.refused_channels}
    return frozenset({channel for row in ours if (channel := _channel(row))} | given_up)


def _try(row: Message, first: datetime | None) -> Try:
    """One that is tried again and again counts from its `first` try, or it would hold up its ladder."""
    return Try(
        MessageState(row.state), _channel(row), since=row.accepted_at or first or max(row.created_at, row.not_before)
    )
