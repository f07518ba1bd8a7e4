"""Where messages wait for their provider's answer: one bounded pool of threads for each provider."""

import queue
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, TypeVar

from domain.outbox import Pending

Answer = TypeVar("Answer")

SLOTS = 64
"""A provider takes some tenths of a second over a call."""
SLOTS_OF = {"sandbox": 1}
"""The sandbox is a table of our own database, which may have one writer only."""
RESERVE = 2
"""Slots of each provider that only what may not wait is given."""


class Pool(Generic[Answer]):
    """Calls providers, and hands their answers back to the one thread that collects them."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._busy: Counter[str] = Counter()
        self._done: queue.SimpleQueue[tuple[Pending, str, Future[Answer]]] = queue.SimpleQueue()

    @property
    def in_flight(self) -> int:
        """How many answers are still to be collected."""
        return self._busy.total()

    def free(self, provider: str, *, urgent: bool = False) -> int:
        """How many calls to `provider` would start at once."""
        slots = SLOTS_OF.get(provider, SLOTS) + (RESERVE if urgent else 0)
        return max(0, slots - self._busy[provider])

    def call(self, provider: str, pending: Pending, work: Callable[..., Answer], *args: Any) -> None:
        """Do `work` about `pending`, which must find a free slot."""
        if provider not in self._threads:
            slots = SLOTS_OF.get(provider, SLOTS) + RESERVE
            self._threads[provider] = ThreadPoolExecutor(slots, thread_name_prefix=f"notify-{provider}")
        self._busy[provider] += 1
        future = self._threads[provider].submit(work, *args)
        future.add_done_callback(lambda done: self._done.put((pending, provider, done)))

    def answers(self, *, wait_s: float, linger_s: float) -> list[tuple[Pending, Future[Answer]]]:
        """What has been answered. Waits up to `wait_s` for the first, and `linger_s` for others to come along."""
        found: list[tuple[Pending, Future[Answer]]] = []
        end = time.monotonic() + wait_s
        with suppress(queue.Empty):
            while self._busy.total():
                pending, provider, done = self._done.get(timeout=max(0.0, end - time.monotonic()))
                self._busy[provider] -= 1
                if not found:
                    end = time.monotonic() + linger_s
                found.append((pending, done))
        return found

    def close(self) -> None:
        """Let the threads go once they are through."""
        for threads in self._threads.values():
            threads.shutdown(wait=False)
