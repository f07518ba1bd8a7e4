"""The ingest role with an external MQTT 5 broker, Mosquitto: shared subscriptions, and memory while the log is down."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import ingest.role
from ingest.intake import Intake
from store.database import Database
from store.log_jetstream import JetStreamLog
from store.nats_server import NatsServer
from tests.brokers import Mosquitto, nats_server, running
from tests.ingest_house import IngestHouse, eventually, make_database, numbers, once, publishing


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, inflight=4096) as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running(nats_server(tmp_path / "nats")) as started:
        yield started


@pytest.fixture
def log(server: NatsServer) -> Iterator[JetStreamLog]:
    made = JetStreamLog(server.url, timeout_s=1.0)
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make_database(tmp_path / "test.db", *(f"d{n}" for n in range(10)))
    yield made
    made.close()


def stamped(number: int) -> bytes:
    return b'{"ts": %d, "a": %d}' % (1_700_000_000_000 + number, number)


def test_two_listeners_share_the_messages_of_one_broker(
    mosquitto: Mosquitto, log: JetStreamLog, database: Database
) -> None:
    first = IngestHouse(database, log, mosquitto.url, instance="one")
    second = IngestHouse(database, log, mosquitto.url, instance="two")
    with first, second, publishing(mosquitto.url) as devices:
        for number in range(4000):
            devices.publish(f"devices/d{number % 10}/telemetry", stamped(number))
        devices.flush()
        eventually(lambda: sum(len(values) for values in numbers(log).values()) >= 4000, within=30)
        shares = [house.ingest.report()["readings"] for house in (first, second)]
    assert sum(shares) == 4000
    assert min(shares) > 500
    assert {n for values in numbers(log).values() for n in values} == set(range(4000))


def test_mqtt_3_1_1_when_the_address_says_so(mosquitto: Mosquitto, log: JetStreamLog, database: Database) -> None:
    with (
        IngestHouse(database, log, f"{mosquitto.url}?version=3.1.1") as house,
        publishing(mosquitto.url) as devices,
    ):
        for number in range(1000):
            devices.publish("devices/d1/telemetry", stamped(number))
        devices.flush()
        eventually(lambda: house.ingest.report()["readings"] == 1000)
    assert numbers(log)["d1"] == list(range(1000))


def test_what_comes_while_nobody_listens_waits_in_the_session(
    mosquitto: Mosquitto, log: JetStreamLog, database: Database
) -> None:
    with IngestHouse(database, log, mosquitto.url):
        pass
    with publishing(mosquitto.url) as devices:
        for number in range(500):
            devices.publish("devices/d1/telemetry", stamped(number))
        devices.flush()
    with IngestHouse(database, log, mosquitto.url):
        eventually(lambda: len(numbers(log).get("d1", [])) == 500)
    assert numbers(log)["d1"] == list(range(500))


def test_while_the_log_is_down_memory_is_bounded_and_nothing_is_lost(
    mosquitto: Mosquitto, server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    me = psutil.Process(os.getpid())
    with IngestHouse(database, log, mosquitto.url) as house, publishing(mosquitto.url) as devices:
        devices.publish("devices/d1/telemetry", stamped(0))
        eventually(lambda: house.ingest.report()["readings"] == 1)
        server.kill()
        before = me.memory_info().rss
        padding = b" " * 2000
        for number in range(1, 9_000):
            devices.publish("devices/d1/telemetry", stamped(number) + padding)
            if number % 500 == 0:
                devices.flush()
        devices.flush()
        time.sleep(1)
        report = house.ingest.report()
        assert report["waiting"] <= 4096
        assert "log" in report["trouble"]
        assert me.memory_info().rss - before < 100 * 1024 * 1024
        server.start()
        eventually(lambda: len(set(numbers(log).get("d1", []))) == 9_000, within=60)
    assert once(numbers(log)["d1"]) == list(range(9_000))


def test_messages_without_quality_of_service_are_not_read_faster_than_the_log_takes_them(
    mosquitto: Mosquitto,
    server: NatsServer,
    log: JetStreamLog,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest.role, "Intake", lambda: Intake(max_deliveries=1000, max_bytes=10**7))
    with IngestHouse(database, log, mosquitto.url) as house, publishing(mosquitto.url) as devices:
        server.kill()
        for number in range(8_000):
            devices.publish("devices/d1/telemetry", stamped(number), qos=0)
        time.sleep(2)
        assert 1000 <= house.ingest.report()["waiting"] <= 1001
        server.start()
        eventually(lambda: len(numbers(log).get("d1", [])) > 1500, within=30)
        devices.publish("devices/d2/telemetry", stamped(7))
        eventually(lambda: numbers(log).get("d2") == [7], within=30)
        got = numbers(log)["d1"]
    assert got == sorted(got)


def test_a_broker_that_is_away_is_said_once_and_waited_for(
    mosquitto: Mosquitto, log: JetStreamLog, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with IngestHouse(database, log, mosquitto.url) as house:
        mosquitto.__exit__()
        eventually(lambda: house.ingest.report()["trouble"])
        time.sleep(2.5)
        assert not house.ingest.ready()
        mosquitto.__enter__()
        eventually(house.ingest.ready, within=15)
        eventually(lambda: house.ingest.report()["trouble"] is None)
    said = capsys.readouterr().out
    assert said.count("not_listening") == 1
