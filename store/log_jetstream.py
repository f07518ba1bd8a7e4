"""The reading log on NATS JetStream: ordered partitions that keep what they acknowledged."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from domain.clock import to_ms
from domain.errors import LogUnavailable, TooLargeForLog
from domain.intake import RawUplink
from domain.telemetry import LogBatch, LogEntry, LogExtent, Tick, Uplink
from store.codec import chunks, decode
from store.log_feed import Feed
from store.nats_client import NatsClient

T = TypeVar("T")

READINGS = "READINGS"
UNKNOWN = "UNKNOWN"
_GIB = 1024**3
_OVERHEAD = 1024
"""Room for a message's headers within the server's payload limit."""
_STREAM_IN_USE = 10058
_SHORT = 4096
"""So few messages are read through quicker than a place among them is searched."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much the log keeps. When it is full it refuses; it never drops what it took before `max_age_s`."""

    max_bytes: int = 16 * _GIB
    max_age_s: float = 48 * 3600.0
    unknown_max_bytes: int = _GIB // 4
    unknown_max_age_s: float = 3600.0
    duplicate_window_s: float = 600.0
    replicas: int = 1


class JetStreamLog:
    """One connection to the log. Appends from any thread; each partition has one reader per object."""

    def __init__(self, url: str, *, name: str = "log", limits: LogLimits | None = None, timeout_s: float = 5.0) -> None:
        """`url` may name several servers, comma-separated. Connects in the background, for ever again."""
        self._limits = limits or LogLimits()
        self._feeds: dict[int, Feed] = {}
        self._changed = threading.Condition()
        self._client = NatsClient(url, name=name, prepare=self._prepare, on_change=self._wake, timeout_s=timeout_s)

    @property
    def connected(self) -> bool:
        """Whether a call would find the log now."""
        return self._client.usable

    @property
    def js(self) -> JetStreamContext:
        """For neighbours in this package, inside `call`."""
        return self._client.js

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the connection's thread. Raises LogUnavailable."""
        return self._client.call(work)

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> dict[int, int]:
        """Add to each partition, and return its newest sequence once the log keeps it all.

        Raises LogUnavailable when that is not certain: offer the same again under the same `msg_id`, then what is there
        already is not added twice (within ten minutes). Raises TooLargeForLog, before anything is added, with one entry
        that the server will never take.
        """

        async def work() -> dict[int, int]:
            payloads = {partition: list(chunks(entries, self._limit())) for partition, entries in batches.items()}
            jobs = [
                self._publish(f"readings.{partition}", parts, f"{msg_id}.{partition}")
                for partition, parts in payloads.items()
            ]
            return dict(zip(batches, await _all(jobs), strict=True))

        return self._client.call(work)

    def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
        """Messages after sequence `after`, oldest first: up to `max_entries` entries, but at least one message.

        Empty when there is none within `wait_s` seconds. Reads ahead while `after` is the last sequence handed out.
        Raises LogUnavailable.
        """
        with self._changed:
            feed = self._feeds.get(partition)
            if feed is None or feed.position != after:
                if feed:
                    feed.stop()
                feed = self._feeds[partition] = self._feed(partition, after)
        return feed.take(max_entries=max_entries, wait_s=wait_s)

    def end(self, partition: int) -> int:
        """The newest sequence of the partition, 0 if it is empty."""
        return self._newest(READINGS, f"readings.{partition}")

    def extent(self) -> LogExtent:
        """What the whole log holds."""

        async def work() -> LogExtent:
            info = await self._client.js.stream_info(READINGS)
            created = info.created.isoformat() if info.created else ""
            return LogExtent(created, info.state.first_seq, info.state.last_seq)

        return self._client.call(work)

    def readings_of(
        self, *devices: str, partition: int, since: datetime, after: int = 0, patience_s: float = 60.0
    ) -> Iterator[Uplink]:
        """What devices sent since then (by receive time) and after sequence `after`, up to now, in order of arrival.

        A scan: for charts and evidence. Raises LogUnavailable, also when it took longer than `patience_s`.
        """
        since_ms, last, wanted = to_ms(since), self.end(partition), frozenset(devices)
        if last - after > _SHORT:
            after = max(after, self._before(partition, since_ms, last))
        deadline = time.monotonic() + patience_s
        for batch in self._stretch(partition, after, last):
            if time.monotonic() > deadline:
                raise LogUnavailable(f"too much to look through: {last - batch.sequence} messages more")
            for entry in batch.entries:
                if isinstance(entry, Uplink) and entry.device_id in wanted and entry.received_at >= since_ms:
                    yield entry

    def since(self, partition: int, since_ms: int, *, up_to: int) -> Iterator[LogBatch]:
        """Messages up to sequence `up_to`, oldest first, from the last one on that lies before all received since
        `since_ms`, or from where the log begins. Raises LogUnavailable."""
        yield from self._stretch(partition, self._before(partition, since_ms, up_to), up_to)

    def _stretch(self, partition: int, after: int, up_to: int) -> Iterator[LogBatch]:
        feed = self._feed(partition, after)
        try:
            while after < up_to:
                batches = feed.take(max_entries=10_000, wait_s=self._client.timeout_s)
                if not batches:
                    return  # they grew too old meanwhile
                for batch in batches:
                    after = batch.sequence
                    if after > up_to:
                        break
                    yield batch
        finally:
            feed.stop()

    def keep_unknown(self, messages: Mapping[str, Sequence[RawUplink]], *, msg_id: str) -> None:
        """Keep for an hour what devices sent that nobody has registered, by device id. Raises as `append` does."""

        async def work() -> None:
            limit = self._limit()
            payloads = {
                _unknown(device_id): [_pack(message, limit) for message in kept] for device_id, kept in messages.items()
            }
            jobs = [self._publish(subject, parts, f"{msg_id}.{subject}") for subject, parts in payloads.items()]
            await _all(jobs)

        self._client.call(work)

    def unknown_of(self, device_id: str) -> tuple[Sequence[RawUplink], int]:
        """What is kept of a device, oldest first, and where that ends (for `forget_unknown`)."""
        subject = _unknown(device_id)
        last = self._newest(UNKNOWN, subject)
        position, found = 0, list[RawUplink]()
        feed = Feed(self._client, stream=UNKNOWN, subject=subject, after=0, changed=self._changed)
        try:
            while position < last:
                messages = feed.raw(wait_s=self._client.timeout_s)
                if not messages:
                    break  # they grew too old meanwhile
                found.extend(_unpack(data) for _, data in messages)
                position = messages[-1][0]
        finally:
            feed.stop()
        return found, position

    def forget_unknown(self, device_id: str, *, up_to: int) -> None:
        """Drop what `unknown_of` returned."""

        async def work() -> None:
            await self._client.js.purge_stream(UNKNOWN, seq=up_to + 1, subject=_unknown(device_id))

        self._client.call(work)

    def purge(self) -> None:
        """Forget everything: for tests and for a fresh start that is wanted."""

        async def work() -> None:
            for stream in (READINGS, UNKNOWN):
                await self._client.js.purge_stream(stream)

        self._client.call(work)

    def close(self) -> None:
        """Let go of the connection."""
        for feed in self._feeds.values():
            feed.stop()
        self._client.close()

    def _newest(self, stream: str, subject: str) -> int:
        async def work() -> int:
            try:
                return (await self._client.js.get_last_msg(stream, subject)).seq or 0
            except NotFoundError:
                return 0

        return self._client.call(work)

    def _feed(self, partition: int, after: int) -> Feed:
        subject = f"readings.{partition}"
        return Feed(self._client, stream=READINGS, subject=subject, after=after, changed=self._changed)

    def _limit(self) -> int:
        return self._client.nc.max_payload - _OVERHEAD

    async def _publish(self, subject: str, payloads: Sequence[bytes], msg_id: str) -> int:
        sequence = 0
        for number, payload in enumerate(payloads):
            headers = {str(Header.MSG_ID.value): f"{msg_id}.{number}"}
            ack = await self._client.js.publish(subject, payload, headers=headers)
            sequence = ack.seq
        return sequence

    def _before(self, partition: int, since_ms: int, last: int) -> int:
        """A sequence before everything received since then: binary search, for the log's own times are real ones."""

        async def time_at(sequence: int) -> tuple[int, int | None]:
            try:
                raw = await self._client.js.get_msg(
                    READINGS, seq=sequence, subject=f"readings.{partition}", next=True, direct=True
                )
            except NotFoundError:
                return last + 1, None
            return raw.seq or sequence, _time_in(decode(raw.data or b""))

        async def work() -> int:
            low, high = 0, last
            while high - low > 1:
                middle = (low + high) // 2
                found, at = await time_at(middle)
                while at is None and found <= high:
                    found, at = await time_at(found + 1)
                # A listener that lags may append what it received a little earlier: a minute's margin.
                if at is None or found > high or at >= since_ms - 60_000:
                    high = middle
                else:
                    low = found
            return low

        return self._client.call(work, timeout_s=30.0)

    async def _prepare(self, js: JetStreamContext) -> None:
        limits = self._limits
        common = {"storage": StorageType.FILE, "num_replicas": limits.replicas, "retention": RetentionPolicy.LIMITS}
        for config in (
            StreamConfig(
                name=READINGS,
                subjects=["readings.*"],
                discard=DiscardPolicy.NEW,
                max_bytes=limits.max_bytes,
                max_age=limits.max_age_s,
                duplicate_window=limits.duplicate_window_s,
                allow_direct=True,
            ).evolve(**common),
            StreamConfig(
                name=UNKNOWN,
                subjects=["unknown.*"],
                discard=DiscardPolicy.OLD,
                max_bytes=limits.unknown_max_bytes,
                max_age=limits.unknown_max_age_s,
                max_msgs_per_subject=100_000,
                duplicate_window=min(limits.duplicate_window_s, limits.unknown_max_age_s),
                allow_direct=True,
            ).evolve(**common),
        ):
            try:
                await js.add_stream(config)
            except BadRequestError as exc:
                if exc.err_code != _STREAM_IN_USE:
                    raise
                await js.update_stream(config)

    def _wake(self, _connected: bool) -> None:  # noqa: FBT001
        with self._changed:
            self._changed.notify_all()


async def _all(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Every result; the first failure only after all have ended, so that nothing runs on behind a retry."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _unknown(device_id: str) -> str:
    # A device id may hold dots, stars and anything else that means something in a subject.
    return f"unknown.{blake2b(device_id.encode(), digest_size=16).hexdigest()}"


def _pack(message: RawUplink, limit: int) -> bytes:
    data = msgspec.msgpack.encode((message.topic, message.payload, message.received_at))
    if len(data) > limit:
        raise TooLargeForLog(message, size=len(data), limit=limit)
    return data


def _unpack(data: bytes) -> RawUplink:
    return RawUplink(*msgspec.msgpack.decode(data, type=tuple[str, bytes, int]))


def _time_in(entries: Sequence[LogEntry]) -> int | None:
    for entry in entries:
        if isinstance(entry, Uplink):
            return entry.received_at
        if isinstance(entry, Tick):
            return entry.at
    return None
