"""What has been received and not yet dealt with: a bounded queue between the network and the batcher."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from domain.telemetry import Tick

MAX_DELIVERIES = 20_000
"""More than any broker may have in flight to us (receive maximum, and two consumers of the embedded broker)."""
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message from a broker. `ack` tells that broker, on that very connection, that it may forget it."""

    topic: str
    payload: bytes
    retained: bool
    received_at: int
    """Epoch milliseconds."""
    ack: Callable[[], None]
    tick: Tick | None = None
    """Of a listener's own mark: up to when everything had been sent."""


class Intake:
    """First in, first out. Never refuses: a listener asks `has_room` before it reads on from its socket."""

    def __init__(self, *, max_deliveries: int = MAX_DELIVERIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_deliveries, self._max_bytes = max_deliveries, max_bytes
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._filled = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether more may be read."""
        return len(self._waiting) < self._max_deliveries and self._bytes < self._max_bytes

    def put(self, delivery: Delivery) -> None:
        """Add one."""
        with self._filled:
            self._waiting.append(delivery)
            self._bytes += len(delivery.payload)
            self._filled.notify()

    def take(self, *, limit: int, max_bytes: int, wait_s: float) -> list[Delivery]:
        """Up to `limit` deliveries of together about `max_bytes`; waits up to `wait_s` seconds for the first."""
        with self._filled:
            if not self._waiting:
                self._filled.wait(wait_s)
            taken: list[Delivery] = []
            size = 0
            while self._waiting and len(taken) < limit and size < max_bytes:
                delivery = self._waiting.popleft()
                size += len(delivery.payload)
                taken.append(delivery)
            self._bytes -= size
            return taken
