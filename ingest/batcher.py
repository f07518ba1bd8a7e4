"""From received messages to the log: decodes, gathers by partition, appends, and only then acknowledges."""

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog

from domain.errors import LogUnavailable, TooLargeForLog
from domain.intake import RawUplink
from domain.telemetry import LogEntry, Uplink, partition_of
from ingest.book import Book, Receipt
from ingest.decode import MAX_PAYLOAD_BYTES, Answer, Decoded, dead_letter, decode
from ingest.intake import Delivery, Intake
from ingest.ledger import ReadingLog, Registry
from ingest.topics import Address, Kind, Misaddressed, Reason, address

log = structlog.get_logger()

MAX_READINGS = 1000
MAX_BYTES = 256 * 1024
MAX_WAIT_S = 0.02
RETRY_S = 0.5
BETWEEN_TIMEOUT_S = 5.0

K = TypeVar("K")
V = TypeVar("V")

Hold = Callable[[], Callable[[], None]]
"""Holds a message's acknowledgement back for one part of it; what it returns is called when that part is dealt with."""


class AnswerSink(Protocol):
    """Takes a device's answer to a command; `done` is called once it has been acted on."""

    def __call__(self, answer: Answer, device_id: str, *, at: int, done: Callable[[], None]) -> None: ...


@dataclass(slots=True)
class Batch:
    """What goes to the log in one go, and who is told afterwards."""

    entries: defaultdict[int, list[LogEntry]] = field(default_factory=lambda: defaultdict(list))
    kept: defaultdict[str, list[RawUplink]] = field(default_factory=lambda: defaultdict(list))
    receipts: list[Receipt] = field(default_factory=list)
    origins: dict[int, tuple[str, Delivery, Receipt]] = field(default_factory=dict)
    """By the `id` of what is in `entries` or `kept`: the device, and the message it came in."""
    readings: int = 0
    bytes: int = 0
    first_at: float = field(default_factory=time.monotonic)

    @property
    def full(self) -> bool:
        """Whether it should go."""
        return self.readings >= MAX_READINGS or self.bytes >= MAX_BYTES or len(self.receipts) >= MAX_READINGS

    def drop(self, item: object) -> tuple[str, Delivery, Receipt]:
        """Leave an entry or a raw message out; returns its origin."""
        if isinstance(item, Uplink):
            self.readings -= readings_in(item)
        _take_out(self.entries, item)
        _take_out(self.kept, item)
        return self.origins.pop(id(item))


@dataclass(slots=True)
class Counts:
    """For status and metrics."""

    uplinks: int = 0
    readings: int = 0
    kept: int = 0
    batches: int = 0


class Batcher:
    """Run it on one thread: the order of messages is the order of the log."""

    def __init__(
        self,
        intake: Intake,
        log_: ReadingLog,
        registry: Registry,
        book: Book,
        *,
        partitions: int,
        answers: AnswerSink,
    ) -> None:
        self._intake, self._log, self._registry, self._book = intake, log_, registry, book
        self._partitions, self._answers = partitions, answers
        self._run_id, self._number = uuid4().hex[:12], 0
        self.counts = Counts()
        self.trouble: str | None = None
        self._between: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self.kept_of: SimpleQueue[str] = SimpleQueue()
        """Devices of which something was kept lately: it may have come after their admission."""

    def run(self, stop: Event) -> None:
        """Until `stop`; what is unacknowledged then comes again from the broker."""
        while not stop.is_set():
            self._book.release_impatient()
            self._do_between()
            if not self._registry.loaded():  # until then nobody can be called unknown
                stop.wait(0.05)
                continue
            batch = self.gather(wait_s=0.1)
            if batch is not None:
                self.commit(batch, stop)

    def between(self, work: Callable[[], None]) -> None:
        """Run `work` between two batches, on the batcher's thread; its errors are raised here.

        Raises LogUnavailable when the batch before it does not come to an end.
        """
        task: Future[None] = Future()
        self._between.put((work, task))
        try:
            task.result(BETWEEN_TIMEOUT_S)
        except FutureTimeout:
            if task.cancel():
                raise LogUnavailable("a batch of readings is still on its way") from None
            task.result()

    def _do_between(self) -> None:
        while not self._between.empty():
            work, task = self._between.get()
            if task.set_running_or_notify_cancel():
                try:
                    task.set_result(work())
                except BaseException as exc:  # noqa: BLE001  # it is raised where it was asked for
                    task.set_exception(exc)

    def gather(self, *, wait_s: float) -> Batch | None:
        """The next batch: closed by its readings, its bytes or its age. None if nothing came within `wait_s`."""
        deliveries = self._intake.take(limit=MAX_READINGS, max_bytes=MAX_BYTES, wait_s=wait_s)
        if not deliveries:
            return None
        batch = Batch()
        while True:
            for delivery in deliveries:
                self._add(batch, delivery)
            left = batch.first_at + MAX_WAIT_S - time.monotonic()
            if batch.full or left <= 0:
                return batch
            room = max(1, MAX_READINGS - batch.readings)
            deliveries = self._intake.take(limit=room, max_bytes=MAX_BYTES - batch.bytes, wait_s=left)

    def commit(self, batch: Batch, stop: Event) -> None:
        """Append for as long as it takes, always under the same message id; then acknowledge."""
        self._number += 1
        msg_id = f"{self._run_id}-{self._number}"
        while not self._append(batch, msg_id):
            if stop.wait(RETRY_S):
                return
        self.counts.batches += 1
        self.counts.readings += batch.readings
        for device_id in batch.kept:
            self.kept_of.put(device_id)
        for receipt in batch.receipts:
            receipt.done()

    def _append(self, batch: Batch, msg_id: str) -> bool:
        try:
            while not self._offer(batch, msg_id):
                pass  # again without what was too large
        except LogUnavailable as exc:
            if self.trouble is None:
                log.warning("log_refuses", reason=str(exc))
            self.trouble = str(exc)
            return False
        if self.trouble is not None:
            log.info("log_takes_again", waiting=len(self._intake))
        self.trouble = None
        return True

    def _offer(self, batch: Batch, msg_id: str) -> bool:
        try:
            if batch.entries:
                self._log.append(batch.entries, msg_id=msg_id)
            if batch.kept:
                self._log.keep_unknown(batch.kept, msg_id=msg_id)
        except TooLargeForLog as exc:
            device_id, delivery, receipt = batch.drop(exc.item)
            self._bury(delivery, receipt, device_id, Reason.TOO_LARGE, str(exc))
            return False
        return True

    def _add(self, batch: Batch, delivery: Delivery) -> None:
        receipt = Receipt(delivery.ack)
        batch.receipts.append(receipt)
        batch.bytes += len(delivery.payload)
        if delivery.tick is not None:
            for partition in range(self._partitions):
                batch.entries[partition].append(delivery.tick)
            return
        match address(delivery.topic):
            case Misaddressed(device_id, reason, detail):
                self.counts.uplinks += 1
                self._bury(delivery, receipt, device_id, reason, detail)
            case Address(kind=Kind.OURS):
                pass
            case Address() as place:
                self.counts.uplinks += 1
                self._add_known(batch, delivery, receipt, place)

    def _add_known(self, batch: Batch, delivery: Delivery, receipt: Receipt, place: Address) -> None:
        device = self._registry.known(place.device_id)
        if device is None or (not device.admitted and place.kind is not Kind.ANSWER):
            self._keep(batch, delivery, receipt, place, registered=device is not None)
            return
        try:
            decoded = decode(place, delivery.payload, received_at=delivery.received_at, device=device)
        except Exception as exc:
            log.exception("decoder_failed", device_id=device.id, topic=delivery.topic)
            self._bury(delivery, receipt, device.id, Reason.UNREADABLE, type(exc).__name__)
            return
        if decoded.uplink is not None and not delivery.retained:
            batch.entries[partition_of(device.id, self._partitions)].append(decoded.uplink)
            batch.origins[id(decoded.uplink)] = (device.id, delivery, receipt)
            batch.readings += readings_in(decoded.uplink)
        note(
            decoded,
            device.id,
            at=delivery.received_at,
            retained=delivery.retained,
            hold=receipt.hold,
            book=self._book,
            answers=self._answers,
        )

    def _keep(self, batch: Batch, delivery: Delivery, receipt: Receipt, place: Address, *, registered: bool) -> None:
        """What nobody registered waits an hour; what was registered a moment ago waits for its place in the log."""
        if (size := len(delivery.payload)) > MAX_PAYLOAD_BYTES:
            if not delivery.retained:
                detail = f"{size} bytes; at most {MAX_PAYLOAD_BYTES} are taken"
                self._bury(delivery, receipt, place.device_id, Reason.TOO_LARGE, detail)
            return
        if not registered and not delivery.retained:
            self._bury(
                delivery, receipt, place.device_id, Reason.UNKNOWN_DEVICE, "no device with this id is registered"
            )
        if place.kind is not Kind.ANSWER and not (delivery.retained and place.kind is Kind.TELEMETRY):
            raw = RawUplink(delivery.topic, delivery.payload, delivery.received_at)
            batch.kept[place.device_id].append(raw)
            batch.origins[id(raw)] = (place.device_id, delivery, receipt)
            self.counts.kept += 1

    def _bury(self, delivery: Delivery, receipt: Receipt, device_id: str, reason: Reason, detail: str) -> None:
        letter = dead_letter(
            reason,
            detail,
            device_id=device_id,
            topic=delivery.topic,
            payload=delivery.payload,
            at=delivery.received_at,
        )
        self._book.dead(letter, written=receipt.hold())


def note(
    decoded: Decoded, device_id: str, *, at: int, retained: bool, hold: Hold, book: Book, answers: AnswerSink
) -> None:
    """Everything of a decoded message that is not for the log. A retained one is state, not activity."""
    if not retained and decoded.presence != "offline":  # a last will is the broker's word, not the device's
        book.heard(device_id, at=at)
    if decoded.uplink is not None and not retained:
        book.readings(decoded.uplink)
    if decoded.presence is not None:
        book.presence(device_id, decoded.presence, at=at, written=hold())
    if decoded.attributes:
        book.reported(device_id, decoded.attributes, written=hold())
    if decoded.answer is not None:
        answers(decoded.answer, device_id, at=at, done=hold())
    for letter in decoded.dead:
        book.dead(letter, written=hold())


def readings_in(uplink: Uplink) -> int:
    """How many readings it holds."""
    return sum(len(sample.values) for sample in uplink.samples)


def _take_out(groups: dict[K, list[V]], item: object) -> None:
    for key, group in list(groups.items()):
        group[:] = [other for other in group if other is not item]
        if not group:
            del groups[key]
