"""Durations as people write them in manifests: `30s`, `5m`, `1h30m`, `2d`."""

import re

_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration_ms(text: object) -> int:
    """Milliseconds. Raises ValueError that says what would be right: a bare number is an error, its unit is unknown."""
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 5m, 1h30m or 2d")
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))


def parse_duration_s(text: object) -> float:
    """Seconds; see `parse_duration_ms`."""
    return parse_duration_ms(text) / 1000
