"""Times as people say them, in their zone and language: 14:10 or 14 h 10, yesterday, 8 s ago."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

_WORDS = {
    "en": {"today": "today", "yesterday": "yesterday", "tomorrow": "tomorrow", "now": "just now", "ago": "{} ago"},
    "fr": {"today": "aujourd'hui", "yesterday": "hier", "tomorrow": "demain", "now": "à l'instant", "ago": "il y a {}"},
}
_STEPS = ((86_400, {"en": "d", "fr": "j"}), (3600, {"en": "h", "fr": "h"}), (60, {"en": "min", "fr": "min"}))


def hour(moment: datetime, zone: ZoneInfo, *, language: str = "en") -> str:
    """14:10; in French 14 h 10 or 14 h, with spaces that do not break."""
    local = moment.astimezone(zone)
    if language == "fr":
        return f"{local.hour}\u00a0h\u00a0{local.minute:02d}" if local.minute else f"{local.hour}\u00a0h"
    return f"{local.hour}:{local.minute:02d}"


def day(moment: datetime, zone: ZoneInfo, *, now: datetime, language: str = "en") -> str:
    """Today, yesterday, tomorrow, a weekday within six days, else the date."""
    local, today = moment.astimezone(zone).date(), now.astimezone(zone).date()
    words = _WORDS[language]
    near = {0: "today", -1: "yesterday", 1: "tomorrow"}.get((local - today).days)
    if near:
        return words[near]
    if abs((local - today).days) < 7:
        return str(format_date(local, "EEEE", locale=language))
    return str(format_date(local, "d MMMM" if local.year == today.year else "d MMMM y", locale=language))


def at(moment: datetime, zone: ZoneInfo, *, now: datetime, language: str = "en") -> str:
    """The hour, with the day in front unless it is today."""
    clock = hour(moment, zone, language=language)
    if moment.astimezone(zone).date() == now.astimezone(zone).date():
        return clock
    return f"{day(moment, zone, now=now, language=language)} {clock}"


def moment_of(moment: datetime, zone: ZoneInfo, *, now: datetime, language: str = "en") -> str:
    """As part of a sentence: at 14:10, yesterday at 14:10, on Tuesday at 14:10."""
    clock = hour(moment, zone, language=language)
    which = day(moment, zone, now=now, language=language)
    plain = which in _WORDS[language].values()
    if which == _WORDS[language]["today"]:
        return f"à {clock}" if language == "fr" else f"at {clock}"
    if language == "fr":
        return f"{'le ' if which[:1].isdigit() else ''}{which} à {clock}"
    return f"{which} at {clock}" if plain else f"on {which} at {clock}"


def window(start: datetime, end: datetime, zone: ZoneInfo, *, now: datetime, language: str = "en") -> str:
    """Tuesday, 14:00 to 16:00; mardi, de 14 h 00 à 16 h 00."""
    first, last = hour(start, zone, language=language), hour(end, zone, language=language)
    which = day(start, zone, now=now, language=language)
    return f"{which}, de {first} à {last}" if language == "fr" else f"{which}, {first} to {last}"


def span(length: timedelta | float, *, language: str = "en") -> str:
    """8 s, 20 min, 1 h 10 min, 3 d."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 1:
        return "< 1 s"
    if seconds < 60:
        return f"{int(seconds)} s"
    for index, (unit, letters) in enumerate(_STEPS):
        if seconds >= unit:
            whole, rest = divmod(int(seconds), unit)
            text = f"{whole} {letters[language]}"
            if unit == 3600 and rest >= 60:
                text += f" {rest // 60} {_STEPS[index + 1][1][language]}"
            return text
    return "0 s"


def ago(moment: datetime | None, *, now: datetime, language: str = "en") -> str:
    """How long ago; empty if never."""
    if moment is None:
        return ""
    passed = now - moment
    if passed < timedelta(seconds=2):
        return _WORDS[language]["now"]
    return _WORDS[language]["ago"].format(span(passed, language=language))


def zone_of(*names: str | None) -> ZoneInfo:
    """The first of the zones that exists, else UTC."""
    for name in filter(None, names):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")
