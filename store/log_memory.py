"""The reading log in memory, with faults that a test switches on: it passes the contract of the real one."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from domain.clock import to_ms
from domain.errors import LogUnavailable, TooLargeForLog
from domain.intake import RawUplink
from domain.telemetry import LogBatch, LogEntry, LogExtent, Uplink
from store.codec import chunks, decode, encode


class MemoryLog:
    """A log that forgets at the end of the process. `down` refuses everything, `slow_s` delays each append, `largest`
    is the size of message that it takes (when set)."""

    def __init__(self) -> None:
        self.down = False
        self.slow_s = 0.0
        self.largest: int | None = None
        self._messages: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._sequences: dict[str, int] = {}
        self._unknown: dict[str, list[tuple[int, RawUplink]]] = defaultdict(list)
        self._newest = 0
        self._changed = threading.Condition()

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> dict[int, int]:
        """As `JetStreamLog.append`."""
        if self.slow_s:
            time.sleep(self.slow_s)
        with self._changed:
            self._check()
            if self.largest is not None:
                for entries in batches.values():
                    list(chunks(entries, self.largest))
            for partition, entries in batches.items():
                key = f"{msg_id}.{partition}"
                if key not in self._sequences:
                    self._newest += 1
                    self._sequences[key] = self._newest
                    self._messages[partition].append((self._newest, encode(entries)))
            self._changed.notify_all()
            return {partition: self._sequences[f"{msg_id}.{partition}"] for partition in batches}

    def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
        """As `JetStreamLog.read`."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            while True:
                self._check()
                found = self._from(partition, after, max_entries)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def end(self, partition: int) -> int:
        """As `JetStreamLog.end`."""
        with self._changed:
            self._check()
            messages = self._messages[partition]
            return messages[-1][0] if messages else 0

    def extent(self) -> LogExtent:
        """As `JetStreamLog.extent`."""
        with self._changed:
            self._check()
            return LogExtent(f"memory-{id(self)}", 1, self._newest)

    def readings_of(
        self, *devices: str, partition: int, since: datetime, after: int = 0, patience_s: float = 60.0
    ) -> Iterator[Uplink]:
        """As `JetStreamLog.readings_of`."""
        with self._changed:
            self._check()
            messages = [data for sequence, data in self._messages[partition] if sequence > after]
        deadline = time.monotonic() + patience_s
        for data in messages:
            if time.monotonic() > deadline:
                raise LogUnavailable("too much to look through")
            for entry in decode(data):
                if isinstance(entry, Uplink) and entry.device_id in devices and entry.received_at >= to_ms(since):
                    yield entry

    def since(self, partition: int, since_ms: int, *, up_to: int) -> Iterator[LogBatch]:
        """As `JetStreamLog.since`; this one always begins at the beginning."""
        del since_ms
        with self._changed:
            self._check()
            messages = list(self._messages[partition])
        for sequence, data in messages:
            if sequence <= up_to:
                yield LogBatch(sequence, decode(data))

    def keep_unknown(self, messages: Mapping[str, Sequence[RawUplink]], *, msg_id: str) -> None:
        """As `JetStreamLog.keep_unknown`."""
        with self._changed:
            self._check()
            for message in (message for kept in messages.values() for message in kept):
                if self.largest is not None and len(message.payload) > self.largest:
                    raise TooLargeForLog(message, size=len(message.payload), limit=self.largest)
            for device_id, kept in messages.items():
                if f"{msg_id}.{device_id}" not in self._sequences:
                    self._newest += 1
                    self._sequences[f"{msg_id}.{device_id}"] = self._newest
                    self._unknown[device_id].extend((self._newest, message) for message in kept)

    def unknown_of(self, device_id: str) -> tuple[Sequence[RawUplink], int]:
        """As `JetStreamLog.unknown_of`."""
        with self._changed:
            self._check()
            kept = self._unknown[device_id]
            return [message for _, message in kept], kept[-1][0] if kept else 0

    def forget_unknown(self, device_id: str, *, up_to: int) -> None:
        """As `JetStreamLog.forget_unknown`."""
        with self._changed:
            self._check()
            self._unknown[device_id] = [item for item in self._unknown[device_id] if item[0] > up_to]

    def close(self) -> None:
        """Nothing to let go of."""

    def _check(self) -> None:
        if self.down:
            raise LogUnavailable("the log is switched off")

    def _from(self, partition: int, after: int, max_entries: int) -> list[LogBatch]:
        batches: list[LogBatch] = []
        count = 0
        for sequence, data in self._messages[partition]:
            if sequence > after:
                entries = decode(data)
                if batches and count + len(entries) > max_entries:
                    break
                batches.append(LogBatch(sequence, entries))
                count += len(entries)
        return batches
