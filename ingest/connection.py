"""One MQTT connection from CONNECT to its end: paho under a loop of our own, which can stop reading without dying.

Packet ids belong to one connection, so each gets a paho client of its own: an acknowledgement that comes too late goes
to a client that no longer has a socket, and is never sent.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.brokers import Broker
from ingest.buffered import BufferedClient

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

RECEIVE_MAXIMUM = 4096
SESSION_EXPIRY_S = 7 * 24 * 3600
KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 10.0
_PACKETS_AT_ONCE = 200
_TICK_S = 0.1


class Published(StrEnum):
    """What became of a publication."""

    ACKNOWLEDGED = "acknowledged"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Refused(Exception):
    """The broker does not want us, or is not there. `wrong_version`: it does not speak this MQTT."""

    def __init__(self, reason: str, *, wrong_version: bool = False) -> None:
        super().__init__(reason)
        self.wrong_version = wrong_version


class Connection:
    """Connects, subscribes and hands each message to `on_message(message, ack)` on the thread that calls `serve`."""

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        protocol: int,
        topics: list[str],
        on_message: Callable[[MQTTMessage, Callable[[], None]], None],
        has_room: Callable[[], bool],
    ) -> None:
        self.broker, self.protocol = broker, protocol
        self.ready = threading.Event()
        """Every subscription stands."""
        self.problem: str | None = None
        self._topics, self._has_room, self._deliver = topics, has_room, on_message
        self._in_flight: set[int] = set()
        self._handled = 0
        self._wrong_version = False
        self._sign_of_life = 0.0
        self._wake_r, self._wake_w = socket.socketpair()
        for end in (self._wake_r, self._wake_w):
            end.settimeout(0)
        self._client = self._make_client(client_id)

    def open(self) -> None:
        """Connect the socket and send CONNECT. Raises Refused."""
        properties = None
        if self.protocol == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
        try:
            if properties is None:
                self._client.connect(self.broker.host, self.broker.port, keepalive=KEEPALIVE_S)
            else:
                self._client.connect(
                    self.broker.host, self.broker.port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties
                )
        except (OSError, ValueError) as exc:
            self.close()
            raise Refused(str(exc) or type(exc).__name__) from exc

    def serve(self, *, until: Callable[[], bool], idle: Callable[[], None]) -> None:
        """Until the connection ends or `until()`; `idle` is called about ten times a second.

        Raises Refused when the connection never came to be.
        """
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        looked_after = 0.0
        while not until() and (sock := self._client.socket()) is not None:
            room = self._has_room()
            self._turn(sock, reading=room)
            now = time.monotonic()
            if not self.ready.is_set() and now > deadline:
                self.problem = self.problem or "no answer"
                break
            if now - looked_after > _TICK_S:
                looked_after = now
                self._look_after(reading=room)
                idle()
        if not self.ready.is_set() and not until():
            raise Refused(self.problem or "the connection was closed", wrong_version=self._wrong_version)

    def publish(self, topic: str, payload: bytes, *, timeout_s: float) -> Published:
        """Publish at QoS 1 and wait for the broker's acknowledgement. From any thread but the serving one."""
        if not self.ready.is_set():
            return Published.NOT_SENT
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return Published.NOT_SENT  # this client is never connected again, so what it holds stays here
        with suppress(RuntimeError, ValueError):
            info.wait_for_publish(timeout_s)
            if info.is_published():
                return Published.ACKNOWLEDGED
        return Published.UNKNOWN

    def send(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 and look no further."""
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Say good-bye if there is somebody, and let go of the sockets. The session stays with the broker."""
        self.ready.clear()
        with suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop_write()
        if (sock := self._client.socket()) is not None:
            with suppress(OSError):
                sock.close()
        for end in (self._wake_r, self._wake_w):
            end.close()

    def _make_client(self, client_id: str) -> BufferedClient:
        v5 = self.protocol == MQTTv5
        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if v5 else False,
            protocol=MQTTv5 if v5 else MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = 5.0
        if self.broker.username is not None:
            client.username_pw_set(self.broker.username, self.broker.password)
        if self.broker.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message, client.on_disconnect = self._on_message, self._on_disconnect
        # With this set, paho leaves all writing to our loop, so that no two threads write to one socket.
        client.on_socket_register_write = lambda *_: self._wake()
        return client

    def _turn(self, sock: "SocketLike", *, reading: bool) -> None:
        pending = reading and self._client.unread() > 0
        readers = [self._wake_r, sock] if reading else [self._wake_r]
        writers = [sock] if self._client.want_write() else []
        try:
            ready_r, ready_w, _ = select.select(readers, writers, [], 0 if pending else _TICK_S)
        except (OSError, ValueError):  # the socket is gone
            self._client.loop_misc()
            return
        if self._wake_r in ready_r:
            with suppress(BlockingIOError):
                self._wake_r.recv(65536)
        if pending or sock in ready_r:
            self._read()
        if ready_w or self._client.want_write():
            self._client.loop_write()

    def _read(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            before = self._handled
            if self._client.loop_read() or self._handled == before or not self._has_room():
                return

    def _look_after(self, *, reading: bool) -> None:
        if reading:
            self._client.loop_misc()
        elif time.monotonic() - self._sign_of_life > KEEPALIVE_S / 4:
            # While nothing is read no PINGRESP can be seen, and paho would give up; the broker only wants a sign.
            self._sign_of_life = time.monotonic()
            self._client.unsubscribe("prevenant/none")

    def _wake(self) -> None:
        with suppress(OSError):  # full: it will wake; closed: nobody sleeps
            self._wake_w.send(b"x")

    def _on_connect(
        self, client: Client, _user: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.problem = f"the broker refuses: {reason}"
            self._wrong_version = reason.value in {1, 132}
            return
        # Always, whatever the session holds: a broker that lost it says so only to those who look.
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(
        self, _client: Client, _user: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if refused := [reason for reason in reasons if reason.is_failure]:
            self.problem = f"the broker refuses the subscription: {refused[0]}"
            self._client.disconnect()
        else:
            self.ready.set()

    def _on_message(self, client: Client, _user: object, message: MQTTMessage) -> None:
        self._handled += 1
        mid = message.mid
        if message.qos == 0:
            self._deliver(message, _nothing)
        elif mid in self._in_flight:
            pass  # the broker grew impatient; the first one is still being dealt with
        else:
            self._in_flight.add(mid)
            self._deliver(message, lambda: self._ack(client, mid))

    def _ack(self, client: Client, mid: int) -> None:
        self._in_flight.discard(mid)
        client.ack(mid, 1)

    def _on_disconnect(
        self, _client: Client, _user: object, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.ready.clear()
        who = "the broker ended the connection" if flags.is_disconnect_packet_from_server else "connection lost"
        self.problem = self.problem or f"{who}: {reason}"


def _nothing() -> None:
    """A QoS 0 message needs no acknowledgement."""
