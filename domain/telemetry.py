"""Telemetry in motion, and everything else that the reading log carries to the engine.

Times here are epoch milliseconds: this is the hot path. Everywhere else they are aware datetimes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

Value = float | bool | str
"""A reading's value: a 64-bit float, a boolean, or a string."""


@dataclass(frozen=True, slots=True)
class Sample:
    """All readings of one device with one event time in one uplink."""

    event_time: int
    values: Mapping[str, Value]
    restamped: bool = False
    """The stamp lay more than five minutes ahead and was replaced by the receive time."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """One message of one device, decoded: its samples in order of event time."""

    device_id: str
    received_at: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A listener was connected and had caught up at `at`; its devices' silence clocks may run to there."""

    at: int
    listener: str
    covers_ms: int = 1000
    """For so long up to `at` it was connected and had caught up; what no tick covers is nobody's silence."""


@dataclass(frozen=True, slots=True)
class RuleActivated:
    """Version `version` of rule `name` takes effect here. `body` is the rule's manifest."""

    name: str
    version: int
    stage: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleRetired:
    """The rule ends here, and its episodes with it."""

    name: str


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """The device is registered, or its product or attributes changed. Attributes are the whole set in force."""

    device_id: str
    product: str
    attributes: Mapping[str, Value]
    registered_at: int


@dataclass(frozen=True, slots=True)
class DeviceDeleted:
    """The device is gone; its episodes end."""

    device_id: str


@dataclass(frozen=True, slots=True)
class Serviced:
    """The device was serviced at `at`: what wears begins to count anew."""

    device_id: str
    at: int


@dataclass(frozen=True, slots=True)
class PeerSummary:
    """The latest values of a group of devices, summarised at `at`, over all partitions.

    `group` is empty in the first summary of each minute of a signal: what the minute before said ends there.
    """

    signal: str
    """What is summarised: the metric, and the attributes that make devices peers."""
    group: str
    at: int
    n: int
    """How many devices."""
    median: float
    mad: float
    """Median absolute deviation."""
    quantiles: tuple[float, ...]
    """The values themselves, ascending, as long as they are few; else evenly spaced quantiles from 0 to 1."""


LogEntry = Uplink | Tick | RuleActivated | RuleRetired | DeviceChanged | DeviceDeleted | Serviced | PeerSummary


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What one log message holds, with its place in the partition: `sequence` grows, gaps are normal."""

    sequence: int
    entries: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class LogExtent:
    """Which log this is, and what it holds, over all its partitions."""

    identity: str
    """Another one for a log that was made anew: its sequences begin again, and mean other messages."""
    first: int
    """Sequence of the oldest message that is kept; what comes before has grown too old."""
    last: int
    """Sequence of the newest message; `first` - 1 where the log is empty."""


def partition_of(device_id: str, partitions: int) -> int:
    """The partition that holds a device: stable over processes, versions and machines."""
    return int.from_bytes(blake2b(device_id.encode(), digest_size=8).digest(), "big") % partitions
