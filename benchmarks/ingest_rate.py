"""How many messages a second the ingest role takes from MQTT into the log, against a bare paho subscriber as the floor.

Both listen to the same embedded broker under the same conditions: a durable session with the messages already in it,
QoS 1, every message acknowledged. The floor only counts them; ours decodes, batches, and waits for the log before it
acknowledges. Run from the repository root: `python -m benchmarks.ingest_rate [MESSAGES]`.
"""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from store.log_jetstream import JetStreamLog
from store.nats_server import NatsServer
from tests.brokers import nats_server, running
from tests.ingest_house import IngestHouse, eventually, make_database, publishing

DEVICES = 200
FLOOR_SESSION = "floor"


def main(messages: int = 30_000) -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as folder, running(nats_server(Path(folder) / "nats")) as server:
        database = make_database(Path(folder) / "bench.db", *(f"d{n}" for n in range(DEVICES)))
        log = JetStreamLog(server.url)
        floor = _floor_client()
        _listen(floor, server)
        floor.disconnect()
        floor.loop_stop()
        with IngestHouse(database, log, server.mqtt_url):
            pass  # both sessions exist now, and keep what comes
        _publish(server, messages)
        floor_s = _run_floor(server, messages)
        ours_s = _run_ours(server, log, database, messages)
        log.close()
        database.close()
    floor_rate, our_rate = messages / floor_s, messages / ours_s
    result = {
        "messages": messages,
        "floor_messages_per_s": round(floor_rate),
        "ingest_messages_per_s": round(our_rate),
        "ratio": round(our_rate / floor_rate, 2),
        "peak_rss_mb": round(psutil.Process().memory_info().rss / 1e6),
    }
    print(json.dumps(result))


def _publish(server: NatsServer, messages: int) -> None:
    with publishing(server.mqtt_url) as devices:
        for number in range(messages):
            stamp = 1_700_000_000_000 + number
            payload = b'{"ts": %d, "temp": 21.5, "pressure": 3.2, "on": true}' % stamp
            devices.publish(f"devices/d{number % DEVICES}/telemetry", payload)
        devices.flush(within=300)


def _floor_client() -> Client:
    return Client(CallbackAPIVersion.VERSION2, client_id=FLOOR_SESSION, clean_session=False, manual_ack=True)


def _listen(client: Client, server: NatsServer) -> None:
    parts, subscribed = urlsplit(server.mqtt_url), threading.Event()
    client.on_connect = lambda c, *_: c.subscribe("devices/#", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(str(parts.hostname), int(parts.port or 1883))
    client.loop_start()
    subscribed.wait(10)


def _run_floor(server: NatsServer, messages: int) -> float:
    client, done, count = _floor_client(), threading.Event(), 0

    def on_message(client: Client, _user: object, message: MQTTMessage) -> None:
        nonlocal count
        client.ack(message.mid, message.qos)
        count += 1
        if count >= messages:
            done.set()

    client.on_message = on_message
    started = time.monotonic()
    _listen(client, server)
    assert done.wait(300), f"the floor got {count} of {messages}"
    took = time.monotonic() - started
    client.disconnect()
    client.loop_stop()
    return took


def _run_ours(server: NatsServer, log: JetStreamLog, database: object, messages: int) -> float:
    started = time.monotonic()
    with IngestHouse(database, log, server.mqtt_url) as house:  # type: ignore[arg-type]
        eventually(lambda: house.ingest.report()["uplinks"] >= messages, within=300)
        return time.monotonic() - started


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
