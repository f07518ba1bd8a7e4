"""Pictures that a provider keeps for us are fetched: outside of any transaction, and again if need be."""

from collections.abc import Callable

import structlog

from domain.clock import Clock
from domain.errors import DeliveryError
from domain.messages import Retry
from notify.channels.twilio_media import MediaFetcher
from store import events, leases, pictures
from store.database import Database
from store.tables import Attachment, Inbound

FETCH_EVERY_S = 2.0
LEASE_S = 300.0
"""Longer than one round takes."""

log = structlog.get_logger()


class PictureFetcher:
    """One process at a time fetches; what fails waits for its next try."""

    def __init__(self, database: Database, clock: Clock, media: MediaFetcher, *, owner: str) -> None:
        self._database, self._clock, self._media, self._owner = database, clock, media, owner

    def fetch(self) -> None:
        """All that is due."""
        with self._database.read() as session:
            due = [(row.id, row.source) for row in pictures.due(session, now=self._clock.now())]
        if not due:
            return
        with self._database.write() as session:
            if not leases.hold(session, "pictures", owner=self._owner, seconds=LEASE_S):
                return
        for number, source in due:
            self._one(number, self._tried(source))

    def _tried(self, source: str) -> Callable[[Attachment], None]:
        """What to do with its row, once the network has spoken."""
        try:
            content = self._media.fetch(source, max_bytes=pictures.MAX_BYTES)
        except DeliveryError as exc:
            detail, for_good = exc.detail, exc.retry is Retry.NEVER
            log.warning("picture not fetched", detail=detail, for_good=for_good)
            now = self._clock.now()
            return lambda row: pictures.fetch_failed(row, detail, now=now, for_good=for_good)
        return lambda row: pictures.keep(row, content)

    def _one(self, number: int, settle: Callable[[Attachment], None]) -> None:
        with self._database.write() as session:
            row = session.get(Attachment, number, with_for_update=True)
            if row is None or row.state != "pending":
                return
            settle(row)
            if row.state != "pending":
                inbound = session.get_one(Inbound, row.inbound_id)
                now = self._clock.now()
                events.publish(session, "picture.settled", at=now, ticket_id=inbound.ticket_id, state=row.state)
