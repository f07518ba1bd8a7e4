"""Broker and log away for half a minute, database locked for half a minute: nothing is lost, and it is said once."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from domain.clock import parse_iso, to_ms
from store.nats_server import NatsServer
from tests.real import free_port
from tests.story.service import Service, running_service

OUTAGE_S = 30.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MANIFESTS = """
kind: product
name: boiler
metrics: {temp: {unit: °C}}
---
kind: customer
id: c-1
name: Alice Martin
phone: "+33612345678"
quiet_hours: null
---
kind: device
id: b-1
product: boiler
customer: c-1
---
kind: rule
name: boiler-hot
product: boiler
when: temp > 90
for: 5s
hold: 0s
stage: live
"""


class Device:
    """Publishes one stamped reading every 200 ms, hot from `hot_after` readings on; keeps what cannot be sent yet."""

    def __init__(self, port: int, *, hot_after: int) -> None:
        self.sent: list[int] = []
        self.acknowledged: set[int] = set()
        self._hot_after = hot_after
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="b-1", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_publish = lambda _c, _u, mid, _code, _props: self.acknowledged.add(mid)
        self._client.connect("127.0.0.1", port, keepalive=5)
        self._client.loop_start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            ts = time.time_ns() // 1_000_000
            temp = 99.0 if len(self.sent) >= self._hot_after else 60.0
            payload = json.dumps({"ts": ts, "temp": temp})
            self._client.publish("devices/b-1/telemetry", payload, qos=1)
            self.sent.append(ts)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + 30
        while len(self.acknowledged) < len(self.sent) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(self.acknowledged) == len(self.sent)
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def prepared(folder: Path, **settings: str) -> Iterator[Service]:
    with running_service(folder, **settings) as service:
        (folder / "boiler.yaml").write_text(MANIFESTS)
        service.cli("apply", str(folder / "boiler.yaml"))
        yield service


def stored(service: Service) -> set[int]:
    """Event times of the readings that the log holds."""
    answer = service.http.get("/v1/devices/b-1/readings", params={"metric": "temp", "max_points": 100_000})
    answer.raise_for_status()
    return {to_ms(parse_iso(point["ts"])) for point in answer.json()["items"]}


def told(service: Service) -> list[dict[str, object]]:
    return [row for row in service.items("/v1/messages") if row["state"] == "delivered"]


def warnings_of(service: Service, role: str) -> list[str]:
    return [line for line in service.log.read_text().splitlines() if "warning" in line and f"role={role}" in line]


def test_a_broker_and_log_that_are_away_for_thirty_seconds_lose_nothing(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", nats_port=free_port(), mqtt_port=free_port())
    server.start()
    try:
        with prepared(tmp_path, nats_url=server.url, mqtt_url=server.mqtt_url) as service:
            device = Device(server.mqtt_port, hot_after=30)
            time.sleep(3)
            server.stop()
            time.sleep(OUTAGE_S / 2)
            said = service.status()
            time.sleep(OUTAGE_S / 2)
            server.start()
            service.wait(lambda: told(service), seconds=40, what="the message about the fault")
            device.stop()
            service.wait(lambda: stored(service) >= set(device.sent), seconds=20, what="every reading")
            service.wait(lambda: not service.status()["trouble"], seconds=20, what="no trouble in status")
            assert any("log" in line or "broker" in line for line in said["trouble"])
            assert len(service.items("/v1/tickets")) == 1
            assert len(told(service)) == 1
            for role in ("ingest", "rules", "clock"):
                assert 1 <= len(warnings_of(service, role)) <= 6, warnings_of(service, role)
    finally:
        server.stop()


def test_a_database_locked_for_thirty_seconds_loses_nothing(tmp_path: Path) -> None:
    with prepared(tmp_path) as service:
        device = Device(service.mqtt_port, hot_after=15)
        time.sleep(1)
        lock = sqlite3.connect(service.database_file, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        time.sleep(OUTAGE_S * 0.6)
        said = service.status()
        time.sleep(OUTAGE_S * 0.4)
        lock.execute("ROLLBACK")
        lock.close()
        service.wait(lambda: told(service), seconds=40, what="the message about the fault")
        device.stop()
        service.wait(lambda: stored(service) >= set(device.sent), seconds=20, what="every reading")
        service.wait(lambda: not service.status()["trouble"], seconds=20, what="no trouble in status")
        assert any("database" in line for line in said["trouble"]), said["trouble"]
        assert len(service.items("/v1/tickets")) == 1
        assert len(told(service)) == 1
        for role in ("ingest", "rules", "notify", "clock"):
            assert len(warnings_of(service, role)) <= 6, warnings_of(service, role)
