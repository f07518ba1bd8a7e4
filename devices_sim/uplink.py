"""One MQTT connection of the outside world: reconnects for ever, and sends what had to wait, in order, bounded."""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

WINDOW = 100
"""How many publishes may await their PUBACK at once."""
CAPACITY = 20_000
"""How many messages a connection keeps while the broker is away; then the oldest goes."""

Message = tuple[str, bytes, bool]
"""Topic, payload, retained."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, from `mqtt[s]://[user:password@]host[:port]`."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """The first broker of a comma-separated list. Raises ValueError for anything but mqtt and mqtts URLs."""
        parts = urlsplit(url.split(",", maxsplit=1)[0].strip())
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"{url!r} is no broker; write mqtt://user:password@host:1883 or mqtts://…")
        tls = parts.scheme == "mqtts"
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), username, password, tls)

    def client(self, client_id: str, *, clean_session: bool) -> Client:
        """A paho client for this broker, speaking MQTT 3.1.1, not yet connected."""
        client = Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=clean_session, protocol=MQTTProtocolVersion.MQTTv311
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls:
            client.tls_set()
        client.reconnect_delay_set(1, 2)
        return client


class Uplink:
    """Publishes at QoS 1 in the order of `publish`, over any number of reconnections.

    `publish`, `flush`, `drop` and `revive` belong to one thread. paho's callbacks only note what happened: its
    `on_publish` runs under paho's own lock, so a lock of ours around `client.publish` could deadlock.
    """

    def __init__(
        self,
        new_client: Callable[[], Client],
        broker: Broker,
        *,
        subscriptions: Sequence[str],
        greetings: Sequence[Message],
        on_message: Callable[[str, bytes], Message | None],
        capacity: int = CAPACITY,
    ) -> None:
        """`greetings` go out first on every connection; what `on_message` returns is published as its answer."""
        self._new_client, self._broker = new_client, broker
        self._client: Client | None = None
        self._subscriptions, self._greetings, self._on_message = subscriptions, greetings, on_message
        self._waiting: deque[Message] = deque(maxlen=capacity)
        self._acked: deque[int] = deque()
        self._unacked: dict[int, Message] = {}
        self._stale: set[int] = set()
        self._connected, self._lost = threading.Event(), threading.Event()
        self.dropped = 0

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    @property
    def backlog(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        self._settle()
        return len(self._waiting) + len(self._unacked)

    def start(self) -> None:
        """Connect in the background, and for ever again."""
        client = self._client = self._new_client()
        client.max_inflight_messages_set(WINDOW + len(self._greetings) + 10)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_incoming
        client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Queue a message and send what can be sent now."""
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append((topic, payload, retain))
        self.flush()

    def flush(self) -> None:
        """Hand to paho what may go now.

        After a reconnection paho first repeats what it had in flight; nothing newer may overtake that, so it waits
        until those are acknowledged.
        """
        self._settle()
        client = self._client
        while client and self._connected.is_set() and not self._stale and self._waiting and len(self._unacked) < WINDOW:
            topic, payload, retain = message = self._waiting.popleft()
            self._unacked[client.publish(topic, payload, qos=1, retain=retain).mid] = message

    def drop(self) -> None:
        """Vanish without a goodbye, as in a power cut, so that the broker speaks the last will. `start` comes back.

        The next client is a new one, since paho's network thread does not start twice without leaking sockets. It does
        not know what the old one had in flight, so that waits at the front again.
        """
        if self._client is not None:
            _sever(self._client)
            self._client.loop_stop()
            self._client = None
        self._connected.clear()
        self._settle()
        self._waiting.extendleft(reversed(self._unacked.values()))
        self._unacked.clear()
        self._stale.clear()

    def leave(self, *, farewell: Message | None = None, timeout_s: float = 2.0) -> None:
        """Say goodbye and ask to disconnect; waits at most `timeout_s` for the broker to hear it. Then `join`."""
        client = self._client
        if client is None:
            return
        if self._connected.is_set() and farewell is not None:
            topic, payload, retain = farewell
            info = client.publish(topic, payload, qos=1, retain=retain)
            with suppress(RuntimeError, ValueError):  # the connection may die under it
                info.wait_for_publish(timeout_s)
        client.disconnect()

    def join(self, *, timeout_s: float = 2.0) -> None:
        """Wait until the connection is over; after `timeout_s` it is cut."""
        client, deadline = self._client, time.monotonic() + timeout_s
        if client is None:
            return
        while self._connected.is_set() and time.monotonic() < deadline:
            time.sleep(0.005)
        _sever(client)  # or paho's thread would wait for acknowledgements that do not come
        client.loop_stop()
        self._client = None

    def _settle(self) -> None:
        while self._acked:
            mid = self._acked.popleft()
            self._unacked.pop(mid, None)
            self._stale.discard(mid)
        if self._lost.is_set():
            self._lost.clear()
            self._stale = set(self._unacked)

    def _on_connect(
        self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("broker refused the connection: %s", reason)
            return
        for topic, payload, retain in self._greetings:
            client.publish(topic, payload, qos=1, retain=retain)
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        self._connected.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._connected.clear()
        self._lost.set()

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        self._acked.append(mid)

    def _on_incoming(self, client: Client, _userdata: Any, message: MQTTMessage) -> None:
        answer = self._on_message(message.topic, bytes(message.payload))
        if answer is not None:
            topic, payload, retain = answer
            client.publish(topic, payload, qos=1, retain=retain)


def _sever(client: Client) -> None:
    connection = client.socket()
    if isinstance(connection, socket.socket):
        with suppress(OSError):  # it may be gone already, which is what is wanted
            connection.shutdown(socket.SHUT_RDWR)
