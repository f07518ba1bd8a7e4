"""One partition of the log, read ahead in order: what JetStream calls an ordered consumer, by pull."""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from domain.errors import LogUnavailable
from domain.telemetry import LogBatch
from store.codec import decode
from store.nats_client import FAILURES, NatsClient

log = structlog.get_logger()

READ_AHEAD_BYTES = 4 * 1024 * 1024
_HEARTBEAT_S = 5.0
_EXPIRES_S = 30.0
_IDLE_S = 30.0
_PATIENCE_S = 10.0
"""A busy server takes its time over a new consumer. One that is lost shows in the connection, and at once."""
_GOES_ON = ("404", "408")
_NANO = 1_000_000_000


class Feed:
    """Holds a consumer open and a few megabytes of messages ahead. One reader; `take` continues where it ended."""

    def __init__(
        self, client: NatsClient, *, stream: str, subject: str, after: int, changed: threading.Condition
    ) -> None:
        self.position = after
        """Sequence of the last message that `take` handed out."""
        self._client, self._stream, self._subject, self._changed = client, stream, subject, changed
        self._fetched = after
        self._buffer: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._level = False
        self._trouble: str | None = None
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        client.loop.call_soon_threadsafe(self._start)

    def take(self, *, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
        """What is there, at least one message if there is one. Raises LogUnavailable when it cannot know."""
        with self._changed:
            self._await_messages(wait_s)
            batches: list[LogBatch] = []
            entries = 0
            while self._buffer:
                sequence, data = self._buffer[0]
                batch = LogBatch(sequence, decode(data))
                if batches and entries + len(batch.entries) > max_entries:
                    break
                self._pop()
                entries += len(batch.entries)
                batches.append(batch)
        return batches

    def raw(self, *, wait_s: float) -> Sequence[tuple[int, bytes]]:
        """As `take`, all that is there, undecoded."""
        with self._changed:
            self._await_messages(wait_s)
            return [self._pop() for _ in range(len(self._buffer))]

    def stop(self) -> None:
        """Give the consumer back."""
        if not self._client.loop.is_closed():
            self._client.loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def _await_messages(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        patience = max(deadline, time.monotonic() + max(_PATIENCE_S, self._client.timeout_s))
        while not self._buffer:
            if self._trouble:
                raise LogUnavailable(self._trouble)
            # Until the consumer has caught up once, an empty buffer does not mean that the log holds nothing.
            left = (deadline if self._level or self._client.away else patience) - time.monotonic()
            if left <= 0:
                if self._level and self._client.usable:
                    return
                raise LogUnavailable(f"{self._subject} cannot be read from the log now")
            self._changed.wait(min(left, 1.0))

    def _pop(self) -> tuple[int, bytes]:
        sequence, data = self._buffer.popleft()
        self._bytes -= len(data)
        self.position = sequence
        if self._bytes < READ_AHEAD_BYTES <= self._bytes + len(data):
            self._client.loop.call_soon_threadsafe(self._room.set)
        return sequence, data

    def _start(self) -> None:
        self._task = self._client.spawn(self._run())

    async def _run(self) -> None:
        while True:
            lost = self._client.lost
            follow = asyncio.ensure_future(self._follow())
            gone = asyncio.ensure_future(lost.wait())
            try:
                await asyncio.wait((follow, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                follow.cancel()
                # The consumer is gone or the connection is: what was handed over says where to go on.
                with suppress(asyncio.CancelledError, *FAILURES):
                    await follow
                self._set(level=False)
            await asyncio.sleep(0.05 if self._client.usable else 0.2)

    async def _follow(self) -> None:
        if not self._client.usable:
            raise nats.errors.ConnectionClosedError
        nc = self._client.nc
        js = nc.jetstream(timeout=max(_PATIENCE_S, self._client.timeout_s))
        await self._check_range(js)
        inbox = nc.new_inbox()
        subscription = await nc.subscribe(inbox)
        consumer = ""
        try:
            info = await js.add_consumer(self._stream, self._config())
            consumer = info.name or ""
            if not info.num_pending:
                self._set(level=True)
            await self._pull(subscription, f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}", inbox)
        finally:
            if nc.is_connected:
                await subscription.unsubscribe()
                if consumer:
                    await nc.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")

    async def _check_range(self, js: JetStreamContext) -> None:
        state = (await js.stream_info(self._stream)).state
        if self._fetched > state.last_seq:
            self._trouble = (
                f"the log ends at {state.last_seq}, before position {self._fetched}: it was replaced by another one"
            )
            self._set(level=False)
            raise nats.errors.Error(self._trouble)
        self._trouble = None
        if 0 < self._fetched < state.first_seq - 1:
            log.warning("log_expired", subject=self._subject, position=self._fetched, first=state.first_seq)

    def _config(self) -> ConsumerConfig:
        return ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._fetched + 1,
            ack_policy=AckPolicy.NONE,
            filter_subject=self._subject,
            inactive_threshold=_IDLE_S,
            mem_storage=True,
            num_replicas=1,
        )

    async def _pull(self, subscription: Subscription, request: str, inbox: str) -> None:
        expected, batch, size = 1, 32, 0
        while True:
            await self._wait_for_room()
            ask = {"batch": batch, "expires": int(_EXPIRES_S * _NANO), "idle_heartbeat": int(_HEARTBEAT_S * _NANO)}
            await self._client.nc.publish(request, json.dumps(ask).encode(), reply=inbox)
            got = size = 0
            while got < batch:
                message = await subscription.next_msg(timeout=_HEARTBEAT_S * 2 + 1)
                status = (message.headers or {}).get("Status") if not message.data else None
                if status is None:
                    self._keep(message, expected)
                    expected += 1
                    got += 1
                    size += len(message.data)
                elif status in _GOES_ON:
                    break
                elif status != "100":
                    raise nats.errors.Error((message.headers or {}).get("Description") or status)
            if got:  # about four megabytes a pull, whatever the size of a message
                batch = min(512, max(8, READ_AHEAD_BYTES * got // (size + 1)))

    async def _wait_for_room(self) -> None:
        while True:
            self._room.clear()
            with self._changed:
                if self._bytes < READ_AHEAD_BYTES:
                    return
            await self._room.wait()

    def _keep(self, message: Msg, expected: int) -> None:
        meta = message.metadata
        if meta.sequence.consumer != expected:
            raise nats.errors.Error("a message was lost on the way")
        self._fetched = meta.sequence.stream
        with self._changed:
            self._buffer.append((meta.sequence.stream, message.data))
            self._bytes += len(message.data)
            self._level = self._level or meta.num_pending == 0
            self._changed.notify_all()

    def _set(self, *, level: bool) -> None:
        with self._changed:
            self._level = level
            self._changed.notify_all()
