"""What every reading log promises: the fake in memory and JetStream on the real server pass the same tests."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.clock import from_ms
from domain.errors import LogUnavailable, TooLargeForLog
from domain.intake import RawUplink
from domain.telemetry import (
    DeviceChanged,
    DeviceDeleted,
    LogBatch,
    LogEntry,
    RuleActivated,
    RuleRetired,
    Sample,
    Tick,
    Uplink,
)
from store.log_jetstream import JetStreamLog, LogLimits
from store.log_memory import MemoryLog
from store.nats_server import MAX_PAYLOAD, NatsServer
from tests.brokers import nats_server, running

ENTRIES: tuple[LogEntry, ...] = (
    Uplink("pump.7", 1000, (Sample(900, {"a": 1.5, "on": True, "mode": "é"}), Sample(950, {"a": 2.0}, restamped=True))),
    Tick(2000, "listener-1", covers_ms=60_000),
    RuleActivated("hot", 3, "live", {"kind": "rule", "when": "a > 1", "signals": {"x": {"op": "mean"}}}),
    RuleRetired("hot"),
    DeviceChanged("pump.7", "pump", {"region": "EU", "max": 90.0}, 5),
    DeviceDeleted("pump.7"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running(nats_server(tmp_path_factory.mktemp("nats"))) as started:
        yield started


@pytest.fixture(params=["memory", "jetstream"])
def log(request: pytest.FixtureRequest) -> Iterator[MemoryLog | JetStreamLog]:
    made = MemoryLog() if request.param == "memory" else JetStreamLog(request.getfixturevalue("server").url)
    if isinstance(made, JetStreamLog):
        made.purge()
    yield made
    made.close()


def uplink(device_id: str, at: int, **values: float) -> Uplink:
    return Uplink(device_id, at, (Sample(at, values or {"a": 1.0}),))


def drain(log: MemoryLog | JetStreamLog, partition: int, *, after: int = 0, max_entries: int = 100) -> list[LogBatch]:
    """All that is there: a read may return a part of it."""
    found: list[LogBatch] = []
    while batches := log.read(partition, after=after, max_entries=max_entries, wait_s=0.3):
        found.extend(batches)
        after = found[-1].sequence
    return found


def test_every_kind_of_entry_comes_back_as_it_was(log: MemoryLog | JetStreamLog) -> None:
    log.append({3: ENTRIES}, msg_id="one")
    (batch,) = log.read(3, after=0, max_entries=100, wait_s=1)
    assert batch.entries == ENTRIES
    assert all(isinstance(value, float) for value in (batch.entries[0].samples[1].values["a"],))  # type: ignore[union-attr]


def test_sequences_grow_and_partitions_keep_apart(log: MemoryLog | JetStreamLog) -> None:
    first = log.append({0: [Tick(1, "l")], 1: [Tick(1, "l")]}, msg_id="a")
    second = log.append({0: [Tick(2, "l")]}, msg_id="b")
    assert first.keys() == {0, 1}
    assert second[0] > first[0]
    assert [b.sequence for b in drain(log, 0)] == [first[0], second[0]]
    assert [b.sequence for b in drain(log, 1)] == [first[1]]
    assert (log.end(0), log.end(1), log.end(2)) == (second[0], first[1], 0)


def test_the_same_message_id_is_kept_once_and_answers_the_same_sequences(log: MemoryLog | JetStreamLog) -> None:
    batches = {0: [Tick(1, "l")], 5: [Tick(1, "l")]}
    assert log.append(batches, msg_id="again") == log.append(batches, msg_id="again")
    assert len(drain(log, 0)) == 1


def test_reading_goes_on_where_it_ended_and_may_go_back(log: MemoryLog | JetStreamLog) -> None:
    sent = [log.append({0: [Tick(at, "l")]}, msg_id=f"m{at}")[0] for at in range(20)]
    first = log.read(0, after=0, max_entries=7, wait_s=1)
    rest = drain(log, 0, after=first[-1].sequence, max_entries=3)
    assert [b.sequence for b in (*first, *rest)] == sent
    assert 1 <= len(first) <= 7
    assert [b.sequence for b in drain(log, 0, after=sent[9])] == sent[10:]


def test_one_message_larger_than_asked_for_still_comes(log: MemoryLog | JetStreamLog) -> None:
    log.append({0: [Tick(at, "l") for at in range(50)]}, msg_id="big")
    (batch,) = log.read(0, after=0, max_entries=10, wait_s=1)
    assert len(batch.entries) == 50


def test_nothing_new_is_empty_after_the_wait(log: MemoryLog | JetStreamLog) -> None:
    last = log.append({0: [Tick(1, "l")]}, msg_id="a")[0]
    started = time.monotonic()
    assert not log.read(0, after=last, max_entries=9, wait_s=0.3)
    assert 0.2 < time.monotonic() - started < 2


def test_a_waiting_reader_is_woken_by_an_append(log: MemoryLog | JetStreamLog) -> None:
    assert not log.read(0, after=0, max_entries=9, wait_s=0)
    writer = threading.Timer(0.2, lambda: log.append({0: [Tick(7, "l")]}, msg_id="late"))
    writer.start()
    started = time.monotonic()
    (batch,) = log.read(0, after=0, max_entries=9, wait_s=5)
    writer.join()
    assert batch.entries == (Tick(7, "l"),)
    assert time.monotonic() - started < 2


def test_readings_of_a_device_since_a_time(log: MemoryLog | JetStreamLog) -> None:
    for minute in range(40):
        at = minute * 60_000
        entries = [uplink("a", at, v=float(minute)), uplink("b", at)]
        log.append({2: entries if minute % 3 else [DeviceDeleted("x")]}, msg_id=f"m{minute}")
    found = list(log.readings_of("a", partition=2, since=from_ms(20 * 60_000)))
    assert [u.received_at // 60_000 for u in found] == [m for m in range(20, 40) if m % 3]
    assert list(log.readings_of("nobody", partition=2, since=from_ms(0))) == []
    assert list(log.readings_of("a", partition=6, since=from_ms(0))) == []
    assert len(list(log.readings_of("a", partition=2, since=from_ms(-5)))) == 26


def test_what_came_since_a_time_is_read_up_to_a_place(log: MemoryLog | JetStreamLog) -> None:
    ends = [log.append({2: [uplink("a", m * 60_000)], 3: [Tick(m, "l")]}, msg_id=f"s{m}")[2] for m in range(40)]
    found = list(log.since(2, 20 * 60_000, up_to=ends[30]))
    assert [batch.sequence for batch in found][-12:] == ends[19:31]
    minutes = [entry.received_at // 60_000 for batch in found for entry in batch.entries if isinstance(entry, Uplink)]
    assert minutes == sorted(minutes)
    assert minutes[-1] == 30
    assert len(list(log.since(2, 0, up_to=ends[-1]))) == 40
    assert list(log.since(5, 0, up_to=ends[-1])) == []


def test_readings_of_a_device_after_a_place_in_the_log(log: MemoryLog | JetStreamLog) -> None:
    places = [log.append({0: [uplink("a", n)]}, msg_id=f"n{n}")[0] for n in range(5)]
    assert [u.received_at for u in log.readings_of("a", partition=0, since=from_ms(0), after=places[2])] == [3, 4]
    assert list(log.readings_of("a", partition=0, since=from_ms(0), after=places[4])) == []


def test_a_reader_who_cannot_wait_is_told_that_there_is_more(log: MemoryLog | JetStreamLog) -> None:
    log.append({0: [uplink("a", 1)]}, msg_id="1")
    with pytest.raises(LogUnavailable, match="too much to look through"):
        list(log.readings_of("a", partition=0, since=from_ms(0), patience_s=-1))


def test_the_extent_names_the_log_and_its_newest_message(log: MemoryLog | JetStreamLog) -> None:
    before = log.extent()
    (sequence,) = log.append({3: [uplink("a", 1)]}, msg_id="1").values()
    after = log.extent()
    assert after.last == sequence == before.last + 1
    assert after.identity == before.identity != ""
    assert after.first <= after.last


def test_what_unknown_devices_sent_is_kept_once_and_forgotten_when_taken(log: MemoryLog | JetStreamLog) -> None:
    first = [RawUplink("devices/d.*>/telemetry", bytes([n]), n) for n in range(5)]
    for _ in range(2):
        log.keep_unknown({"d.*>": first, "other": [RawUplink("t", b"x", 1)]}, msg_id="u1")
    kept, position = log.unknown_of("d.*>")
    assert list(kept) == first
    later = RawUplink("devices/d.*>/telemetry", b"later", 9)
    log.keep_unknown({"d.*>": [later]}, msg_id="u2")
    log.forget_unknown("d.*>", up_to=position)
    assert list(log.unknown_of("d.*>")[0]) == [later]
    assert len(log.unknown_of("other")[0]) == 1
    assert log.unknown_of("never heard of") == ([], 0)


def test_the_fake_refuses_when_it_is_down() -> None:
    log = MemoryLog()
    log.down = True
    for call in (
        lambda: log.append({0: ENTRIES}, msg_id="a"),
        lambda: log.read(0, after=0, max_entries=1, wait_s=0),
        lambda: log.end(0),
    ):
        with pytest.raises(LogUnavailable):
            call()
    log.down = False
    assert log.end(0) == 0


def test_a_killed_server_refuses_then_goes_on_without_loss(tmp_path: Path) -> None:
    server = nats_server(tmp_path)
    with running(server):
        log = JetStreamLog(server.url, timeout_s=1.0)
        first = log.append({0: [Tick(1, "l")]}, msg_id="a")[0]
        assert log.read(0, after=0, max_entries=9, wait_s=1)
        server.kill()
        with pytest.raises(LogUnavailable):
            log.append({0: [Tick(2, "l")]}, msg_id="b")
        with pytest.raises(LogUnavailable):
            log.read(0, after=first, max_entries=9, wait_s=0.1)
        server.start()
        second = _until_taken(log, msg_id="b")
        assert [b.sequence for b in log.read(0, after=first, max_entries=9, wait_s=5)] == [second]
        log.close()


def _until_taken(log: JetStreamLog, *, msg_id: str) -> int:
    for _ in range(50):
        try:
            return log.append({0: [Tick(2, "l")]}, msg_id=msg_id)[0]
        except LogUnavailable:
            time.sleep(0.1)
    raise AssertionError("the log did not come back")


def test_a_full_log_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    with running(nats_server(tmp_path)) as server:
        log = JetStreamLog(server.url, limits=LogLimits(max_bytes=200_000))
        entries = [uplink(f"d{n}", n) for n in range(1000)]
        kept = [log.append({0: entries}, msg_id=f"m{n}")[0] for n in range(7)]
        with pytest.raises(LogUnavailable, match="maximum bytes"):
            log.append({0: entries}, msg_id="one too many")
        assert [b.sequence for b in drain(log, 0)] == kept
        log.close()


def test_an_uplink_larger_than_a_log_message_is_cut_in_order(tmp_path: Path) -> None:
    with running(nats_server(tmp_path)) as server:
        log = JetStreamLog(server.url)
        samples = tuple(Sample(at, {"text": "x" * 1000}) for at in range(12_000))
        log.append({0: [Uplink("d", 5, samples)]}, msg_id="huge")
        got = list(log.readings_of("d", partition=0, since=from_ms(0)))
        assert len(got) > 1
        assert tuple(s for u in got for s in u.samples) == samples
        log.close()


def test_a_position_beyond_the_log_is_an_error_that_says_so(tmp_path: Path) -> None:
    with running(nats_server(tmp_path)) as server:
        log = JetStreamLog(server.url)
        with pytest.raises(LogUnavailable, match="replaced"):
            log.read(0, after=77, max_entries=1, wait_s=0.2)
        log.close()


def test_what_will_never_fit_is_named_and_nothing_is_added(tmp_path: Path) -> None:
    with running(SmallServer(nats_server(tmp_path))) as server:
        log = JetStreamLog(server.url)
        good, bad = uplink("d", 1), Uplink("d", 2, (Sample(2, {"a": 1.0, "text": "x" * 60_000}),))
        with pytest.raises(TooLargeForLog) as refused:
            log.append({0: [Tick(1, "l")], 1: [good, bad]}, msg_id="a")
        assert refused.value.item is bad
        fits, too_long = RawUplink("t", b"x", 1), RawUplink("t", b"x" * 60_000, 2)
        with pytest.raises(TooLargeForLog) as refused:
            log.keep_unknown({"d": [fits], "e": [fits, too_long]}, msg_id="b")
        assert refused.value.item is too_long
        assert (log.end(0), log.end(1), log.unknown_of("d"), log.unknown_of("e")) == (0, 0, ([], 0), ([], 0))
        log.append({1: [good]}, msg_id="a")
        assert [b.entries for b in drain(log, 1)] == [(good,)]
        log.close()


class SmallServer(NatsServer):
    """One that takes 32 kB at most, as somebody else's may."""

    def __init__(self, like: NatsServer) -> None:
        super().__init__(like.directory, nats_port=like.nats_port, mqtt_port=like.mqtt_port)

    def _config(self) -> str:
        return super()._config().replace(f"max_payload: {MAX_PAYLOAD}", "max_payload: 32768")


def test_a_first_read_waits_for_the_first_connection(server: NatsServer) -> None:
    log = JetStreamLog(server.url)
    assert log.read(7, after=0, max_entries=9, wait_s=0) == []
    log.close()


def test_a_server_that_is_slow_is_not_one_that_is_away(tmp_path: Path) -> None:
    with running(nats_server(tmp_path)) as server:
        log = JetStreamLog(server.url, timeout_s=0.5)
        sent = log.append({0: [Tick(1, "l")]}, msg_id="a")[0]
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        wake = threading.Timer(1.5, os.kill, (server.pid, signal.SIGCONT))
        wake.start()
        assert [b.sequence for b in log.read(0, after=0, max_entries=9, wait_s=0.1)] == [sent]
        wake.join()
        log.close()
