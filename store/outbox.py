"""The transactional outbox at rest: each step of a delivery is one transaction.

A lease is about processes and so about real time; everything a person sees is in the clock's time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.orm import Session

from domain.clock import Clock
from domain.errors import LeaseLost
from domain.faults import Severity
from domain.links import LinkSigner
from domain.messages import (
    REACHED,
    Channel,
    MessageStage,
    MessageState,
    Refusal,
    advances,
)
from domain.outbox import Content, Pending, Receipt
from domain.people import Recipient
from store import deliveries
from store.briefs import BriefWriter, QuietOf, never_quiet
from store.database import Database
from store.tables import Message, Meta, Ticket

SENDING_PAUSED = "sending_paused"
"""Meta key; any value but these means that nothing goes out."""
NOT_PAUSED = (None, "", "0", "false")

TAKE_LEASE_S = 5.0
_WAITING = (MessageState.HELD, MessageState.READY, MessageState.SUBMITTING)


class SqlOutbox:
    """What `notify.sender` asks of the database; `owner` names this process in the leases it takes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        signer: LinkSigner,
        dispatcher: Recipient,
        owner: str,
        *,
        quiet: QuietOf = never_quiet,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._clock, self._owner, self._wall = database, clock, owner, wall
        self._briefs = BriefWriter(signer, dispatcher, quiet)

    def paused(self) -> bool:
        """Whether an operator has stopped all sending."""
        with self._database.read() as session:
            row = session.get(Meta, SENDING_PAUSED)
            return (row.value if row else None) not in NOT_PAUSED

    def take(self) -> Pending | None:
        """Lease the most urgent message that is due, with its facts; None if there is none."""
        # Looking costs no write lock, which others need.
        with self._database.read() as session:
            if session.scalar(self._due()) is None:
                return None
        with self._database.write() as session:
            message_id = session.scalar(self._due().with_for_update(skip_locked=True, of=Message))
            if message_id is None:
                return None
            session.execute(
                update(Message)
                .where(Message.id == message_id)
                .values(lease=Message.lease + 1, lease_owner=self._owner, lease_until=self._wall() + TAKE_LEASE_S)
            )
        # Apart from the lease: facts that cannot be read must not keep the next message from being taken.
        with self._database.read() as session:
            return self._pending(session, session.get_one(Message, message_id))

    def hold(self, pending: Pending, *, until: datetime, refusal: Refusal, reason: str) -> None:
        """Not before `until`, by the clock."""
        with self._leased(pending) as (session, message):
            self._note_wait(session, message, "held", reason=reason, refusal=refusal)
            message.state, message.not_before, message.lease_until = MessageState.HELD, until, None

    def postpone(self, pending: Pending, *, after_s: float, reason: str, refusal: Refusal | None = None) -> None:
        """Look at it again in `after_s` real seconds. A `refusal` says that a submission was turned down just now."""
        with self._leased(pending) as (session, message):
            self._note_wait(session, message, "retry" if refusal else "waiting", reason=reason, refusal=refusal)
            if refusal and message.state == MessageState.SUBMITTING:
                deliveries.attempt(session, message, "submit", outcome=refusal, detail=reason, at=self._clock.now())
            message.state, message.lease_until = MessageState.READY, self._wall() + after_s

    def suppress(self, pending: Pending, *, refusal: Refusal, reason: str) -> None:
        """It will not go out, and that is right so."""
        with self._leased(pending) as (session, message):
            deliveries.settle(
                session, message, MessageState.SUPPRESSED, reason=reason, refusal=refusal, at=self._clock.now()
            )

    def submitting(
        self, pending: Pending, *, channel: Channel, address: str, content: Content, provider: str, patience_s: float
    ) -> None:
        """Committed before the socket opens; for `patience_s` real seconds nobody else asks what became of it."""
        with self._leased(pending) as (session, message):
            message.state, message.reason = MessageState.SUBMITTING, None
            message.channel, message.address, message.provider = channel, address, provider
            message.subject, message.body, message.html = content.subject or None, content.text, content.html or None
            message.attempts, message.look_ups = pending.attempt + 1, 0
            message.lease_until = self._wall() + patience_s
            deliveries.attempt(session, message, "submit", outcome="submitting", at=self._clock.now())

    def template_failed(self, pending: Pending, *, detail: str) -> None:
        """For the operator: a template could not be rendered, so a plain text goes out instead."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            deliveries.attempt(session, message, "render", outcome=Refusal.TEMPLATE, detail=detail, at=now)
            deliveries.tell(session, message, "template_failed", at=now, reason=detail)

    def accepted(self, pending: Pending, told: Receipt, *, attempt: int, by_look_up: bool = False) -> None:
        """The provider has it. True whoever holds the lease by now, as long as nothing was submitted since.

        Raises LeaseLost if something was: then it stands in the attempts that this one was taken too.
        """
        with self._database.write() as session:
            message = session.get_one(Message, pending.id, with_for_update=True)
            now = self._clock.now()
            ours = message.attempts == attempt and message.provider_id in {None, told.provider_id}
            kind = "look_up" if by_look_up else "submit"
            deliveries.attempt(
                session, message, kind, outcome=told.state, code=told.code, detail=told.provider_id, at=now
            )
            if ours and advances(MessageState(message.state), told.state):
                deliveries.take_acceptance(session, message, told, at=now)
                if told.state in REACHED:
                    message.state = told.state
                else:
                    deliveries.settle(session, message, told.state, reason=told.detail or None, at=now)
        if not ours:
            raise LeaseLost(f"message {pending.id} was submitted again meanwhile")

    def look_up_later(self, pending: Pending, *, after_s: float, reason: str, asked: bool) -> None:
        """Nobody knows what became of it: the provider is (`asked`: once more) asked in `after_s` real seconds."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            if asked:
                message.look_ups += 1
            kind, outcome = ("look_up", "not_found") if asked else ("submit", str(Refusal.UNKNOWN_OUTCOME))
            deliveries.attempt(session, message, kind, outcome=outcome, detail=reason, at=now)
            message.reason, message.lease_until = reason, self._wall() + after_s

    def not_taken(self, pending: Pending, *, reason: str) -> None:
        """The provider, whose word counts, never got it: it may be submitted again."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            deliveries.attempt(session, message, "look_up", outcome="not_taken", detail=reason, at=now)
            message.state, message.reason, message.lease_until = MessageState.READY, reason, None

    def in_doubt(self, pending: Pending, *, reason: str) -> None:
        """For a person to decide: it may have gone out, and nobody can tell."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            deliveries.attempt(session, message, "look_up", outcome=MessageState.IN_DOUBT, detail=reason, at=now)
            message.state, message.reason, message.lease_until = MessageState.IN_DOUBT, reason, None
            deliveries.tell(session, message, "in_doubt", at=now, reason=reason, refusal=Refusal.UNKNOWN_OUTCOME)

    def channel_refused(self, pending: Pending, *, refusal: Refusal, reason: str) -> None:
        """The address it was submitted to will never do; the next channel is tried."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            deliveries.attempt(session, message, "submit", outcome=refusal, detail=reason, at=now)
            deliveries.tell(session, message, "channel_refused", at=now, reason=reason, refusal=refusal)
            deliveries.refuse_channel(session, message, refusal=refusal, at=now)
            deliveries.on_to_the_next_channel(message)

    def failed(self, pending: Pending, *, refusal: Refusal, reason: str, dead: bool = False) -> None:
        """It will not go out, and a person should know. `dead`: given up after too many tries."""
        with self._leased(pending) as (session, message):
            now = self._clock.now()
            if message.state == MessageState.SUBMITTING:
                deliveries.attempt(session, message, "submit", outcome=refusal, detail=reason, at=now)
            if refusal is Refusal.OPTED_OUT and message.channel:
                deliveries.refuse_channel(session, message, refusal=refusal, at=now)
            state = MessageState.DEAD if dead else MessageState.FAILED
            deliveries.settle(session, message, state, reason=reason, refusal=refusal, at=now)

    def _note_wait(
        self, session: Session, message: Message, what: str, *, reason: str, refusal: Refusal | None
    ) -> None:
        if message.reason != reason:
            message.reason = reason
            deliveries.tell(session, message, what, at=self._clock.now(), reason=reason, refusal=refusal)

    def _due(self) -> Select[int]:
        free: ColumnElement[bool] = or_(Message.lease_until.is_(None), Message.lease_until <= self._wall())
        return (
            select(Message.id)
            .join(Ticket, Ticket.id == Message.ticket_id)
            .where(Message.state.in_(_WAITING), Message.not_before <= self._clock.now(), free)
            .order_by((Ticket.severity == Severity.SAFETY).desc(), Message.not_before, Message.id)
            .limit(1)
        )

    def _pending(self, session: Session, message: Message) -> Pending:
        return Pending(
            id=message.id,
            stage=MessageStage(message.stage),
            state=MessageState(message.state),
            channel=Channel(message.channel) if message.channel else None,
            attempt=message.attempts,
            created_at=message.created_at,
            lease=message.lease,
            brief=self._briefs.write(session, message, now=self._clock.now()),
            body=message.body or "",
            address=message.address or "",
            provider_id=message.provider_id,
            provider=message.provider or "",
            look_ups=message.look_ups,
            refused=frozenset(Channel(name) for name in message.refused_channels),
            taken=_provider_ids_of_others(session, message)
            if message.state == MessageState.SUBMITTING
            else frozenset(),
        )

    @contextmanager
    def _leased(self, pending: Pending) -> Iterator[tuple[Session, Message]]:
        """One write transaction on a message that is still ours. Raises LeaseLost, StoreUnavailable."""
        with self._database.write() as session:
            message = session.get_one(Message, pending.id, with_for_update=True)
            if message.lease != pending.lease:
                raise LeaseLost(f"message {pending.id} is handled by {message.lease_owner} now")
            yield session, message


def _provider_ids_of_others(session: Session, message: Message) -> frozenset[str]:
    query = select(Message.provider_id).where(
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.id != message.id,
    )
    return frozenset(found for found in session.scalars(query) if found)
