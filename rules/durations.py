"""Lengths of time in rule files, with the cure beside the mistake."""

from domain.durations import parse_duration_ms
from domain.errors import SourceError

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
        raise SourceError(f"{value!r} is not a duration", cure="write for example 30s, 5m, 1h30m or 2d") from exc
    if found > _LONGEST_MS:
        raise SourceError(f"{value!r} is longer than ten years", cure="write a shorter duration")
    return found
