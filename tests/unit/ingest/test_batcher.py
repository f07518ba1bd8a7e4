"""From deliveries to the log: nothing is acknowledged before it is safe, nothing bad stops the good."""

import threading
import time

import pytest

from domain.telemetry import Tick, Uplink, partition_of
from ingest import batcher as batching
from ingest.batcher import Batcher
from ingest.book import GRACE_S, Book
from ingest.decode import MAX_PAYLOAD_BYTES, Answer
from ingest.intake import Intake
from store.log_memory import MemoryLog
from tests.unit.ingest.fakes import NOW, Acks, FakeRegistry

PARTITIONS = 4


class House:
    def __init__(self, *devices: str) -> None:
        self.intake, self.log, self.book, self.acks = Intake(), MemoryLog(), Book(), Acks()
        self.registry = FakeRegistry(*devices)
        self.answers: list[tuple[Answer, str]] = []
        self.done: list[object] = []
        self.stop = threading.Event()
        self.batcher = Batcher(
            self.intake, self.log, self.registry, self.book, partitions=PARTITIONS, answers=self._answered
        )

    def _answered(self, answer: Answer, device_id: str, *, at: int, done: object) -> None:
        self.answers.append((answer, device_id))
        self.done.append(done)

    def receive(self, topic: str, payload: bytes = b'{"a": 1}', **how: object) -> None:
        self.intake.put(self.acks.delivery(topic, payload, **how))  # type: ignore[arg-type]

    def work(self) -> None:
        while (batch := self.batcher.gather(wait_s=0)) is not None:
            self.batcher.commit(batch, self.stop)

    def logged(self, device_id: str = "d") -> list[object]:
        found = self.log.read(partition_of(device_id, PARTITIONS), after=0, max_entries=10**6, wait_s=0)
        return [entry for batch in found for entry in batch.entries]


def test_a_reading_is_in_the_log_of_its_partition_and_then_acknowledged() -> None:
    house = House("d")
    house.receive("devices/d/telemetry", b'{"a": 1.5}')
    house.work()
    (uplink,) = house.logged()
    assert isinstance(uplink, Uplink)
    assert (uplink.device_id, uplink.received_at, uplink.samples[0].values) == ("d", NOW, {"a": 1.5})
    assert house.acks.acked == [0]


def test_nothing_is_acknowledged_while_the_log_is_down_and_all_of_it_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "RETRY_S", 0.01)
    house = House("d")
    house.log.down = True
    for n in range(5):
        house.receive("devices/d/telemetry", b'{"ts": %d, "a": 1}' % (NOW + n))
    worker = threading.Thread(target=house.work)
    worker.start()
    time.sleep(0.1)
    assert house.acks.acked == []
    assert house.batcher.trouble == "the log is switched off"
    house.log.down = False
    worker.join(5)
    assert house.acks.acked == [0, 1, 2, 3, 4]
    assert house.batcher.trouble is None
    assert len(house.logged()) == 5


def test_a_batch_that_was_kept_without_our_knowing_is_not_kept_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "RETRY_S", 0.0)
    house = House("d")
    house.receive("devices/d/telemetry")
    batch = house.batcher.gather(wait_s=0)
    assert batch is not None
    real = house.log.append

    def append_then_lose_the_answer(*args: object, **kwargs: object) -> object:
        real(*args, **kwargs)  # type: ignore[arg-type]
        house.log.append = real  # type: ignore[method-assign]
        raise batching.LogUnavailable("timed out")

    house.log.append = append_then_lose_the_answer  # type: ignore[method-assign, assignment]
    house.batcher.commit(batch, house.stop)
    assert len(house.logged()) == 1
    assert house.acks.acked == [0]


def test_stopping_while_the_log_is_down_acknowledges_nothing() -> None:
    house = House("d")
    house.log.down = True
    house.receive("devices/d/telemetry")
    house.stop.set()
    house.work()
    assert house.acks.acked == []


def test_a_batch_closes_at_a_thousand_readings_or_256_kilobytes() -> None:
    house = House("d")
    for _ in range(1500):
        house.receive("devices/d/telemetry")
    first = house.batcher.gather(wait_s=0)
    assert first is not None
    assert first.readings == 1000
    for _ in range(10):
        house.receive("devices/d/telemetry", b'{"a": "' + b"x" * 60_000 + b'"}')
    house.batcher.gather(wait_s=0)
    last = house.batcher.gather(wait_s=0)
    assert last is not None
    assert 256 * 1024 <= last.bytes + 500 * 8 <= 400_000


def test_a_batch_closes_when_it_is_twenty_milliseconds_old() -> None:
    house = House("d")
    house.receive("devices/d/telemetry")
    started = time.monotonic()
    assert house.batcher.gather(wait_s=1) is not None
    assert time.monotonic() - started < 0.2


def test_a_mark_is_a_tick_in_every_partition_behind_what_came_before_it() -> None:
    house = House("d")
    house.receive("devices/d/telemetry")
    house.receive("devices/$listener/l", b"1", tick=Tick(NOW, "l"))
    house.work()
    assert [type(entry) for entry in house.logged()] == [Uplink, Tick]
    for partition in range(PARTITIONS):
        batches = house.log.read(partition, after=0, max_entries=99, wait_s=0)
        assert batches[-1].entries[-1] == Tick(NOW, "l")
    assert house.acks.acked == [0, 1]


def test_what_is_bad_waits_for_its_dead_letter_but_not_for_ever() -> None:
    house = House("d")
    house.receive("devices/d/telemetry", b"garbage")
    house.receive("devices/d/nonsense")
    house.receive("devices/d/telemetry", b'{"a": NaN, "b": 1}')
    house.receive("devices/d/telemetry")
    house.work()
    assert house.acks.acked == [3]
    page = house.book.take()
    assert sorted(reason for _, reason in page.dead) == ["invalid_json", "not_finite", "unknown_topic"]
    house.book.put_back(page)
    house.book.release_impatient()
    assert house.acks.acked == [3]
    page.waiting[:] = [(until - GRACE_S if until else None, call) for until, call in page.waiting]
    house.book.release_impatient()
    assert sorted(house.acks.acked) == [0, 1, 2, 3]
    assert len(house.logged()) == 2


def test_an_unknown_device_is_a_dead_letter_and_is_kept_for_an_hour() -> None:
    house = House()
    house.receive("devices/new/telemetry", b"even this")
    house.work()
    assert house.log.unknown_of("new")[0][0].payload == b"even this"
    assert list(house.book.take().dead) == [("new", "unknown_device")]
    assert house.logged("new") == []


def test_a_registered_device_that_the_engines_do_not_know_yet_is_kept_without_complaint() -> None:
    house = House()
    house.registry.register("new")
    house.receive("devices/new/telemetry")
    house.work()
    assert len(house.log.unknown_of("new")[0]) == 1
    assert not house.book.take()
    assert house.acks.acked == [0]


def test_a_retained_message_is_state_and_not_activity() -> None:
    house = House("d")
    house.receive("devices/d/telemetry", retained=True)
    house.receive("devices/d/status", b"online", retained=True)
    house.receive("devices/unknown/status", b"online", retained=True)
    house.work()
    page = house.book.take()
    assert house.logged() == []
    assert page.heard["d"].presence == "online"
    assert page.heard["d"].last_seen is None
    assert not page.dead


def test_a_last_will_is_not_a_sign_of_life_and_everything_else_is() -> None:
    house = House("d", "e", "f")
    house.receive("devices/d/status", b"offline")
    house.receive("devices/e/status", b"online")
    house.receive("devices/f/telemetry", b"{}")
    house.work()
    heard = house.book.take().heard
    assert (heard["d"].last_seen, heard["d"].presence) == (None, "offline")
    assert heard["e"].last_seen == heard["f"].last_seen == NOW


def test_attributes_wait_for_the_database_and_answers_for_their_effect() -> None:
    house = House("d")
    house.receive("devices/d/attributes", b'{"firmware": "2"}')
    house.receive("devices/d/commands/c1", b'{"status": "done"}')
    house.work()
    house.book.release_impatient()
    assert house.acks.acked == []
    assert house.answers == [(Answer("c1", "done", ""), "d")]
    page = house.book.take()
    assert page.heard["d"].reported == {"firmware": "2"}
    page.waiting[0][1]()
    assert house.acks.acked == [0]
    house.done[0]()  # type: ignore[operator]
    assert house.acks.acked == [0, 1]


def test_what_we_sent_ourselves_is_heard_back_and_forgotten() -> None:
    house = House("d")
    house.receive("devices/d/commands", b'{"id": "c1"}')
    house.receive("devices/$listener/another", b"1")
    house.work()
    assert house.acks.acked == [0, 1]
    assert not house.book.take()


def test_nobody_is_called_unknown_before_the_devices_have_been_read() -> None:
    house = House()
    house.registry.is_loaded = False
    house.receive("devices/d/telemetry")
    worker = threading.Thread(target=house.batcher.run, args=(house.stop,))
    worker.start()
    time.sleep(0.15)
    assert len(house.intake) == 1
    house.registry.devices = FakeRegistry("d").devices
    house.registry.is_loaded = True
    time.sleep(0.3)
    house.stop.set()
    worker.join(5)
    assert len(house.logged()) == 1
    assert house.book.dead_letters == 0


def test_the_intake_is_bounded_in_number_and_in_bytes() -> None:
    intake, acks = Intake(max_deliveries=3, max_bytes=1000), Acks()
    for _ in range(3):
        assert intake.has_room
        intake.put(acks.delivery("t", b"x"))
    assert not intake.has_room
    assert len(intake.take(limit=2, max_bytes=10**6, wait_s=0)) == 2
    assert intake.has_room
    intake.put(acks.delivery("t", b"x" * 1000))
    assert not intake.has_room
    intake.take(limit=9, max_bytes=10**6, wait_s=0)
    assert intake.has_room
    assert len(intake) == 0


def buried(house: House) -> list[tuple[str, str]]:
    return [(letter.device_id, letter.reason) for letter in house.book.take().dead.values()]


@pytest.mark.parametrize("registered", [False, True])
def test_over_eight_megabytes_from_one_who_is_not_admitted_are_not_kept(registered: bool) -> None:
    house = House("d")
    if registered:
        house.registry.register("new")
    house.receive("devices/new/telemetry", b" " * (MAX_PAYLOAD_BYTES + 1))
    house.receive("devices/d/telemetry")
    house.work()
    assert buried(house) == [("new", "too_large")]
    assert house.log.unknown_of("new")[0] == []
    assert len(house.logged()) == 1


def test_what_the_log_can_never_take_becomes_a_dead_letter_and_the_rest_goes_on() -> None:
    house = House("d", "e")
    house.log.largest = 500
    house.receive("devices/d/telemetry", b'{"a": 1}')
    house.receive("devices/d/telemetry", b'{"a": 2, "text": "' + b"x" * 600 + b'"}')
    house.receive("devices/e/telemetry", b'{"text": "' + b"x" * 600 + b'"}')
    house.receive("devices/new/telemetry", b'{"text": "' + b"x" * 600 + b'"}')
    house.receive("devices/new/telemetry", b'{"a": 3}')
    house.work()
    assert [entry.samples[0].values for entry in house.logged() if entry.device_id == "d"] == [{"a": 1.0}]  # type: ignore[attr-defined]
    assert not any(getattr(entry, "device_id", "") == "e" for entry in house.logged("e"))
    assert [kept.payload for kept in house.log.unknown_of("new")[0]] == [b'{"a": 3}']
    page = house.book.take()
    assert sorted(page.dead) == [
        ("d", "too_large"),
        ("e", "too_large"),
        ("new", "too_large"),
        ("new", "unknown_device"),
    ]
    for _, written in page.waiting:
        written()
    assert sorted(house.acks.acked) == [0, 1, 2, 3, 4]
    assert house.batcher.trouble is None
