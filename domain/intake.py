"""What the ingest role and its ledgers tell each other: who is known, what was heard, what could not be understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.telemetry import Value

PAYLOAD_KEPT = 4096
"""A dead letter keeps that many bytes of its payload."""


@dataclass(frozen=True, slots=True)
class RawUplink:
    """One broker message as it came, kept for a device that may become known."""

    topic: str
    payload: bytes
    received_at: int
    """Epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What decoding needs to know of a registered device."""

    id: str
    product: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Metrics that the product declares: name → number, boolean or string, empty where no kind is declared."""
    strict: bool = False
    """The product refuses metrics that it does not declare."""
    admitted: bool = True
    """Its registration and what it sent before are in the log: its readings may follow."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Bad input with its reason. `count` values of one message that are bad for one reason make one of these."""

    device_id: str
    reason: str
    detail: str
    topic: str
    payload: bytes
    """The first 4 kB."""
    at: int
    """Epoch milliseconds."""
    count: int = 1


@dataclass(slots=True)
class Heard:
    """What is noted in the database of one device since the last time. Times are epoch milliseconds."""

    last_seen: int | None = None
    presence: str | None = None
    presence_at: int = 0
    values: dict[str, tuple[int, Value]] = field(default_factory=dict)
    """Newest value of each metric, with its event time."""
    reported: dict[str, Value] = field(default_factory=dict)
    """Attributes that the device reported, newest last."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A device command whose submission is committed: it may be published now."""

    id: str
    device_id: str
    name: str
    args: Mapping[str, Any]
