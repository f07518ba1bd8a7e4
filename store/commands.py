"""The outbox of device commands: submitting is committed before anything leaves; nothing is blindly repeated."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from domain.intake import Outgoing
from domain.tickets import CommandState
from store import events, timeline
from store.database import Database
from store.tables import Command

_AT_ONCE = 50


class SqlCommandOutbox:
    """Implements `ingest.ledger.CommandOutbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def interrupted(self) -> Sequence[Outgoing]:
        """Idempotent commands whose submission began and did not end. Others wait for their answer, or time out."""
        query = select(Command).where(Command.state == CommandState.SUBMITTING, Command.idempotent)
        with self._database.read() as session:
            return [_outgoing(row) for row in session.scalars(query.order_by(Command.created_at, Command.id))]

    def take(self) -> Sequence[Outgoing]:
        """Queued commands, oldest first, now submitting: committed when this returns."""
        queued = select(Command).where(Command.state == CommandState.QUEUED)
        queued = queued.order_by(Command.created_at, Command.id).limit(_AT_ONCE)
        with self._database.read() as session:
            if session.scalar(queued.limit(1)) is None:
                return ()
        with self._database.write() as session:
            rows = session.scalars(queued.with_for_update(skip_locked=True)).all()
            for row in rows:
                row.state = CommandState.SUBMITTING
            return [_outgoing(row) for row in rows]

    def sent(self, command_id: str, *, now: datetime) -> None:
        """The broker has it. An answer that was faster than this stands."""
        with self._database.write() as session:
            row = session.scalar(select(Command).where(Command.id == command_id).with_for_update())
            if row is None or row.sent_at is not None:
                return
            row.sent_at = now
            if row.state == CommandState.SUBMITTING:
                row.state = CommandState.SENT
            told = {"command_id": row.id, "name": row.name}
            if row.ticket_id is not None:
                timeline.note(session, row.ticket_id, "command_sent", at=now, actor=row.asked_by, **told)
            events.publish(session, "command.sent", at=now, **told, device_id=row.device_id, ticket_id=row.ticket_id)

    def give_back(self, command_id: str) -> None:
        """It certainly did not leave: queue it again."""
        mine = Command.id == command_id, Command.state == CommandState.SUBMITTING
        with self._database.write() as session:
            session.execute(update(Command).where(*mine).values(state=CommandState.QUEUED))

    def addressee(self, command_id: str) -> str | None:
        """The device that a command went to, None for no command of ours."""
        with self._database.read() as session:
            return session.scalar(select(Command.device_id).where(Command.id == command_id))


def _outgoing(row: Command) -> Outgoing:
    return Outgoing(row.id, row.device_id, row.name, dict(row.args or {}))
