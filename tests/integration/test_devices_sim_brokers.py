"""The simulator and a replay on real brokers: last wills, commands that wait, and an outage that costs nothing."""

import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices_sim.clock import StoryClock
from devices_sim.faults import FaultKind
from devices_sim.replay import replay
from devices_sim.run import Simulator
from devices_sim.scenario import DevicePlan, FaultPlan, Scenario
from devices_sim.uplink import Broker
from store.nats_server import NatsServer
from tests.brokers import Mosquitto, nats_server, running


class Ear:
    """Hears everything under devices/, over reconnections."""

    def __init__(self, url: str) -> None:
        broker = Broker.parse(url)
        self.stamps: dict[str, list[int]] = defaultdict(list)
        self.heard: list[tuple[str, bytes]] = []
        self.ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda *_: self.client.subscribe("devices/#", qos=1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _c, _u, message: self._hear(message.topic, message.payload)
        self.client.connect_async(broker.host, broker.port)
        self.client.loop_start()
        assert self.ready.wait(10)

    def _hear(self, topic: str, payload: bytes) -> None:
        _, device, kind, *_ = topic.split("/")
        if kind == "telemetry":
            self.stamps[device].append(json.loads(payload)["ts"])
        else:
            self.heard.append((topic, payload))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def living(simulator: Simulator) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=simulator.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def fast_day() -> StoryClock:
    return StoryClock(datetime(2026, 3, 2, 8, tzinfo=UTC), 600, datetime.now(UTC))


def story(*faults: FaultPlan) -> Scenario:
    return Scenario("scenario", "t", {"hp-1": DevicePlan("heatpump"), "wp-1": DevicePlan("waterpump")}, faults=faults)


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def distinct(stamps: list[int]) -> list[int]:
    """Each stamp at its first arrival: at least once is what QoS 1 promises."""
    return list(dict.fromkeys(stamps))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running(nats_server(tmp_path / "nats")) as started:
        yield started


def test_a_device_that_falls_silent_leaves_its_will_and_comes_back(server: NatsServer) -> None:
    ear = Ear(server.mqtt_url)
    simulator = Simulator(
        story(FaultPlan("hp-1", FaultKind.SILENCE, "20m", lasts="20m")), mqtt_url=server.mqtt_url, clock=fast_day()
    )

    def statuses() -> list[bytes]:
        return [payload for topic, payload in ear.heard if topic == "devices/hp-1/status"]

    with living(simulator):
        until(lambda: statuses() == [b"online", b"offline", b"online"])
        until(lambda: len(ear.stamps["hp-1"]) >= 25)
    until(lambda: statuses()[-1] == b"offline")
    ear.close()
    gaps = {after - before for before, after in zip(ear.stamps["hp-1"], ear.stamps["hp-1"][1:], strict=False)}
    assert gaps == {60_000, 21 * 60_000}


def test_a_command_that_came_while_the_device_was_away_is_obeyed_on_its_return(server: NatsServer) -> None:
    ear = Ear(server.mqtt_url)
    simulator = Simulator(
        story(FaultPlan("hp-1", FaultKind.SILENCE, "20m", lasts="30m")), mqtt_url=server.mqtt_url, clock=fast_day()
    )
    with living(simulator):
        until(lambda: ("devices/hp-1/status", b"offline") in ear.heard)
        command = json.dumps({"id": "c-1", "name": "restart", "args": {}})
        ear.client.publish("devices/hp-1/commands", command, qos=1)
        until(lambda: any(topic == "devices/hp-1/commands/c-1" for topic, _ in ear.heard))
    ear.close()
    answers = [json.loads(payload) for topic, payload in ear.heard if topic == "devices/hp-1/commands/c-1"]
    assert answers == [{"status": "done", "detail": "restarted"}]


def test_an_outage_of_the_broker_loses_nothing_and_keeps_the_order(server: NatsServer) -> None:
    ear = Ear(server.mqtt_url)
    simulator = Simulator(story(), mqtt_url=server.mqtt_url, clock=fast_day())
    with living(simulator):
        until(lambda: len(ear.stamps["wp-1"]) > 10)
        server.kill()
        time.sleep(2)
        server.start()
        marks = {device: len(stamps) for device, stamps in ear.stamps.items()}
        until(lambda: all(len(ear.stamps[device]) > mark + 30 for device, mark in marks.items()))
    ear.close()
    for stamps in ear.stamps.values():
        once = distinct(stamps)
        assert once == sorted(once)
        assert {after - before for before, after in itertools.pairwise(once)} == {60_000}


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
def test_a_replay_arrives_whole_and_ends_now(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "recording.csv"
    file.write_text("when;Volume Flow\n" + "".join(f"{1_700_000_000_000 + n * 1000};{n}\n" for n in range(2000)))
    with running(nats_server(tmp_path / "nats")) if kind == "nats" else Mosquitto(tmp_path) as broker:
        url = broker.mqtt_url if isinstance(broker, NatsServer) else broker.url
        ear = Ear(url)
        done = replay(file, mqtt_url=url, time_column="when", device="d-1", delimiter=";")
        until(lambda: len(ear.stamps["d-1"]) >= 2000)
        ear.close()
    assert done.acknowledged == 2000
    assert ear.stamps["d-1"] == sorted(set(ear.stamps["d-1"]))
    assert abs(ear.stamps["d-1"][-1] / 1000 - time.time()) < 20
