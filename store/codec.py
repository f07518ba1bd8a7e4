"""How the reading log writes its entries: MessagePack arrays, tagged, with a version in front.

A log message is `[version, [entry, …]]`; an entry is `[tag, field, …]` in the order of its dataclass. New fields are
appended at the end and read with a default, so that a newer reader understands an older log.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from domain.errors import ConfigError, TooLargeForLog
from domain.telemetry import (
    DeviceChanged,
    DeviceDeleted,
    LogEntry,
    PeerSummary,
    RuleActivated,
    RuleRetired,
    Sample,
    Serviced,
    Tick,
    Uplink,
)

VERSION = 1

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder()


def encode(entries: Sequence[LogEntry]) -> bytes:
    """One log message."""
    return _ENCODER.encode((VERSION, [_WRITE[type(entry)](entry) for entry in entries]))


def decode(data: bytes) -> tuple[LogEntry, ...]:
    """What `encode` was given. Raises ConfigError for a version that this release does not know."""
    try:
        version, entries = _DECODER.decode(data)
        if version == VERSION:
            return tuple(_READ[entry[0]](*entry[1:]) for entry in entries)
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, IndexError) as exc:
        raise ConfigError(f"the reading log holds a message that is none of ours: {exc}") from exc
    raise ConfigError(f"the reading log holds messages of version {version}; this release reads version {VERSION}")


def chunks(entries: Sequence[LogEntry], limit: int) -> Iterator[bytes]:
    """`entries` as log messages of at most `limit` bytes, in order; an uplink that is too long alone is cut in two.

    Raises TooLargeForLog with the entry that cannot be cut small enough.
    """
    data = encode(entries)
    if len(data) <= limit:
        yield data
        return
    halves = _halves(entries)
    if not halves:
        raise TooLargeForLog(entries[0], size=len(data), limit=limit)
    for half in halves:
        try:
            yield from chunks(half, limit)
        except TooLargeForLog as exc:
            if len(entries) == 1:  # it was a part of this one
                exc.item = entries[0]
            raise


def _halves(entries: Sequence[LogEntry]) -> tuple[Sequence[LogEntry], ...]:
    if len(entries) > 1:
        middle = len(entries) // 2
        return entries[:middle], entries[middle:]
    if isinstance(entries[0], Uplink) and (parts := _cut(entries[0])):
        return tuple([part] for part in parts)
    return ()


def _cut(uplink: Uplink) -> tuple[Uplink, ...]:
    def with_samples(samples: Sequence[Sample]) -> Uplink:
        return Uplink(uplink.device_id, uplink.received_at, tuple(samples))

    if len(uplink.samples) > 1:
        middle = len(uplink.samples) // 2
        return with_samples(uplink.samples[:middle]), with_samples(uplink.samples[middle:])
    sample = uplink.samples[0]
    if len(sample.values) < 2:
        return ()
    # Two samples of one event time: the second makes one more sample of the merged row, as a late arrival would.
    items = list(sample.values.items())
    middle = len(items) // 2
    return tuple(
        with_samples([Sample(sample.event_time, dict(part), sample.restamped)])
        for part in (items[:middle], items[middle:])
    )


def _write_uplink(entry: Uplink) -> tuple[Any, ...]:
    at = entry.received_at
    # Event times as distances from the receive time: a few bytes, not nine. The rare flag costs only who has it.
    samples = [
        (s.event_time - at, s.values, True) if s.restamped else (s.event_time - at, s.values) for s in entry.samples
    ]
    return "u", entry.device_id, at, samples


def _read_uplink(device_id: str, at: int, samples: list[list[Any]]) -> Uplink:
    return Uplink(device_id, at, tuple([Sample(at + sample[0], *sample[1:]) for sample in samples]))


def _read_summary(signal: str, group: str, at: int, n: int, *told: Any) -> PeerSummary:
    median, mad, quantiles = told
    return PeerSummary(signal, group, at, n, median, mad, tuple(quantiles))


_WRITE: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    Uplink: _write_uplink,
    Tick: lambda e: ("t", e.at, e.listener, e.covers_ms),
    RuleActivated: lambda e: ("r", e.name, e.version, e.stage, e.body),
    RuleRetired: lambda e: ("x", e.name),
    DeviceChanged: lambda e: ("d", e.device_id, e.product, e.attributes, e.registered_at),
    DeviceDeleted: lambda e: ("g", e.device_id),
    Serviced: lambda e: ("s", e.device_id, e.at),
    PeerSummary: lambda e: ("p", e.signal, e.group, e.at, e.n, e.median, e.mad, e.quantiles),
}

_READ: dict[str, Callable[..., LogEntry]] = {
    "u": _read_uplink,
    "t": Tick,
    "r": RuleActivated,
    "x": RuleRetired,
    "d": DeviceChanged,
    "g": DeviceDeleted,
    "s": Serviced,
    "p": _read_summary,
}
