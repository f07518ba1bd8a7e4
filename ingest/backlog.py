"""Takes in what a device sent in the hour before it was registered, once its registration is in the log."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from queue import Empty, SimpleQueue

from domain.clock import Clock, to_ms
from domain.intake import KnownDevice, RawUplink
from domain.telemetry import Uplink, partition_of
from ingest.batcher import AnswerSink, note, readings_in
from ingest.book import Book
from ingest.decode import Answer, decode
from ingest.ledger import ReadingLog, Registry
from ingest.topics import Address, address

Between = Callable[[Callable[[], None]], None]
"""Runs something between two batches of readings, and returns when it is done."""

HORIZON_MS = 3_600_000
LOOK_AGAIN_S = 5.0
_DEVICES_AT_ONCE = 50
_READINGS_AT_ONCE = 1000


class Backlog:
    """Call `step` often, from one thread."""

    def __init__(
        self,
        registry: Registry,
        log: ReadingLog,
        book: Book,
        clock: Clock,
        *,
        partitions: int,
        kept_of: "SimpleQueue[str]",
        between: Between,
    ) -> None:
        self._registry, self._log, self._book, self._clock = registry, log, book, clock
        self._partitions, self._kept_of, self._between = partitions, kept_of, between
        self._opened: set[str] = set()
        self._again: deque[tuple[float, str]] = deque()

    def step(self) -> None:
        """Admit those who are registered. Raises LogUnavailable or StoreUnavailable; the next step does it again."""
        candidates = self._registry.candidates()[:_DEVICES_AT_ONCE]
        self._opened.intersection_update(candidates)
        fresh = [device_id for device_id in candidates if device_id not in self._opened]
        self._take_in_all(fresh)
        if fresh:
            # What came during that, and the opening itself, while no batch is under way: nothing overtakes anything.
            self._between(lambda: self._open(fresh))
        self._registry.admit(candidates)
        self._take_in_all(self._stragglers())

    def _stragglers(self) -> list[str]:
        """Admitted devices of which something may have been kept all the same, here or by another process that knew of
        the admission a little later."""
        found = set(_drained(self._kept_of))
        while self._again and self._again[0][0] <= time.monotonic():
            found.add(self._again.popleft()[1])
        return sorted(d for d in found if (device := self._registry.known(d)) is not None and device.admitted)

    def _open(self, device_ids: Sequence[str]) -> None:
        self._take_in_all(device_ids)
        self._registry.open(device_ids)
        self._opened.update(device_ids)
        self._again.extend((time.monotonic() + LOOK_AGAIN_S, device_id) for device_id in device_ids)

    def _take_in_all(self, device_ids: Sequence[str]) -> None:
        for device_id in device_ids:
            self._take_in(device_id)

    def _take_in(self, device_id: str) -> None:
        device = self._registry.known(device_id)
        kept, position = self._log.unknown_of(device_id)
        if device is None or not kept:
            return
        name = blake2b(device_id.encode(), digest_size=8).hexdigest()
        partition = partition_of(device_id, self._partitions)
        for number, uplinks in enumerate(_portions(self._decoded(device, kept))):
            # The same again after a crash has the same id, and adds nothing.
            self._log.append({partition: uplinks}, msg_id=f"backlog-{name}-{position}-{number}")
        self._log.forget_unknown(device_id, up_to=position)

    def _decoded(self, device: KnownDevice, kept: Sequence[RawUplink]) -> Iterator[Uplink]:
        horizon = to_ms(self._clock.now()) - HORIZON_MS
        for message in kept:
            place = address(message.topic)
            if message.received_at < horizon or not isinstance(place, Address):
                continue
            decoded = decode(place, message.payload, received_at=message.received_at, device=device)
            note(
                decoded,
                device.id,
                at=message.received_at,
                retained=False,
                hold=_hold_nothing,
                book=self._book,
                answers=_no_answers,
            )
            if decoded.uplink is not None:
                yield decoded.uplink


def _portions(uplinks: Iterator[Uplink]) -> Iterator[list[Uplink]]:
    portion: list[Uplink] = []
    readings = 0
    for uplink in uplinks:
        portion.append(uplink)
        readings += readings_in(uplink)
        if readings >= _READINGS_AT_ONCE:
            yield portion
            portion, readings = [], 0
    if portion:
        yield portion


def _drained(queue: "SimpleQueue[str]") -> Iterator[str]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _hold_nothing() -> Callable[[], None]:
    return _nothing


def _nothing() -> None:
    """The broker was told long ago."""


def _no_answers(answer: Answer, device_id: str, *, at: int, done: Callable[[], None]) -> None:
    """Answers are never kept: a device that nobody registered was sent no command."""


_: AnswerSink = _no_answers
