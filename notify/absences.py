"""Until when somebody says that they are away. Pure, and careful: a date that could be two is none.

`3/4` is the third of April in French and nothing in English, where people write both.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from babel import Locale

from notify.phrases import COURTESIES, without, words
from notify.vocabulary import AWAY, pattern

LONGEST = timedelta(days=366)
"""Who is away for longer is for a person to understand."""

_AWAY = pattern(AWAY)
_ISO = re.compile(r"(\d{4}) (\d{1,2}) (\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,2}) (\d{1,2})(?: (\d{4}))?")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er)?(?: of)? ([a-z]+)(?: (\d{4}))?")
_MONTH_DAY = re.compile(r"([a-z]+)(?: the)? (\d{1,2})(?:st|nd|rd|th)?(?: (\d{4}))?")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er)?")
_WEEKDAY = re.compile(r"(?:next )?([a-z]+)(?: prochain)?(?: (?:morning|evening|matin|soir))?")


def away_until(text: str, *, language: str, today: date) -> date | None:
    """The first day on which they are there again; None where that is not plain.

    Who is away "until" a day is taken to be there on it.
    """
    told = _AWAY.fullmatch(" ".join(without(words(text), COURTESIES)))
    when = next(filter(None, told.groups()), "") if told else ""
    found = _day(when, language=language, today=today)
    return found if found is not None and today < found <= today + LONGEST else None


def _day(when: str, *, language: str, today: date) -> date | None:
    if when in {"tomorrow", "demain"}:
        return today + timedelta(days=1)
    if told := _ISO.fullmatch(when):
        return _date(int(told[1]), int(told[2]), int(told[3]))
    if told := _NUMBERS.fullmatch(when):
        return _numbers(int(told[1]), int(told[2]), told[3], language=language, today=today)
    if told := _DAY_MONTH.fullmatch(when):
        return _in_month(int(told[1]), _names("months").get(told[2]), told[3], today=today)
    if told := _MONTH_DAY.fullmatch(when):
        return _in_month(int(told[2]), _names("months").get(told[1]), told[3], today=today)
    if told := _DAY.fullmatch(when):
        return _next_day(int(told[1]), today=today)
    if told := _WEEKDAY.fullmatch(when):
        return _weekday(_names("days").get(told[1]), today=today)
    return None


def _numbers(first: int, second: int, year: str | None, *, language: str, today: date) -> date | None:
    day_first = language.startswith("fr") or first > 12 or first == second
    if not day_first and second <= 12:
        return None
    day, month = (first, second) if day_first else (second, first)
    return _in_month(day, month, year, today=today)


def _in_month(day: int, month: int | None, year: str | None, *, today: date) -> date | None:
    if month is None:
        return None
    if year:
        return _date(int(year), month, day)
    this_year = _date(today.year, month, day)
    return this_year if this_year is None or this_year > today else _date(today.year + 1, month, day)


def _next_day(day: int, *, today: date) -> date | None:
    """The next day of that number: "jusqu'au 12"."""
    ahead = (today + timedelta(days=later) for later in range(1, 62))
    return next((one for one in ahead if one.day == day), None)


def _weekday(number: int | None, *, today: date) -> date | None:
    return None if number is None else today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@cache
def _names(what: str) -> Mapping[str, int]:
    """Months (from 1) or days of the week (from Monday, 0) by their names in both languages, short ones too."""
    found: dict[str, int] = {}
    for language in ("en", "fr"):
        for width in ("wide", "abbreviated"):
            for number, name in getattr(Locale(language), what)["format"][width].items():
                found.setdefault("".join(words(name)), number)
    return found
