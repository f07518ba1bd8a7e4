"""The ingest role on real parts, for tests: a database, a log, a broker, devices and a publisher."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from domain.clock import SystemClock
from domain.telemetry import LogEntry, Uplink
from ingest.brokers import parse_brokers
from ingest.ledger import ReadingLog
from ingest.role import Ingest
from store.commands import SqlCommandOutbox
from store.database import Database
from store.log_jetstream import JetStreamLog
from store.nats_sessions import NatsMqttSessions
from store.notes import SqlNotes
from store.registry import SqlRegistry
from store.tables import Base, Device, Product

PARTITIONS = 4


class NoAnswers:
    """Remembers what devices answered."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str, datetime]] = []

    def finished(self, command_id: str, status: str, detail: str, at: datetime) -> None:
        self.got.append((command_id, status, detail, at))


class IngestHouse:
    """One ingest role in threads of this process."""

    def __init__(
        self, database: Database, log: JetStreamLog, mqtt_url: str, *, instance: str = "test", append_to: Any = None
    ) -> None:
        self.database, self.log, self.answers = database, log, NoAnswers()
        target: ReadingLog = append_to or log
        self.ingest = Ingest(
            parse_brokers(mqtt_url),
            target,
            registry=SqlRegistry(database),
            notes=SqlNotes(database),
            outbox=SqlCommandOutbox(database),
            answers=self.answers,
            clock=SystemClock(),
            partitions=PARTITIONS,
            instance=instance,
            sessions=NatsMqttSessions(log),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.ingest.run, args=(self._stop,))

    def __enter__(self) -> "IngestHouse":
        self._thread.start()
        try:
            eventually(self.ingest.ready, within=20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(30)


def make_database(path: Path, *devices: str) -> Database:
    """A database whose devices are registered, announced and admitted."""
    database = Database(f"sqlite:///{path}", busy_timeout_s=1.0)
    Base.metadata.create_all(database.engine)
    register(database, *devices)
    return database


def register(database: Database, *devices: str, admitted: bool = True) -> None:
    """As the manifests and the clock role do."""
    with database.write() as session:
        if session.get(Product, "pump") is None:
            session.add(Product(name="pump", metrics={"a": {"unit": "bar"}}))
            session.flush()
        for device_id in devices:
            session.add(
                Device(id=device_id, product="pump", registered_at=datetime.now(UTC), announced=True, admitted=admitted)
            )


def entries(log: JetStreamLog, kind: type = Uplink, *, partitions: int = PARTITIONS) -> list[Any]:
    """All entries of one kind, partition by partition, in order."""
    found: list[LogEntry] = []
    for partition in range(partitions):
        after, end = 0, log.end(partition)
        while after < end:
            for batch in log.read(partition, after=after, max_entries=100_000, wait_s=1):
                after = batch.sequence
                found.extend(entry for entry in batch.entries if isinstance(entry, kind))
    return found


def numbers(log: JetStreamLog, metric: str = "a") -> dict[str, list[int]]:
    """By device: the values of one metric in the order of the log."""
    found: dict[str, list[int]] = {}
    for uplink in entries(log):
        for sample in uplink.samples:
            if metric in sample.values:
                found.setdefault(uplink.device_id, []).append(int(sample.values[metric]))
    return found


def once(values: Iterable[int]) -> list[int]:
    """Without repetitions, in order of first occurrence: what a repeated reading amounts to."""
    return list(dict.fromkeys(values))


def eventually(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def end(client: Client) -> None:
    """Stop a client's thread, and close what paho leaves to the garbage collector (which warns of it)."""
    client.loop_stop()
    for left in (client._sockpairR, client._sockpairW):
        if left is not None:
            left.close()


class Publisher:
    """Devices, as far as a broker can tell."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"publisher-{time.monotonic_ns()}", clean_session=False
        )
        self.client.max_inflight_messages_set(500)
        self.client.max_queued_messages_set(0)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(str(parts.hostname), int(parts.port or 1883))
        self.client.loop_start()
        self._infos: list[MQTTMessageInfo] = []

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Queue one message."""
        self._infos.append(self.client.publish(topic, payload, qos=qos, retain=retain))

    def flush(self, within: float = 60.0) -> None:
        """Until the broker has acknowledged all."""
        deadline = time.monotonic() + within
        for info in self._infos:
            # `wait_for_publish` gives up on what was published while the connection was away, though it will be sent.
            while not info.is_published():
                assert time.monotonic() < deadline, "the broker did not acknowledge"
                time.sleep(0.01)
        self._infos.clear()

    def close(self) -> None:
        """Good-bye."""
        self.client.disconnect()
        end(self.client)


@contextmanager
def publishing(url: str) -> Iterator[Publisher]:
    """A publisher that says good-bye."""
    publisher = Publisher(url)
    try:
        yield publisher
    finally:
        publisher.close()
