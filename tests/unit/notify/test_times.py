"""Times: hours and days as people say them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from notify import times

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 3, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("utc", "en", "fr"),
    [
        ((13, 10), "14:10", "14 h 10"),
        ((13, 0), "14:00", "14 h"),
        ((8, 5), "09:05", "9 h 05"),
        ((23, 30), "00:30", "0 h 30"),
    ],
)
def test_hours(utc, en, fr):
    moment = NOW.replace(hour=utc[0], minute=utc[1])
    assert times.hour(moment, zone=PARIS, language="en") == en
    assert times.hour(moment, zone=PARIS, language="fr") == fr


@pytest.mark.parametrize(
    ("date", "en", "fr"),
    [((2026, 3, 3), "Tue", "mardi"), ((2026, 3, 9), "Mon", "lundi"), ((2026, 3, 10), "Tue 10 Mar", "mardi 10/03")],
)
def test_days_are_named_and_dated_only_when_far(date, en, fr):
    moment = datetime(*date, 12, tzinfo=UTC)
    assert times.day(moment, zone=PARIS, language="en", now=NOW) == en
    assert times.day(moment, zone=PARIS, language="fr", now=NOW) == fr


def test_windows_are_short_where_hours_are_whole():
    start, end = NOW.replace(minute=0), NOW.replace(hour=15, minute=0)
    assert times.window(start, end, zone=PARIS, language="en") == "14-16 h"
    assert times.window(start, end, zone=PARIS, language="fr") == "14-16 h"
    start, end = start.replace(minute=30), end.replace(minute=30)
    assert times.window(start, end, zone=PARIS, language="en") == "14:30-16:30"
    assert times.window(start, end, zone=PARIS, language="fr") == "14 h 30-16 h 30"


def test_since_names_the_day_only_when_it_was_another():
    assert times.since(NOW, zone=PARIS, language="fr", now=NOW) == "14 h 20"
    yesterday = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)
    assert times.since(yesterday, zone=PARIS, language="fr", now=NOW) == "lundi 23 h 59"


def test_long_days():
    assert times.long_day(NOW, zone=PARIS, language="en") == "Tuesday 3 March"
    assert times.long_day(NOW, zone=PARIS, language="fr") == "mardi 3 mars"
