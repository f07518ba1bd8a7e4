"""The devices as the ingest role sees them: known from memory, read again about every second."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain.clock import to_ms
from domain.intake import PAYLOAD_KEPT, DeadLetter, KnownDevice
from store.database import Database
from store.notes import write_dead_letters
from store.tables import Device, Product

REFRESH_S = 1.0
_DUTY = 20
"""Reading all devices may take a twentieth of the time at most: a large fleet is read less often."""


class SqlRegistry:
    """Implements `ingest.ledger.Registry`. `refresh` and `admit` belong to one thread, `known` to any."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._devices: Mapping[str, KnownDevice] = {}
        self._candidates: Sequence[str] = ()
        self._opened: frozenset[str] = frozenset()
        self._loaded = threading.Event()
        self._next = 0.0

    def known(self, device_id: str) -> KnownDevice | None:
        """From memory."""
        return self._devices.get(device_id)

    def loaded(self) -> bool:
        """Whether the devices have been read at least once."""
        return self._loaded.is_set()

    def refresh(self, *, at_once: bool = False) -> None:
        """Read the devices again if it is time. Raises StoreUnavailable; what was known stays known then."""
        started = time.monotonic()
        if started < self._next and not at_once:
            return
        self._next = started + REFRESH_S
        with self._database.read() as session:
            products = {row.name: row for row in session.scalars(select(Product))}
            kinds = {name: _kinds(row.metrics) for name, row in products.items()}
            strict = {name: row.strict for name, row in products.items()}
            query = select(Device.id, Device.product, Device.announced, Device.admitted)
            rows = session.execute(query).all()
        self._devices = {
            device_id: KnownDevice(
                device_id,
                product,
                kinds.get(product or "", {}),
                strict=strict.get(product or "", False),
                admitted=announced and (admitted or device_id in self._opened),
            )
            for device_id, product, announced, admitted in rows
        }
        self._candidates = sorted(device_id for device_id, _, announced, admitted in rows if announced and not admitted)
        # One that is deleted and registered again has to be admitted again.
        self._opened &= frozenset(self._candidates)
        self._loaded.set()
        self._next = started + max(REFRESH_S, _DUTY * (time.monotonic() - started))

    def candidates(self) -> Sequence[str]:
        """Devices whose registration is in the log, and the database does not call them admitted yet."""
        return self._candidates

    def open(self, device_ids: Sequence[str]) -> None:
        """What they sent before is in the log: from here on their readings follow, in this process."""
        self._opened |= frozenset(device_ids)
        opened = {d: replace(self._devices[d], admitted=True) for d in device_ids if d in self._devices}
        self._devices = {**self._devices, **opened}

    def admit(self, device_ids: Sequence[str]) -> None:
        """As `open`, for all processes and for ever. Raises StoreUnavailable."""
        if device_ids:
            with self._database.write() as session:
                session.execute(update(Device).where(Device.id.in_(device_ids)).values(admitted=True))
            self.refresh(at_once=True)


def add_dead_letter(
    session: Session, *, device_id: str, reason: str, topic: str, payload: bytes, detail: str, at: datetime
) -> None:
    """Count one dead letter of any origin."""
    letter = DeadLetter(device_id, reason, detail, topic, payload[:PAYLOAD_KEPT], to_ms(at))
    write_dead_letters(session, [letter], now=at)


def _kinds(metrics: Mapping[str, object]) -> dict[str, str]:
    return {name: str(spec.get("kind") or "") if isinstance(spec, Mapping) else "" for name, spec in metrics.items()}
