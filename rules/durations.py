"""Lengths of time in rule files, with the cure beside the mistake."""

import re

from domain.durations import parse_duration_ms
from domain.errors import SourceError

_WORDS = re.compile(r"\+?(\d+(?:\.\d+)?)?\s*(s|m|h|d|w|sec|min|hr)?[a-z]*\.?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})")
_LONGEST_MS = 3660 * 86_400_000


def parse_duration(value: object) -> int:
    """Milliseconds; SourceError says what would be right. A bare 0 needs no unit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value == 0:
            return 0
        raise SourceError(f"{value} has no unit", cure=f"write {value:g}s or {value:g}m")
    try:
        found = parse_duration_ms(value)
    except ValueError as exc:
        if isinstance(value, str) and value.isdigit():
            raise SourceError(f"{value!r} has no unit", cure=f"write {value}s or {value}m") from exc
        hint = _meant(value)
        cure = "write for example 30s, 5m, 1h30m or 2d" + (f"; here {hint}" if hint else "")
        raise SourceError(f"{value!r} is not a duration", cure=cure) from exc
    if found > _LONGEST_MS:
        raise SourceError(f"{value!r} is longer than ten years", cure="write a shorter duration")
    return found


def _meant(value: object) -> str:
    """How a length of time that people write in words or as a clock is written here; empty if that is not clear."""
    if not isinstance(value, str):
        return ""
    text = value.strip().replace(",", ".")
    if text.startswith("-"):
        return f"{text[1:]}, without the minus" if _read(text[1:]) else ""
    clock = _CLOCK.fullmatch(text)
    if clock:
        return "".join(f"{int(part)}{unit}" for part, unit in zip(clock.groups(), "hms", strict=True) if int(part))
    words = _WORDS.fullmatch(text)
    if words is None or not words[2]:
        return ""
    number, unit = float(words[1] or 1), words[2][0].lower()
    meant = f"{number * 7:g}d" if unit == "w" else f"{number:g}{unit}"
    return meant if _read(meant) and text.casefold() != meant else ""


def _read(text: str) -> bool:
    try:
        parse_duration_ms(text)
    except ValueError:
        return False
    return True
