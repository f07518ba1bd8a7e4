"""Payloads into canonical readings, attributes, presence and answers: the native codec.

Pure, and total: no input makes it raise. Every byte string becomes readings, nothing, or dead letters with reasons.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.intake import PAYLOAD_KEPT, DeadLetter, KnownDevice
from domain.telemetry import Sample, Uplink, Value
from ingest.topics import Address, Kind, Reason

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
MAX_AHEAD_MS = 5 * 60_000
"""A stamp further ahead is replaced by the receive time, and flagged."""
EARLIEST_MS = 100_000_000_000
"""March 1973. An earlier stamp is one in seconds: today in seconds reads as January 1970 in milliseconds."""
MAX_METRIC_BYTES = 256
MAX_TEXT_CHARS = 65_536
"""A longer text is a file, not a reading."""
_DETAIL_KEPT = 300

_JSON = msgspec.json.Decoder()
_KINDS: dict[type, str] = {float: "number", bool: "boolean", str: "string"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says of a command."""

    command_id: str
    status: str
    detail: str


@dataclass(slots=True)
class Decoded:
    """What one message holds. Everything may be empty: `{}` is a sign of life and no more."""

    uplink: Uplink | None = None
    attributes: dict[str, Value] = field(default_factory=dict)
    presence: str | None = None
    answer: Answer | None = None
    dead: list[DeadLetter] = field(default_factory=list)


class _Complaints:
    """Collects what is wrong with one message, one dead letter per reason."""

    def __init__(self, device_id: str, topic: str, payload: bytes, at: int) -> None:
        self._base = (device_id, topic, payload[:PAYLOAD_KEPT], at)
        self._found: dict[Reason, tuple[str, int]] = {}

    def add(self, reason: Reason, detail: str) -> None:
        first, count = self._found.get(reason, (detail, 0))
        self._found[reason] = (first, count + 1)

    def letters(self) -> list[DeadLetter]:
        device_id, topic, payload, at = self._base
        return [
            DeadLetter(device_id, reason, printable(detail), printable(topic), payload, at, count)
            for reason, (detail, count) in self._found.items()
        ]


def dead_letter(reason: Reason, detail: str, *, device_id: str, topic: str, payload: bytes, at: int) -> DeadLetter:
    """A whole message that cannot be taken."""
    return DeadLetter(device_id, reason, printable(detail), printable(topic), payload[:PAYLOAD_KEPT], at)


def decode(address: Address, payload: bytes, *, received_at: int, device: KnownDevice) -> Decoded:
    """What a message to `address` says. `received_at` is epoch milliseconds."""
    complaints = _Complaints(address.device_id, _topic(address), payload, received_at)
    decoded = Decoded()
    if len(payload) > MAX_PAYLOAD_BYTES:
        complaints.add(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
    elif address.kind is Kind.STATUS:
        decoded.presence = _presence(payload, complaints)
    elif address.kind is Kind.TELEMETRY:
        decoded.uplink = _telemetry(payload, received_at, device, complaints)
    elif address.kind is Kind.ATTRIBUTES:
        decoded.attributes = _attributes(payload, complaints)
    elif address.kind is Kind.ANSWER:
        decoded.answer = _answer(payload, address.command_id, complaints)
    decoded.dead = complaints.letters()
    return decoded


def _parse(payload: bytes, complaints: _Complaints) -> Any:
    """The JSON value; None (which no shape allows) after a complaint."""
    try:
        return _JSON.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # The standard library also reads NaN, Infinity and 1e999: bad values, but the good beside them count.
        return json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        complaints.add(Reason.INVALID_JSON, f"not JSON: {exc}" if payload else "empty")
        return None


def _telemetry(payload: bytes, received_at: int, device: KnownDevice, complaints: _Complaints) -> Uplink | None:
    document = _parse(payload, complaints)
    if document is None:
        if payload.strip() == b"null":
            complaints.add(Reason.WRONG_TYPE, "telemetry is an object or an array of objects, not null")
        return None
    merged: dict[int, Sample] = {}
    for record in document if isinstance(document, list) else (document,):
        sample = _sample(record, received_at, device, complaints)
        if sample is None or not sample.values:
            continue
        if (other := merged.get(sample.event_time)) is not None:
            # All readings of one device with one event time in one message are one sample.
            sample = Sample(
                sample.event_time, {**other.values, **sample.values}, restamped=other.restamped or sample.restamped
            )
        merged[sample.event_time] = sample
    if not merged:
        return None
    return Uplink(device.id, received_at, tuple(merged[at] for at in sorted(merged)))


def _sample(record: object, received_at: int, device: KnownDevice, complaints: _Complaints) -> Sample | None:
    if not isinstance(record, dict):
        complaints.add(Reason.WRONG_TYPE, f"a record is an object, not {_name(record)}")
        return None
    stamp = record.pop("ts", None)
    event_time = received_at if stamp is None else _stamp(stamp, complaints)
    if event_time is None:
        return None
    ahead = event_time > received_at + MAX_AHEAD_MS
    inner = record.pop("values") if isinstance(record.get("values"), dict) else {}
    values = dict(_flat(record, complaints))
    values.update(_flat(inner, complaints))
    if device.kinds or device.strict:
        values = {name: value for name, value in values.items() if _declared(name, value, device, complaints)}
    return Sample(received_at if ahead else event_time, values, restamped=ahead)


def _stamp(stamp: object, complaints: _Complaints) -> int | None:
    if isinstance(stamp, float) and stamp.is_integer():
        stamp = int(stamp)
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        complaints.add(Reason.BAD_TIMESTAMP, f"ts is a whole number of milliseconds since 1970, not {_name(stamp)}")
        return None
    if stamp < EARLIEST_MS:
        complaints.add(Reason.BAD_TIMESTAMP, f"ts {_short(stamp)} lies before 1973: write milliseconds, not seconds")
        return None
    return stamp


def _attributes(payload: bytes, complaints: _Complaints) -> dict[str, Value]:
    document = _parse(payload, complaints)
    if isinstance(document, dict):
        return dict(_flat(document, complaints))
    if document is not None or payload.strip() == b"null":
        complaints.add(Reason.WRONG_TYPE, f"attributes are an object, not {_name(document)}")
    return {}


def _presence(payload: bytes, complaints: _Complaints) -> str | None:
    text = payload.strip()
    if text in {b"online", b"offline"}:
        return text.decode()
    if text:  # an empty one only clears the retained message
        complaints.add(Reason.WRONG_TYPE, "status is online or offline")
    return None


def _answer(payload: bytes, command_id: str, complaints: _Complaints) -> Answer | None:
    document = _parse(payload, complaints)
    if document is None and payload.strip() != b"null":
        return None
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, str) or status not in {"done", "failed"}:
        complaints.add(Reason.WRONG_TYPE, 'an answer is {"status": "done" | "failed", "detail": "…"}')
        return None
    detail = document.get("detail")
    return Answer(command_id, status, printable(detail) if isinstance(detail, str) else "")


def _flat(record: Mapping[str, object], complaints: _Complaints, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Values by dotted name; what is bad becomes a complaint by itself, null is nothing."""
    for key, value in record.items():
        name = prefix + key
        # The limit also bounds depth: each level takes a byte at least.
        if not key or len(name) > MAX_METRIC_BYTES or not name.isprintable() or len(name.encode()) > MAX_METRIC_BYTES:
            complaints.add(Reason.BAD_METRIC, f"a name has 1 to {MAX_METRIC_BYTES} printable bytes, not {_short(name)}")
        elif isinstance(value, dict):
            yield from _flat(value, complaints, name + ".")
        elif isinstance(value, bool):
            yield name, value
        elif isinstance(value, int | float):
            if (number := _float(value)) is None:
                complaints.add(Reason.NOT_FINITE, f"{name} is not a finite number")
            else:
                yield name, number
        elif isinstance(value, str):
            if len(value) > MAX_TEXT_CHARS:
                complaints.add(Reason.TOO_LARGE, f"{name} has {len(value)} characters; at most {MAX_TEXT_CHARS}")
            elif _is_text(value):
                yield name, value
            else:
                complaints.add(Reason.WRONG_TYPE, f"{name} is no valid text")
        elif value is not None:
            complaints.add(Reason.WRONG_TYPE, f"{name} is a number, boolean or string, not {_name(value)}")


def _declared(name: str, value: Value, device: KnownDevice, complaints: _Complaints) -> bool:
    kind = device.kinds.get(name)
    if kind is None:
        if device.strict:
            complaints.add(Reason.METRIC_NOT_DECLARED, f"product {device.product} declares no metric {name}")
        return not device.strict
    if kind and kind != _KINDS[type(value)]:
        complaints.add(Reason.WRONG_KIND, f"{name} is declared as {kind}, not {_KINDS[type(value)]}")
        return False
    return True


def _float(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8 and stored: no lone surrogates, no NUL (PostgreSQL refuses it)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def printable(text: str) -> str:
    """Fit for a text column of either database, cut to a few hundred characters."""
    return text[:_DETAIL_KEPT].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _short(value: object) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "(a very long number)"
    return repr(value)[:60]


def _name(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _topic(address: Address) -> str:
    tail = f"commands/{address.command_id}" if address.kind is Kind.ANSWER else str(address.kind)
    return f"devices/{address.device_id}/{tail}"
