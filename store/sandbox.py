"""The sandbox channel's last hop: a table instead of a telephone network, read by the sandbox page."""

from domain.clock import Clock
from domain.messages import Channel
from domain.outbox import Content
from store.database import Database
from store.tables import SandboxMessage
from store.upsert import insert_once


class SqlSandbox:
    """Keeps what was sent; the second of one message changes nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def put(self, message_id: int, *, channel: Channel, address: str, content: Content) -> None:
        """Take one message. Raises StoreUnavailable."""
        with self._database.write() as session:
            insert_once(
                session,
                SandboxMessage,
                message_id=message_id,
                channel=channel,
                address=address,
                subject=content.subject,
                body=content.text,
                html=content.html,
                at=self._clock.now(),
            )

    def holds(self, message_id: int) -> bool:
        """Whether it was taken."""
        with self._database.read() as session:
            return session.query(SandboxMessage.id).filter_by(message_id=message_id).first() is not None
