"""Where a message belongs, read from its topic: the first look at whatever the broker delivers."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

ROOT = "devices/"
FILTER = "devices/#"
MAX_ID_BYTES = 128
LISTENER_ID = "$listener"
"""`devices/$listener/{client id}` carries a listener's own marks: no device is registered under this id."""


class Kind(StrEnum):
    """What the native topics carry."""

    TELEMETRY = "telemetry"
    ATTRIBUTES = "attributes"
    STATUS = "status"
    ANSWER = "answer"
    OURS = "ours"
    """What we ourselves sent down, heard back: nothing to do."""


class Reason(StrEnum):
    """Why input is a dead letter."""

    INVALID_JSON = "invalid_json"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    BAD_METRIC = "bad_metric"
    BAD_TIMESTAMP = "bad_timestamp"
    WRONG_KIND = "wrong_kind"
    METRIC_NOT_DECLARED = "metric_not_declared"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_COMMAND = "unknown_command"
    BAD_DEVICE_ID = "bad_device_id"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    """Our own decoder failed on it: a defect of ours, and the log of the ingest role has the traceback."""


@dataclass(frozen=True, slots=True)
class Address:
    """A device, and what of it."""

    device_id: str
    kind: Kind
    command_id: str = ""


@dataclass(frozen=True, slots=True)
class Misaddressed:
    """A topic that fits nothing, with the id under which it is counted."""

    device_id: str
    reason: Reason
    detail: str


def address(topic: str) -> Address | Misaddressed:
    """Whose message this is. Total: every string has an answer."""
    parts = topic.split("/")
    device_id = parts[1] if len(parts) > 1 else ""
    if parts[0] != "devices" or len(parts) < 3:
        return Misaddressed(_shown(device_id), Reason.UNKNOWN_TOPIC, "no native topic; see devices/{id}/telemetry")
    if device_id == LISTENER_ID:
        return Address(device_id, Kind.OURS)
    if problem := id_problem(device_id):
        return Misaddressed(_shown(device_id), Reason.BAD_DEVICE_ID, problem)
    match parts[2:]:
        case ["telemetry"]:
            return Address(device_id, Kind.TELEMETRY)
        case ["attributes"]:
            return Address(device_id, Kind.ATTRIBUTES)
        case ["status"]:
            return Address(device_id, Kind.STATUS)
        case ["commands"]:
            return Address(device_id, Kind.OURS)
        case ["commands", command_id] if command_id and len(command_id) <= MAX_ID_BYTES and command_id.isprintable():
            return Address(device_id, Kind.ANSWER, command_id)
    return Misaddressed(device_id, Reason.UNKNOWN_TOPIC, f"nothing is expected at devices/{{id}}/{_shown(parts[2])}")


def id_problem(device_id: str) -> str | None:
    """What is wrong with a device id, None if nothing is: CONTRACT section 3."""
    if not device_id:
        return "the device id is empty"
    if len(device_id.encode(errors="replace")) > MAX_ID_BYTES:
        return f"the device id has more than {MAX_ID_BYTES} bytes"
    for char in device_id:
        if char in "/+#" or char.isspace() or unicodedata.category(char) in {"Cc", "Cs"}:
            return f"a device id has no white space, control characters or / + #; this one has {char!r}"
    return None


def _shown(text: str) -> str:
    """Fit for a text column of either database, however hostile."""
    text = text[:MAX_ID_BYTES]
    return text if text.isprintable() else repr(text)[1:-1]
