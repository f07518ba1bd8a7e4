"""Days and hours as people say them, in their zone: by CLDR, in the patterns of ../shared/VOICE.md."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

# "14:10" and "14 h 10": CLDR's own short times would be "2:10 PM" for plain English, and "14:10" for French.
_TIME = {"en": "HH:mm", "fr": "H 'h' mm"}
_WHOLE_HOUR = {"en": "HH:mm", "fr": "H 'h'"}
_LOCALE = {"en": "en_GB", "fr": "fr"}
_DAY = {"en": "EEE", "fr": "EEEE"}
# French months in letters hold û (août), which a text message cannot carry cheaply.
_FAR_DAY = {"en": "EEE d MMM", "fr": "EEEE d/MM"}
_LONG_DAY = {"en": "EEEE d MMMM", "fr": "EEEE d MMMM"}
NEAR = timedelta(days=6)
"""Within these, the name of the day says it."""


def hour(moment: datetime, *, zone: ZoneInfo, language: str) -> str:
    """`14:10`, `14 h 10`, `14 h`."""
    pattern = _TIME if moment.astimezone(zone).minute else _WHOLE_HOUR
    return format_time(moment, pattern[language], tzinfo=zone, locale=_LOCALE[language])


def day(moment: datetime, *, zone: ZoneInfo, language: str, now: datetime) -> str:
    """`Tue`, `mardi`; further away `Tue 3 Mar`, `mardi 3/03`."""
    near = abs((moment.astimezone(zone).date() - now.astimezone(zone).date()).days) <= NEAR.days
    return _date(moment, (_DAY if near else _FAR_DAY)[language], zone=zone, language=language)


def long_day(moment: datetime, *, zone: ZoneInfo, language: str) -> str:
    """`Tuesday 3 March`, `mardi 3 mars`."""
    return _date(moment, _LONG_DAY[language], zone=zone, language=language)


def dated(moment: datetime, *, zone: ZoneInfo, language: str) -> str:
    """`Tue 3 Mar`, `mardi 3/03`, however near."""
    return _date(moment, _FAR_DAY[language], zone=zone, language=language)


def window(start: datetime, end: datetime, *, zone: ZoneInfo, language: str) -> str:
    """`14-16 h`; where minutes matter `14:30-16:30`, `14 h 30-16 h 30`."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if not first.minute and not last.minute:
        return f"{first.hour}-{last.hour} h"
    return f"{hour(start, zone=zone, language=language)}-{hour(end, zone=zone, language=language)}"


def since(moment: datetime, *, zone: ZoneInfo, language: str, now: datetime) -> str:
    """`14:10` if that was today, else with the day."""
    told = hour(moment, zone=zone, language=language)
    if moment.astimezone(zone).date() == now.astimezone(zone).date():
        return told
    return f"{day(moment, zone=zone, language=language, now=now)} {told}"


def _date(moment: datetime, pattern: str, *, zone: ZoneInfo, language: str) -> str:
    return format_date(moment.astimezone(zone).date(), pattern, locale=_LOCALE[language])
