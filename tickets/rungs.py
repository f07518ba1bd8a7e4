"""A playbook's own ladder, read from its manifest: `ladder: [{on: [sms], wait: 10m}, {to: contact}, human]`."""

from collections.abc import Mapping
from typing import Any, TypeVar

from domain.durations import parse_duration_s
from domain.errors import SourceError
from domain.ladders import Ladder, Rung, Until, Whom
from domain.messages import Channel

EXAMPLE = "write for example ladder: [{on: [sms], wait: 10m, until: acknowledged}, {on: [voice], wait: 15m}, human]"
HUMAN = "human"
Word = TypeVar("Word", Until, Whom, Channel)
_KEYS = ("on", "wait", "until", "to")


def read_ladder(raw: Any, key: str) -> Ladder:
    """Raises SourceError that names the key and what would be right."""
    if not isinstance(raw, list) or not raw or raw == [HUMAN]:
        raise SourceError("needs at least one rung", key=key, cure=EXAMPLE)
    human = raw[-1] == HUMAN
    rungs = raw[:-1] if human else raw
    return Ladder(tuple(_rung(item, f"{key}.{index}") for index, item in enumerate(rungs)), human=human)


def _rung(item: Any, key: str) -> Rung:
    if item == HUMAN:
        raise SourceError("a person is the last rung", key=key, cure="write human at the end")
    if not isinstance(item, Mapping):
        raise SourceError(f"{item!r} is no rung", key=key, cure=EXAMPLE)
    for name in item:
        if name not in _KEYS:
            raise SourceError("unknown key", key=f"{key}.{name}", cure=f"known here: {', '.join(_KEYS)}")
    return Rung(
        wait_s=_wait(item.get("wait", "30m"), f"{key}.wait"),
        until=_word(Until, item.get("until", Until.ACKNOWLEDGED), f"{key}.until"),
        channels=_channels(item.get("on", []), f"{key}.on"),
        whom=_word(Whom, item.get("to", Whom.PERSON), f"{key}.to"),
    )


def _wait(value: Any, key: str) -> float:
    try:
        seconds = parse_duration_s(value)
    except ValueError as exc:
        problem, _, cure = str(exc).partition("; ")
        raise SourceError(problem, key=key, cure=cure) from exc
    if seconds <= 0:
        raise SourceError("a rung needs some time to help", key=key, cure="write e.g. 10m")
    return seconds


def _channels(value: Any, key: str) -> tuple[Channel, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        raise SourceError(f"{value!r} is no list of channels", key=key, cure="write for example [sms, voice]")
    return tuple(_word(Channel, name, key) for name in names)


def _word(words: type[Word], value: Any, key: str) -> Word:
    try:
        return words(value)
    except ValueError as exc:
        raise SourceError(f"{value!r} is not known here", key=key, cure=f"one of: {', '.join(words)}") from exc
