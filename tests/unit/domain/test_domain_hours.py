"""Quiet hours in many zones, against a reference that looks at each minute."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.hours import QuietHours
from store.people import public_holidays, zones_of

NAMES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/St_Johns",
    "Pacific/Kiritimati",
    "UTC",
]
HALF_HOURS = st.integers(0, 47).map(lambda n: time(n // 2, n % 2 * 30))
# 2011 has the day that Apia skipped; Sao Paulo's clocks changed at midnight until 2019.
MOMENTS = st.sampled_from([(2011, 12, 28), (2018, 11, 2), (2026, 3, 6), (2026, 3, 27), (2026, 4, 3), (2026, 10, 23)])
MINUTES = st.integers(0, 5 * 24 * 60)
MINUTE = timedelta(minutes=1)


def naive(quiet, moment, zones, *, days=2):
    """The first minute that no zone keeps."""
    for minutes in range(days * 24 * 60):
        candidate = moment + minutes * MINUTE
        if not any(quiet.holds(candidate, zone) for zone in zones):
            return candidate
    return None


def gap_after(moment, zone):
    """How far the clocks are put forward in the day after `moment`."""
    offsets = [(moment + timedelta(minutes=15 * n)).astimezone(zone).utcoffset() for n in range(27 * 4)]
    return max(max(later - earlier, timedelta(0)) for earlier, later in itertools.pairwise(offsets))


@settings(max_examples=150, deadline=None)
@given(day=MOMENTS, minutes=MINUTES, name=st.sampled_from(NAMES), start=HALF_HOURS, end=HALF_HOURS)
def test_quiet_ends_at_the_first_minute_that_is_not_quiet(day, minutes, name, start, end):
    quiet, zone = QuietHours(start, end), ZoneInfo(name)
    moment = datetime(*day, tzinfo=UTC) + minutes * MINUTE
    first, released = naive(quiet, moment, [zone]), quiet.release(moment, zone)
    # An end that the clocks skip comes that much later, for a clock that was not put forward; nothing else differs.
    assert released == first or (first < released <= first + gap_after(moment, zone))
    assert not quiet.holds(released, zone)


@settings(max_examples=60, deadline=None)
@given(day=MOMENTS, minutes=MINUTES, names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
def test_of_several_zones_all_must_be_awake_if_there_is_such_an_hour(day, minutes, names):
    quiet, zones = QuietHours(), [ZoneInfo(name) for name in names]
    moment = datetime(*day, tzinfo=UTC) + minutes * MINUTE
    first = naive(quiet, moment, zones)
    assume(first is not None)
    assert quiet.release(moment, *zones) == first


def test_where_no_hour_suits_all_the_first_that_suits_most_is_taken():
    zones = [ZoneInfo(name) for name in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Paris", "Europe/Berlin")]
    opposite = QuietHours(time(12), time(11))  # one hour a day is left
    released = opposite.release(datetime(2026, 3, 3, 22, tzinfo=UTC), *zones)
    assert released == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert opposite.release(released, *zones) == released


@pytest.mark.parametrize("name", NAMES)
def test_days_of_rest_are_quiet_from_midnight_to_midnight(name):
    zone = ZoneInfo(name)
    quiet = QuietHours(time(21), time(8), sundays=True, holidays=frozenset({date(2026, 4, 6)}))
    saturday_night = datetime(2026, 4, 4, 22, tzinfo=zone).astimezone(UTC)  # Easter; Lord Howe puts its clocks back
    assert quiet.release(saturday_night, zone) == datetime(2026, 4, 7, 8, tzinfo=zone)
    assert quiet.release(saturday_night, zone) == naive(quiet, saturday_night, [zone], days=4)


def test_without_quiet_nights_a_day_of_rest_ends_at_midnight():
    zone, quiet = ZoneInfo("America/Sao_Paulo"), QuietHours(time(0), time(0), sundays=True)
    sunday = datetime(2018, 10, 28, 15, tzinfo=UTC)
    assert quiet.release(sunday, zone) == datetime(2018, 10, 29, 3, tzinfo=UTC)
    skipped = QuietHours(time(0), time(0), holidays=frozenset({date(2018, 11, 3)}))
    assert skipped.release(datetime(2018, 11, 3, 15, tzinfo=UTC), zone) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_the_holidays_of_a_country_are_known_and_those_of_none_are_none():
    assert {date(2026, 7, 14), date(2031, 5, 1)} <= public_holidays("FR")
    assert public_holidays("XX") == frozenset()


def test_a_number_narrows_where_somebody_is():
    assert zones_of("+33612345678") == ("Europe/Paris",)
    assert {"America/New_York", "America/Los_Angeles"} <= set(zones_of("+18005550100"))
    assert zones_of("no number") == ()
