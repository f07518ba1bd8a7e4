"""Rubbish on MQTT: one dead letter each, with its reason, and the next good message is handled."""

import json
from collections.abc import Callable

import paho.mqtt.client as mqtt
import pytest

from tests.story.service import Service, running_service

pytestmark = [pytest.mark.slow]

MANIFESTS = """
kind: product
name: boiler
metrics: {temp: {unit: °C, kind: number}}
---
kind: device
id: b-1
product: boiler
"""
RUBBISH = [
    ("devices/nobody-knows-me/telemetry", b'{"temp": 1}', "unknown_device"),
    ("devices/b-1/telemetry", b'{"temp": ', "invalid_json"),
    ("devices/b-1/telemetry", b'{"temp": "warm"}', "wrong_kind"),
    ("devices/b-1/telemetry", b'{"temp": NaN}', "not_finite"),
    ("devices/b-1/telemetry", b'"' + b"x" * 1_000_000 + b'"', "wrong_type"),
    ("devices/b-1/telemetry/extra", b'{"temp": 1}', "unknown_topic"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("bad-input")
    with running_service(folder) as running:
        (folder / "boiler.yaml").write_text(MANIFESTS)
        running.cli("apply", str(folder / "boiler.yaml"))
        yield running  # type: ignore[misc]


@pytest.fixture(scope="module")
def publish(service: Service) -> Callable[[str, bytes], None]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="rubbish")
    client.connect("127.0.0.1", service.mqtt_port)
    client.loop_start()

    def send(topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1).wait_for_publish(timeout=10)

    yield send  # type: ignore[misc]
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(("topic", "payload", "reason"), RUBBISH, ids=[reason for *_, reason in RUBBISH])
def test_rubbish_is_one_dead_letter_and_the_next_good_message_is_handled(
    service: Service, publish: Callable[[str, bytes], None], topic: str, payload: bytes, reason: str
) -> None:
    publish(topic, payload)
    good = float(1000 + RUBBISH.index((topic, payload, reason)))
    publish("devices/b-1/telemetry", json.dumps({"temp": good}).encode())

    service.wait(
        lambda: service.http.get("/v1/devices/b-1").json()["values"].get("temp", {}).get("value") == good,
        seconds=15,
        what="the good reading",
    )
    letters = service.wait(
        lambda: [row for row in service.items("/v1/dead-letters") if row["reason"] == reason],
        seconds=15,
        what=f"a dead letter {reason}",
    )
    assert [(row["device_id"], row["count"]) for row in letters] == [(topic.split("/")[1], 1)]
    assert len(letters[0]["payload"].encode()) <= 4096
