"""Devices that publish at an even pace over one MQTT connection, and when each of them did."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.workload.homes import HOT, device_of


def publish(client: Client, numbers: range, *, rate: float, celsius: float = HOT) -> dict[int, float]:
    """One reading of each device, `rate` a second; by number, the epoch second at which it was published."""
    published: dict[int, float] = {}
    began = time.time()
    for place, number in enumerate(numbers):
        time.sleep(max(0.0, began + place / rate - time.time()))
        published[number] = at = time.time()
        payload = json.dumps({"ts": int(at * 1000), "temp": celsius})
        client.publish(f"devices/{device_of(number)}/telemetry", payload, qos=1)
    return published


@contextmanager
def connected(mqtt_url: str, name: str, on_reading: Callable[[str], None] | None = None) -> Iterator[Client]:
    """A client; with `on_reading`, a bare subscriber that hears the device of each reading."""
    client, ready = Client(CallbackAPIVersion.VERSION2, client_id=name), threading.Event()

    def heard(_client: Client, _user: object, message: MQTTMessage) -> None:
        assert on_reading is not None
        on_reading(message.topic.split("/")[1])

    client.on_message = heard
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda c, *_: c.subscribe("devices/+/telemetry", 1) if on_reading else ready.set()
    client.max_inflight_messages_set(500)
    parts = urlsplit(mqtt_url)
    client.connect(str(parts.hostname), int(parts.port or 1883))
    client.loop_start()
    try:
        assert ready.wait(10), "the broker does not answer"
        yield client
    finally:
        client.disconnect()
        client.loop_stop()
