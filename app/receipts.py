"""Receipts that never came: once a day the provider is asked what became of the messages that it took."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from sqlalchemy import select

from domain.clock import Clock, parse_iso
from domain.errors import DeliveryError
from domain.messages import MessageState
from domain.outbox import Receipt
from store import meta, receipts
from store.database import Database
from store.tables import Message

LOOK_EVERY_S = 600.0
EVERY, AFTER, UNTIL = timedelta(hours=20), timedelta(hours=1), timedelta(days=2)
"""How often; and how old an acceptance must be, and may be, to be asked about."""
CAP = 500
ASKED_AT = "receipts_asked_at"

log = structlog.get_logger()

Fetch = Callable[[str], Receipt]
"""What a provider says of one of its ids. Raises DeliveryError."""


class ReceiptPoll:
    """Asks for the receipts that are missing; several may run, one asks."""

    def __init__(self, database: Database, clock: Clock, fetch: Mapping[str, Fetch], *, cap: int = CAP) -> None:
        """`fetch` by provider; a provider that cannot be asked is not among them."""
        self._database, self._clock, self._fetch, self._cap = database, clock, fetch, cap

    def work(self) -> None:
        """Ask, if it is time. Raises StoreUnavailable."""
        if not self._fetch or not self._claim():
            return
        now, asked = self._clock.now(), 0
        query = (
            select(Message.id, Message.provider, Message.provider_id)
            .where(
                Message.state.in_((MessageState.ACCEPTED, MessageState.SENT)),
                Message.provider.in_(self._fetch),
                Message.accepted_at.between(now - UNTIL, now - AFTER),
            )
            .order_by(Message.accepted_at)
            .limit(self._cap)
        )
        with self._database.read() as session:
            rows = session.execute(query).all()
        for message_id, provider, provider_id in rows:
            asked += bool(provider and provider_id and self._ask(message_id, provider, provider_id))
        log.info("receipts_asked_for", messages=len(rows), answered=asked)

    def _claim(self) -> bool:
        now = self._clock.now()
        with self._database.write() as session:
            last = meta.get(session, ASKED_AT)
            if last is not None and now - parse_iso(last) < EVERY:
                return False
            meta.put(session, ASKED_AT, now.isoformat())
        return True

    def _ask(self, message_id: int, provider: str, provider_id: str) -> bool:
        try:
            told = self._fetch[provider](provider_id)
        except DeliveryError as exc:
            log.warning("receipt_unknown", message_id=message_id, provider=provider, detail=str(exc))
            return False
        with self._database.write() as session:
            return receipts.receipt(session, told, now=self._clock.now(), message_id=message_id)
