"""Listens to one broker for ever: connects again after each end, and marks up to when it has heard everything."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from paho.mqtt.client import MQTTMessage, MQTTv5, MQTTv311

from domain.clock import Clock, to_ms
from domain.errors import LogUnavailable
from domain.telemetry import Tick
from ingest.brokers import Broker
from ingest.connection import Connection, Published, Refused
from ingest.intake import Delivery, Intake
from ingest.ledger import Sessions
from ingest.topics import FILTER, LISTENER_ID

log = structlog.get_logger()

MARK_EVERY_S = 0.2
"""Real seconds between two marks at least, however fast the clock runs."""
MARK_LOST_AFTER_S = 10.0
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(slots=True)
class _Mark:
    """A message to ourselves through the broker: when it comes back, all that was sent before it has come too."""

    payload: bytes = b""
    at: int = 0
    sent: float = 0.0
    outstanding: bool = False


class Listener:
    """One broker, one thread, one durable session under a stable client id."""

    def __init__(
        self, broker: Broker, *, client_id: str, intake: Intake, clock: Clock, sessions: Sessions | None = None
    ) -> None:
        self.broker, self.client_id = broker, client_id
        self._trouble: str | None = "not connected yet"
        self._intake, self._clock, self._sessions = intake, clock, sessions
        self._protocol: int | None = broker.protocol
        self._connection: Connection | None = None
        self._mark = _Mark()
        self._heard_up_to = 0
        """Time of the last mark that came back on this connection."""
        self._marks, self._behind = 0, False
        self._stop, self._again = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listen-{client_id}", daemon=True)

    @property
    def trouble(self) -> str | None:
        """One line on what it waits for, None when all is well."""
        if self._trouble is None and self._behind:
            return f"{self.broker}: our own marks do not come back; a long backlog, or we may not publish to devices/#"
        return self._trouble

    @property
    def ready(self) -> bool:
        """Connected, and subscribed under the durable session."""
        connection = self._connection
        return connection is not None and connection.ready.is_set()

    def start(self) -> None:
        """Listen in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End; the broker keeps what comes from now on."""
        self._stop.set()
        self._thread.join(10.0)

    def reconnect(self) -> None:
        """Begin a new connection: what is unacknowledged comes again."""
        self._again.set()

    def publish(self, topic: str, payload: bytes, *, timeout_s: float) -> Published:
        """Send at QoS 1 on the present connection."""
        connection = self._connection
        return connection.publish(topic, payload, timeout_s=timeout_s) if connection else Published.NOT_SENT

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._once()
                failures = 0
            except (Refused, LogUnavailable) as exc:
                if isinstance(exc, Refused) and exc.wrong_version and self._older():
                    continue
                self._say(str(exc))
                self._stop.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            except Exception:
                log.exception("listener_failed", broker=str(self.broker))
                self._stop.wait(_BACKOFF_S[-1])

    def _once(self) -> None:
        """One connection from beginning to end."""
        if self._sessions is not None and not self._sessions.rewind(self.client_id):
            self._evict()
        connection = self._connect(self._on_message)
        self._mark, self._heard_up_to = _Mark(), 0
        self._connection = connection
        self._again.clear()
        try:
            connection.serve(
                until=lambda: self._stop.is_set() or self._again.is_set(), idle=lambda: self._look_after(connection)
            )
        finally:
            self._connection = None
            connection.close()
        if not self._stop.is_set():
            self._say(connection.problem or "connection lost")

    def _connect(self, on_message: Callable[[MQTTMessage, Callable[[], None]], None]) -> Connection:
        protocol = self._protocol or MQTTv5
        connection = Connection(
            self.broker,
            client_id=self.client_id,
            protocol=protocol,
            topics=self._topics(protocol),
            on_message=on_message,
            has_room=lambda: self._intake.has_room,
        )
        connection.open()
        return connection

    def _evict(self) -> None:
        """Somebody still holds our session: most likely our own half-dead connection. Take it over, and rewind then."""
        connection = self._connect(lambda _message, _ack: None)
        try:
            connection.serve(until=connection.ready.is_set, idle=lambda: None)
        finally:
            connection.close()
        if self._sessions is not None and not self._sessions.rewind(self.client_id):
            raise Refused(f"another client uses the name {self.client_id}")

    def _look_after(self, connection: Connection) -> None:
        if not connection.ready.is_set():
            return
        if self._trouble:
            log.info("listening", broker=str(self.broker), client_id=self.client_id, mqtt=_NAMES[connection.protocol])
            self._trouble = None
            self._protocol = connection.protocol
        self._send_mark(connection)

    def _send_mark(self, connection: Connection) -> None:
        mark, now, at = self._mark, time.monotonic(), to_ms(self._clock.now()) // 1000 * 1000
        waiting = mark.outstanding and now - mark.sent < MARK_LOST_AFTER_S
        if waiting or at <= mark.at or now - mark.sent < MARK_EVERY_S:
            return
        if mark.outstanding and not self._behind:
            self._behind = True
            log.warning("not_caught_up", broker=str(self.broker), since_s=round(now - mark.sent))
        self._marks += 1
        self._mark = _Mark(f"{self._marks} {at}".encode(), at, now, outstanding=True)
        connection.send(self._mark_topic(connection.protocol), self._mark.payload)

    def _on_message(self, message: MQTTMessage, ack: Callable[[], None]) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        tick = None
        if topic in self._mark_topics and message.payload == self._mark.payload:
            tick, self._mark.outstanding, self._behind = self._tick(), False, False
        self._intake.put(
            Delivery(
                topic,
                bytes(message.payload),
                message.retain,
                to_ms(self._clock.now()),
                ack,
                tick=tick,
            )
        )

    def _tick(self) -> Tick:
        """All that was sent between two marks of one connection has been heard, however long that took."""
        at, heard = self._mark.at, self._heard_up_to
        self._heard_up_to = at
        return Tick(at, self.client_id, covers_ms=max(1000, at - heard) if heard else 1000)

    def _topics(self, protocol: int) -> list[str]:
        if protocol == MQTTv5 and self.broker.group:
            return [f"$share/{self.broker.group}/{FILTER}", self._mark_topics[1]]
        return [FILTER]

    @property
    def _mark_topics(self) -> tuple[str, str]:
        return f"devices/{LISTENER_ID}/{self.client_id}", f"prevenant/{LISTENER_ID}/{self.client_id}"

    def _mark_topic(self, protocol: int) -> str:
        """On the subscription that carries the readings, so that it queues behind them; a shared one might give it to
        another listener, and there a broker's queue per client has to do."""
        return self._mark_topics[1] if protocol == MQTTv5 and self.broker.group else self._mark_topics[0]

    def _older(self) -> bool:
        """Whether there is an older MQTT to try: the embedded broker speaks only 3.1.1."""
        if self.broker.protocol is not None or self._protocol == MQTTv311:
            return False
        self._protocol = MQTTv311
        return True

    def _say(self, problem: str) -> None:
        if self._trouble is None or self._trouble == "not connected yet":
            log.warning("not_listening", broker=str(self.broker), reason=problem)
        self._trouble = f"{self.broker}: {problem}"


_NAMES: dict[int, str] = {MQTTv5: "5", MQTTv311: "3.1.1"}
