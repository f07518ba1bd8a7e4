"""Stand-ins for what the simulator talks to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class MovingClock:
    """A story clock that a test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.time, self.speed = now, 1.0

    def now(self) -> datetime:
        return self.time

    def real_seconds_until(self, moment: datetime) -> float:
        return max(0.0, (moment - self.time).total_seconds())

    def advance(self, **delta: float) -> None:
        self.time += timedelta(**delta)


@dataclass
class Info:
    mid: int

    def wait_for_publish(self, timeout: float | None = None) -> None:
        pass


@dataclass
class FakeClient:
    """paho as the uplink sees it. The test connects, disconnects and acknowledges."""

    client_id: str = "fake"
    auto_ack: bool = False
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    will: tuple[str, bytes, bool] | None = None
    started: int = 0
    looping: bool = False
    said_goodbye: bool = False

    def __post_init__(self) -> None:
        self.on_connect: Any = None
        self.on_disconnect: Any = None
        self.on_publish: Any = None
        self.on_message: Any = None
        self._unacked: list[int] = []
        self._mids = 0

    def max_inflight_messages_set(self, count: int) -> None:
        self.inflight = count

    def will_set(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        self.will = (topic, payload, retain)

    def connect_async(self, host: str, port: int, keepalive: int) -> None:
        self.address = (host, port)

    def loop_start(self) -> None:
        self.started += 1
        self.looping = True

    def loop_stop(self) -> None:
        self.looping = False

    def socket(self) -> None:
        return None

    def disconnect(self) -> None:
        self.said_goodbye = True
        self.down()

    def subscribe(self, topics: list[tuple[str, int]]) -> None:
        self.subscribed += [topic for topic, _ in topics]

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Info:
        assert qos == 1
        self._mids += 1
        self.published.append((topic, payload, retain))
        if self.auto_ack:
            self.on_publish(self, None, self._mids, None, None)
        else:
            self._unacked.append(self._mids)
        return Info(self._mids)

    def up(self, *, reason: str = "Success") -> None:
        self.on_connect(self, None, None, ReasonCode(PacketTypes.CONNACK, reason), None)

    def down(self) -> None:
        self.on_disconnect(self, None, None, None, None)

    def ack(self, count: int | None = None) -> None:
        """Acknowledge the oldest `count` messages, or all."""
        taken = self._unacked[:count]
        del self._unacked[:count]
        for mid in taken:
            self.on_publish(self, None, mid, None, None)

    def receive(self, topic: str, payload: bytes) -> None:
        message = type("Message", (), {"topic": topic, "payload": payload})()
        self.on_message(self, None, message)

    def payloads(self, topic_end: str = "") -> list[bytes]:
        return [payload for topic, payload, _ in self.published if topic.endswith(topic_end)]
