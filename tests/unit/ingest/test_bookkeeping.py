"""The side line: pages, commands, answers, and what came before a registration."""

import time
from datetime import UTC, datetime
from queue import SimpleQueue

import pytest

from domain.clock import FakeClock, from_ms
from domain.errors import LogUnavailable, StoreUnavailable
from domain.intake import DeadLetter, Outgoing, RawUplink
from domain.telemetry import Sample, Uplink, partition_of
from ingest import backlog
from ingest.backlog import HORIZON_MS, Backlog
from ingest.book import MANY, MAX_DEAD_KEYS, Book, Receipt
from ingest.bookkeeper import Bookkeeper
from ingest.commander import Commander
from ingest.connection import Published
from ingest.decode import Answer
from store.log_memory import MemoryLog
from tests.unit.ingest.fakes import NOW, FakeAnswers, FakeNotes, FakeOutbox, FakeRegistry

CLOCK = FakeClock(from_ms(NOW))


def nothing() -> None:
    pass


def letter(device_id: str = "d", reason: str = "invalid_json", count: int = 1) -> DeadLetter:
    return DeadLetter(device_id, reason, "detail", "topic", b"payload", NOW, count)


def uplink(device_id: str, *samples: tuple[int, float]) -> Uplink:
    return Uplink(device_id, NOW, tuple(Sample(at, {"a": value}) for at, value in samples))


def test_a_receipt_acknowledges_when_its_last_part_is_done() -> None:
    acked: list[int] = []
    receipt = Receipt(lambda: acked.append(1))
    first, second = receipt.hold(), receipt.hold()
    receipt.done()
    second()
    assert acked == []
    first()
    assert acked == [1]


def test_a_page_keeps_the_newest_value_by_event_time() -> None:
    book = Book()
    book.readings(uplink("d", (10, 1.0), (30, 3.0), (20, 2.0)))
    book.readings(uplink("d", (25, 9.0)))
    assert book.take().heard["d"].values == {"a": (30, 3.0)}


def test_a_page_that_could_not_be_written_is_merged_with_what_came_meanwhile() -> None:
    book, notes, told = Book(), FakeNotes(), list[str]()
    keeper = Bookkeeper(book, notes, CLOCK)
    notes.down = True
    book.heard("d", at=5)
    book.presence("d", "online", at=5, written=lambda: told.append("presence"))
    book.reported("d", {"fw": "1", "x": 1.0}, written=lambda: told.append("attributes"))
    book.readings(uplink("d", (10, 1.0)))
    book.dead(letter(count=2))
    with pytest.raises(StoreUnavailable):
        keeper.step(at_once=True)
    book.heard("d", at=9)
    book.presence("d", "offline", at=9, written=nothing)
    book.reported("d", {"fw": "2"}, written=nothing)
    book.readings(uplink("d", (8, 7.0)))
    book.dead(letter(count=3))
    assert told == []
    notes.down = False
    keeper.step(at_once=True)
    ((heard, dead),) = notes.pages
    assert (heard["d"].last_seen, heard["d"].presence, heard["d"].reported) == (9, "offline", {"fw": "2", "x": 1.0})
    assert heard["d"].values == {"a": (10, 1.0)}
    assert [item.count for item in dead] == [5]
    assert told == ["presence", "attributes"]


def test_pages_are_written_once_a_second_or_soon_when_somebody_waits() -> None:
    book, notes = Book(), FakeNotes()
    keeper = Bookkeeper(book, notes, CLOCK)
    book.heard("d", at=1)
    keeper.step()
    assert notes.pages == []
    keeper._written -= 0.2
    keeper.step()
    assert notes.pages == []
    book.reported("d", {"fw": "1"}, written=nothing)
    keeper.step()
    assert len(notes.pages) == 1


def test_a_flood_of_unknown_names_does_not_fill_the_memory() -> None:
    book = Book()
    for n in range(MAX_DEAD_KEYS + 500):
        book.dead(letter(f"d{n}", "unknown_device"))
    page = book.take()
    assert len(page.dead) == MAX_DEAD_KEYS + 1
    assert page.dead[(MANY, "unknown_device")].count == 500


class Radio:
    def __init__(self, *outcomes: Published) -> None:
        self.outcomes, self.sent = list(outcomes), list[tuple[str, bytes]]()

    def __call__(self, topic: str, payload: bytes) -> Published:
        self.sent.append((topic, payload))
        return self.outcomes.pop(0) if self.outcomes else Published.ACKNOWLEDGED


RESTART = Outgoing("c1", "d", "restart", {"hard": True})


def commander(
    outbox: FakeOutbox, radio: Radio, answers: FakeAnswers | None = None, book: Book | None = None
) -> Commander:
    return Commander(outbox, answers or FakeAnswers(), radio, book or Book(), CLOCK, ready=lambda: True)


def test_a_command_is_committed_as_submitting_then_published_then_noted_as_sent() -> None:
    outbox, radio = FakeOutbox(RESTART), Radio()
    part = commander(outbox, radio)
    for _ in range(3):
        part.step()
    assert radio.sent == [("devices/d/commands", b'{"id":"c1","name":"restart","args":{"hard":true}}')]
    assert outbox.story == ["submitting c1", "sent c1"]


def test_a_command_was_sent_when_it_left_however_long_the_broker_takes_to_say_so() -> None:
    clock, outbox = FakeClock(from_ms(NOW)), FakeOutbox(RESTART)

    def slow(topic: str, payload: bytes) -> Published:
        clock.advance(seconds=4)
        return Published.ACKNOWLEDGED

    part = Commander(outbox, FakeAnswers(), slow, Book(), clock, ready=lambda: True)
    for _ in range(2):
        part.step()
    assert outbox.sent_at == [from_ms(NOW)]


def test_after_a_start_only_what_may_be_repeated_is_repeated() -> None:
    outbox, radio = FakeOutbox(interrupted=[RESTART]), Radio()
    commander(outbox, radio).step()
    assert len(radio.sent) == 1
    assert outbox.story == ["sent c1"]


def test_what_certainly_did_not_leave_is_queued_again() -> None:
    outbox = FakeOutbox(RESTART)
    part = commander(outbox, Radio(Published.NOT_SENT))
    part.step()
    part.step()
    assert outbox.story == ["submitting c1", "given back c1"]


def test_what_nobody_knows_of_is_neither_noted_nor_blindly_repeated() -> None:
    outbox, radio = FakeOutbox(RESTART), Radio(Published.UNKNOWN)
    part = commander(outbox, radio)
    for _ in range(4):
        part.step()
    assert outbox.story == ["submitting c1"]
    assert len(radio.sent) == 1


def test_a_lock_in_the_middle_neither_repeats_nor_forgets_a_command() -> None:
    outbox = FakeOutbox(RESTART, Outgoing("c2", "e", "restart", {}), Outgoing("c3", "f", "restart", {}))
    sent: list[str] = []

    def publish(topic: str, payload: bytes) -> Published:
        outbox.down = True
        sent.append(topic)
        return Published.NOT_SENT if topic == "devices/f/commands" else Published.ACKNOWLEDGED

    part = Commander(outbox, FakeAnswers(), publish, Book(), CLOCK, ready=lambda: True)
    part.step()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            part.step()
        outbox.down = False
    part.step()
    assert sent == ["devices/d/commands", "devices/e/commands", "devices/f/commands"]
    assert outbox.story[3:] == ["sent c1", "sent c2", "given back c3"]


def test_nothing_is_taken_from_the_outbox_without_a_connection() -> None:
    outbox = FakeOutbox(RESTART)
    Commander(outbox, FakeAnswers(), Radio(), Book(), CLOCK, ready=lambda: False).step()
    assert outbox.story == []


def test_an_answer_is_passed_on_until_it_is_taken_and_only_then_acknowledged() -> None:
    answers, acked = FakeAnswers(failures=2), list[int]()
    part = commander(FakeOutbox(RESTART), Radio(), answers)
    part.answered(Answer("c1", "failed", "hot"), "d", at=NOW, done=lambda: acked.append(1))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            part.step()
        assert acked == []
    part.step()
    assert answers.got == [("c1", "failed", "hot", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))]
    assert acked == [1]


def test_an_answer_from_another_device_or_to_no_command_is_a_dead_letter() -> None:
    answers, book, acked = FakeAnswers(), Book(), list[int]()
    part = commander(FakeOutbox(RESTART), Radio(), answers, book)
    part.answered(Answer("c1", "done", ""), "somebody-else", at=NOW, done=lambda: acked.append(1))
    part.answered(Answer("c9", "done", ""), "d", at=NOW, done=lambda: acked.append(2))
    part.step()
    assert answers.got == []
    assert sorted(book.take().dead) == [("d", "unknown_command"), ("somebody-else", "unknown_command")]
    assert acked == [1, 2]


class BacklogHouse:
    def __init__(self) -> None:
        self.registry, self.log, self.book = FakeRegistry(), MemoryLog(), Book()
        self.kept_of: SimpleQueue[str] = SimpleQueue()
        self.backlog = Backlog(
            self.registry,
            self.log,
            self.book,
            CLOCK,
            partitions=4,
            kept_of=self.kept_of,
            between=lambda work: work(),
        )

    def keep(self, at: int, payload: bytes = b'{"a": 1}', tail: str = "telemetry") -> None:
        self.log.keep_unknown({"d": [RawUplink(f"devices/d/{tail}", payload, at)]}, msg_id=f"k{at}{tail}")

    def logged(self) -> list[Uplink]:
        batches = self.log.read(partition_of("d", 4), after=0, max_entries=10**6, wait_s=0)
        return [entry for batch in batches for entry in batch.entries if isinstance(entry, Uplink)]


def test_what_a_device_sent_in_the_last_hour_is_taken_in_once_when_it_is_registered() -> None:
    house = BacklogHouse()
    house.keep(NOW - HORIZON_MS - 1)
    for age in (3000, 2000, 1000):
        house.keep(NOW - age)
    house.keep(NOW - 500, b'{"firmware": "2"}', "attributes")
    house.keep(NOW - 400, b"bad", "telemetry")
    house.backlog.step()
    assert house.logged() == []
    house.registry.register("d")
    house.backlog.step()
    house.backlog.step()
    assert [entry.received_at for entry in house.logged()] == [NOW - 3000, NOW - 2000, NOW - 1000]
    page = house.book.take()
    assert page.heard["d"].reported == {"firmware": "2"}
    assert page.heard["d"].last_seen == NOW - 400
    assert list(page.dead) == [("d", "invalid_json")]
    device = house.registry.known("d")
    assert device is not None
    assert device.admitted
    assert house.log.unknown_of("d")[0] == []


def test_what_came_while_it_was_being_admitted_follows() -> None:
    house = BacklogHouse()
    house.registry.register("d")
    house.backlog.step()
    house.keep(NOW - 10)
    house.kept_of.put("d")
    house.backlog.step()
    assert len(house.logged()) == 1


def test_what_another_process_kept_a_moment_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOK_AGAIN_S", 0.1)
    house = BacklogHouse()
    house.registry.register("d")
    house.backlog.step()
    house.keep(NOW - 10)
    house.backlog.step()
    assert house.logged() == []
    time.sleep(0.15)
    house.backlog.step()
    house.backlog.step()
    assert len(house.logged()) == 1


def test_an_outage_in_the_middle_repeats_without_doubling() -> None:
    house = BacklogHouse()
    house.keep(NOW - 10)
    house.registry.register("d")
    house.registry.down = True
    forget, house.log.forget_unknown = house.log.forget_unknown, _refuse  # type: ignore[method-assign]
    with pytest.raises(LogUnavailable):
        house.backlog.step()
    house.log.forget_unknown = forget  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        house.backlog.step()
    house.registry.down = False
    house.backlog.step()
    assert len(house.logged()) == 1


def _refuse(device_id: str, *, up_to: int) -> None:
    raise LogUnavailable("killed")
