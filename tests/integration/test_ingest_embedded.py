"""The ingest role with the embedded broker and log: the real server, killed and restarted."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from domain.telemetry import DeviceChanged, Tick
from store import control
from store.database import Database
from store.log_jetstream import JetStreamLog
from store.nats_server import NatsServer
from store.tables import Command, DeadLetter, Device, DeviceValue, Event
from tests.brokers import nats_server, running
from tests.ingest_house import (
    IngestHouse,
    end,
    entries,
    eventually,
    make_database,
    numbers,
    once,
    publishing,
    register,
)

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running(nats_server(tmp_path / "nats")) as started:
        yield started


@pytest.fixture
def log(server: NatsServer) -> Iterator[JetStreamLog]:
    made = JetStreamLog(server.url, timeout_s=2.0)
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make_database(tmp_path / "test.db", *(f"d{n}" for n in range(10)))
    yield made
    made.close()


def stamped(number: int, base: int = 1_700_000_000_000) -> bytes:
    return b'{"ts": %d, "a": %d}' % (base + number, number)


def test_twenty_thousand_messages_arrive_in_order_and_none_is_lost(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    with IngestHouse(database, log, server.mqtt_url) as house, publishing(server.mqtt_url) as devices:
        for number in range(20_000):
            devices.publish(f"devices/d{number % 10}/telemetry", stamped(number))
        devices.flush()
        eventually(lambda: house.ingest.report()["readings"] >= 20_000, within=30)
    got = numbers(log)
    for n in range(10):
        assert got[f"d{n}"] == list(range(n, 20_000, 10))


def start_deadly(server: NatsServer, database: Database, appends: int) -> "subprocess.Popen[str]":
    path = database.url.removeprefix("sqlite:///")
    command = [sys.executable, str(ROOT / "tests/integration/ingest_process.py")]
    process = subprocess.Popen(
        [*command, path, server.url, server.mqtt_url, str(appends)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    # Its session may hold enough for it to be dead before it is ready.
    assert process.stdout.readline().strip() == "ready" or process.wait(10) == -signal.SIGKILL
    return process


def test_killed_between_the_logs_acknowledgement_and_the_brokers_nothing_is_lost_and_order_holds(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    with publishing(server.mqtt_url) as devices:
        for round_ in range(3):
            process = start_deadly(server, database, appends=2)
            for number in range(round_ * 3000, round_ * 3000 + 3000):
                devices.publish("devices/d1/telemetry", stamped(number))
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
            assert process.returncode == -signal.SIGKILL
        devices.flush()
        # What came last overtakes nothing: the session begins again at the oldest unacknowledged message.
        with IngestHouse(database, log, server.mqtt_url):
            eventually(lambda: len(set(numbers(log).get("d1", []))) == 9000, within=30)
    assert once(numbers(log)["d1"]) == list(range(9000))


def test_a_half_dead_connection_of_our_own_is_taken_over_and_what_it_held_comes_first(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    held: list[bytes] = []
    ghost = Client(
        CallbackAPIVersion.VERSION2,
        client_id="prevenant-ingest-test-0",
        clean_session=False,
        manual_ack=True,
        reconnect_on_failure=False,
    )
    ghost.on_connect = lambda client, *_: client.subscribe("devices/#", 1)
    ghost.on_message = lambda _client, _user, message: held.append(message.payload)
    ghost.connect("127.0.0.1", server.mqtt_port)
    ghost.loop_start()
    time.sleep(0.3)
    with publishing(server.mqtt_url) as devices:
        for number in range(50):
            devices.publish("devices/d1/telemetry", stamped(number))
        devices.flush()
        eventually(lambda: len(held) == 50)
        with IngestHouse(database, log, server.mqtt_url):
            devices.publish("devices/d1/telemetry", stamped(50))
            devices.flush()
            eventually(lambda: len(numbers(log).get("d1", [])) >= 51)
    end(ghost)
    assert once(numbers(log)["d1"]) == list(range(51))


def test_the_server_killed_for_five_seconds_costs_nothing_that_it_had_acknowledged(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    with IngestHouse(database, log, server.mqtt_url) as house, publishing(server.mqtt_url) as devices:
        for number in range(2000):
            devices.publish("devices/d1/telemetry", stamped(number))
        time.sleep(0.1)
        server.kill()
        for number in range(2000, 3000):
            devices.publish("devices/d1/telemetry", stamped(number))
        eventually(lambda: house.ingest.report()["trouble"])
        assert not house.ingest.ready()
        time.sleep(5)
        server.start()
        devices.flush()
        eventually(lambda: len(set(numbers(log).get("d1", []))) == 3000, within=30)
        eventually(lambda: house.ingest.ready() and house.ingest.report()["trouble"] is None)


def test_a_locked_database_does_not_hold_readings_back(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    path = database.url.removeprefix("sqlite:///")
    with IngestHouse(database, log, server.mqtt_url) as house, publishing(server.mqtt_url) as devices:
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        devices.publish("devices/d1/attributes", b'{"firmware": "2.0"}')
        devices.publish("devices/d1/status", b"online", retain=True)
        devices.publish("devices/d2/telemetry", b"garbage")
        for number in range(500):
            devices.publish("devices/d1/telemetry", stamped(number))
        devices.flush()
        eventually(lambda: house.ingest.report()["readings"] == 500, within=5)
        eventually(lambda: "locked" in (house.ingest.report()["trouble"] or ""), within=10)
        lock.execute("ROLLBACK")
        lock.close()
        eventually(lambda: device(database, "d1").reported == {"firmware": "2.0"})
        assert device(database, "d1").presence == "online"
        eventually(lambda: house.ingest.report()["trouble"] is None)
        with database.read() as session:
            assert session.query(DeadLetter).one().reason == "invalid_json"
            value = session.get_one(DeviceValue, ("d1", "a"))
            assert value.value == {"v": 499.0}
            (change,) = control.waiting(session)
        assert isinstance(change.entry, DeviceChanged)
        assert change.entry.attributes == {"firmware": "2.0"}


def device(database: Database, device_id: str) -> Device:
    with database.read() as session:
        return session.get_one(Device, device_id)


def test_bad_input_is_one_dead_letter_each_and_the_next_good_message_is_handled(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    bad = [
        ("devices/nobody/telemetry", b'{"a": 1}', ("nobody", "unknown_device")),
        ("devices/d0/telemetry", b'{"a": 1', ("d0", "invalid_json")),
        ("devices/d1/telemetry", b'{"a": [1]}', ("d1", "wrong_type")),
        ("devices/d2/telemetry", b'{"a": NaN}', ("d2", "not_finite")),
        ("devices/d3/telemetry", b"x" * 1_000_000, ("d3", "invalid_json")),
        ("devices/d4/no/such/topic", b"{}", ("d4", "unknown_topic")),
        ("devices/" + "x" * 200 + "/telemetry", b"{}", ("x" * 128, "bad_device_id")),
    ]
    with IngestHouse(database, log, server.mqtt_url), publishing(server.mqtt_url) as devices:
        for topic, payload, _ in bad:
            devices.publish(topic, payload)
        devices.publish("devices/d9/telemetry", stamped(7))
        devices.flush()
        eventually(lambda: numbers(log) == {"d9": [7]})
        eventually(lambda: len(dead_letters(database)) == len(bad))
        assert dead_letters(database) == {key: 1 for _, _, key in bad}
        with database.read() as session:
            assert max(len(row.payload) for row in session.query(DeadLetter)) == 4096
            assert session.query(Event).filter(Event.kind == "dead_letter").count() == len(bad)


def dead_letters(database: Database) -> dict[tuple[str, str], int]:
    with database.read() as session:
        return {(row.device_id, row.reason): row.count for row in session.query(DeadLetter)}


def test_eight_megabytes_are_taken(server: NatsServer, log: JetStreamLog, database: Database) -> None:
    records = [b'{"ts": %d, "a": %d}' % (1_700_000_000_000 + n, n) for n in range(220_000)]
    payload = b"[" + b",".join(records) + b"]"
    payload += b" " * (8 * 1024 * 1024 - len(payload))
    assert len(payload) == 8 * 1024 * 1024
    with IngestHouse(database, log, server.mqtt_url) as house, publishing(server.mqtt_url) as devices:
        devices.publish("devices/d1/telemetry", payload)
        devices.flush()
        eventually(lambda: house.ingest.report()["readings"] == 220_000, within=30)
    assert numbers(log)["d1"] == list(range(220_000))


def test_more_than_eight_megabytes_from_a_stranger_stop_nothing(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    with IngestHouse(database, log, server.mqtt_url), publishing(server.mqtt_url) as devices:
        devices.publish("devices/nobody/telemetry", b" " * 8_450_000)
        devices.publish("devices/d1/telemetry", stamped(7))
        devices.flush()
        eventually(lambda: numbers(log) == {"d1": [7]})
        eventually(lambda: dead_letters(database) == {("nobody", "too_large"): 1})


def test_what_a_device_sent_before_its_registration_comes_first(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    with IngestHouse(database, log, server.mqtt_url), publishing(server.mqtt_url) as devices:
        for number in range(3):
            devices.publish("devices/new.*>/telemetry", b'{"a": %d}' % number)
        devices.flush()
        eventually(lambda: ("new.*>", "unknown_device") in dead_letters(database))
        register(database, "new.*>", admitted=False)
        for number in range(3, 60):
            devices.publish("devices/new.*>/telemetry", b'{"a": %d}' % number)
            time.sleep(0.03)
        devices.flush()
        eventually(lambda: len(numbers(log).get("new.*>", [])) >= 60)
        assert numbers(log)["new.*>"] == list(range(60))
        assert device(database, "new.*>").admitted


def test_a_command_goes_out_once_and_its_answer_comes_back(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    heard: list[bytes] = []
    with IngestHouse(database, log, server.mqtt_url) as house, publishing(server.mqtt_url) as devices:
        devices.client.on_message = lambda _c, _u, message: heard.append(message.payload)
        devices.client.subscribe("devices/d1/commands", 1)
        time.sleep(0.2)
        with database.write() as session:
            session.add(
                Command(
                    id="c1",
                    device_id="d1",
                    name="restart",
                    args={"n": 1},
                    state="queued",
                    asked_by="agent",
                    created_at=datetime.now(UTC),
                )
            )
        eventually(lambda: heard)
        assert json.loads(heard[0]) == {"id": "c1", "name": "restart", "args": {"n": 1}}
        devices.publish("devices/d1/commands/c1", b'{"status": "done", "detail": "ok"}')
        eventually(lambda: house.answers.got)
        assert house.answers.got[0][:3] == ("c1", "done", "ok")
        time.sleep(0.3)
        with database.read() as session:
            command = session.get_one(Command, "c1")
            assert (command.state, command.sent_at is None) == ("sent", False)
    assert len(heard) == 1


def test_ticks_come_once_a_second_and_only_while_the_listener_hears(
    server: NatsServer, log: JetStreamLog, database: Database
) -> None:
    started = time.time()
    with IngestHouse(database, log, server.mqtt_url):
        time.sleep(3.2)
    stopped = time.time()
    time.sleep(1.5)
    ticks = [tick.at for tick in entries(log, Tick, partitions=1)]
    assert 3 <= len(ticks) <= stopped - started + 1
    assert all(later - earlier >= 1000 for earlier, later in pairwise(ticks))
    assert ticks[-1] <= stopped * 1000
    assert all(at % 1000 == 0 for at in ticks)
