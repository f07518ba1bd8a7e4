"""The transactional outbox at rest: messages are leased in batches, and what became of them is written in batches.

A lease is about processes and so about real time; everything a person sees is in the clock's time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import structlog
from sqlalchemy import ColumnElement, Select, case, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from domain.brakes import NO_BRAKES, USUAL_LIMITS, Brakes, Limits
from domain.clock import Clock
from domain.delivery import LANES, Folded, Lane, Step, Submitting
from domain.faults import Severity
from domain.lines import Line
from domain.links import LinkSigner
from domain.messages import Channel, MessageStage, MessageState
from domain.outbox import Pending
from domain.people import DAILY_CAPS, Recipient
from store.brakes import BrakeBook, read
from store.briefs import BriefWriter, QuietOf, never_quiet
from store.caps import CapBook
from store.database import Database
from store.lines import LineBook, broken, lines_of
from store.locking import locked
from store.steps import Scribe
from store.tables import Base, Message, Meta, Ticket
from store.warming import warm

SENDING_PAUSED = "sending_paused"
"""Meta key; any value but these means that nothing goes out."""
NOT_PAUSED = (None, "", "0", "false")

TAKE_LEASE_S = 5.0
LOOK_UP_LEASE_S = 30.0
"""Longer than a provider takes to say what it has."""

_log = structlog.get_logger()

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
        daily_caps: Mapping[Channel, int] = DAILY_CAPS,
        wall: Callable[[], float] = time.time,
        rates: Mapping[str, float] = MappingProxyType({}),
        take_lease_s: float = TAKE_LEASE_S,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        """`rates`: segments a second by sender, where it is not the default of `domain.lines`; 0 means no limit."""
        self._database, self._clock, self._owner, self._wall = database, clock, owner, wall
        self._rates, self._take_lease_s, self._limits = rates, take_lease_s, limits
        self._briefs = BriefWriter(signer, dispatcher, quiet, daily_caps)

    def paused(self) -> bool:
        """Whether an operator has stopped all sending."""
        with self._database.read() as session:
            row = session.get(Meta, SENDING_PAUSED)
            return (row.value if row else None) not in NOT_PAUSED

    def broken(self) -> frozenset[Line]:
        """The lines to providers on which nothing may be submitted now."""
        with self._database.read() as session:
            return broken(session, wall_s=self._wall())

    def take(self, limit: int, *, urgent: bool = False) -> list[Pending]:
        """Lease what is due, with its facts, most urgent first; `urgent`: only what has to do with danger.

        At most one message a person: what the second may say depends on what became of the first.
        """
        # Looking costs no write lock, which others need.
        with self._database.read() as session:
            due = session.scalars(self._due(limit, urgent=urgent)).all()
        mine = self._lease(due) if due else []
        # Apart from the lease: facts that cannot be read must not keep other messages from being taken.
        with self._database.read() as session:
            rows = {row.id: row for row in session.scalars(select(Message).where(Message.id.in_(mine)))}
            _held = self._warmed(session, list(rows.values()))
            brakes = read(session, list(rows.values()), self._limits, now=self._clock.now())
            found = (self._readable(session, rows[each], brakes) for each in due if each in rows)
            return [one for one in found if one]

    def write(self, reports: Sequence[tuple[Pending, Step]]) -> list[tuple[Pending, Step]]:
        """Write each step, in one transaction. Those that are so now: the rest was lost, or has to wait."""
        with self._database.write() as session:
            query = locked(select(Message).where(Message.id.in_({one.id for one, _ in reports})).order_by(Message.id))
            rows = {row.id: row for row in session.scalars(query)}
            now, wall_s = self._clock.now(), self._wall()
            said = CapBook(session, now)
            said.open(one for one, step in reports if isinstance(step, Submitting | Folded))
            lines = LineBook(session, self._rates, now=now, wall_s=wall_s)
            lines.open(lines_of(rows, [(pending.id, step) for pending, step in reports]))
            brakes = BrakeBook(session, self._limits, now)
            brakes.open(reports)
            scribe = Scribe(session, lines, brakes, said, now, wall_s)
            written = [(one, step) for one, step in reports if scribe.write(rows[one.id], one, step)]
            lines.close()
        if scribe.lost:
            _log.info("messages_taken_over", message_ids=scribe.lost)
        return written

    def _lease(self, ids: Sequence[int]) -> list[int]:
        with self._database.write() as session:
            still_free = select(Message.id).where(Message.id.in_(ids), *self._free()).order_by(Message.id)
            mine = session.scalars(still_free.with_for_update(skip_locked=True)).all()
            seconds = case((Message.state == MessageState.SUBMITTING, LOOK_UP_LEASE_S), else_=self._take_lease_s)
            session.execute(
                update(Message)
                .where(Message.id.in_(mine))
                .values(lease=Message.lease + 1, lease_owner=self._owner, lease_until=self._wall() + seconds)
            )
            return list(mine)

    def _free(self) -> tuple[ColumnElement[bool], ...]:
        unleased = or_(Message.lease_until.is_(None), Message.lease_until <= self._wall())
        return Message.state.in_(_WAITING), Message.not_before <= self._clock.now(), unleased

    def _due(self, limit: int, *, urgent: bool) -> Select[int]:
        danger = Ticket.severity == Severity.SAFETY
        lane = case(
            (danger, Lane.DANGER),
            *((Message.stage.in_(stages), lane) for lane, stages in LANES.items()),
            else_=Lane.USUAL,
        )
        order = (lane, Message.not_before, Message.id)
        of_a_person = func.row_number().over(
            partition_by=(Message.recipient_kind, Message.recipient_id), order_by=order
        )
        due = (
            select(Message.id, lane.label("lane"), Message.not_before, of_a_person.label("place"))
            .outerjoin(Ticket, Ticket.id == Message.ticket_id)
            .where(*self._free(), *([danger] if urgent else []))
            .subquery()
        )
        first = select(due.c.id).where(due.c.place == 1)
        return first.order_by(due.c.lane, due.c.not_before, due.c.id).limit(limit)

    def _warmed(self, session: Session, messages: Sequence[Message]) -> Sequence[Base]:
        try:
            return warm(session, messages)
        except SQLAlchemyError:
            raise
        except Exception:  # noqa: BLE001 - whose row that is shows when each is read alone
            _log.exception("rows_unreadable")
            return ()

    def _readable(self, session: Session, message: Message, brakes: Mapping[int, Brakes]) -> Pending | None:
        try:
            return self._pending(session, message, brakes.get(message.id, NO_BRAKES))
        except SQLAlchemyError:
            raise
        except Exception:  # noqa: BLE001 - each is read alone
            # It keeps its lease and comes back when that runs out; the others go on.
            _log.exception("message_unreadable", message_id=message.id)
            return None

    def _pending(self, session: Session, message: Message, brakes: Brakes) -> Pending:
        return Pending(
            id=message.id,
            stage=MessageStage(message.stage),
            state=MessageState(message.state),
            channel=Channel(message.channel) if message.channel else None,
            attempt=message.attempts,
            created_at=message.created_at,
            lease=message.lease,
            brief=replace(self._briefs.write(session, message, now=self._clock.now()), brakes=brakes),
            body=message.body or "",
            address=message.address or "",
            provider_id=message.provider_id,
            provider=message.provider or "",
            look_ups=message.look_ups,
            refused=frozenset(Channel(name) for name in message.refused_channels),
            taken=_provider_ids_of_others(session, message)
            if message.state == MessageState.SUBMITTING
            else frozenset(),
            forgiven=message.forgiven,
            expires_at=message.expires_at,
            rung=message.rung,
            only_channel=Channel(message.only_channel) if message.only_channel else None,
        )


def _provider_ids_of_others(session: Session, message: Message) -> frozenset[str]:
    query = select(Message.provider_id).where(
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.id != message.id,
    )
    return frozenset(found for found in session.scalars(query) if found)
