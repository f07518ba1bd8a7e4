"""Hours and maintenance windows on the wall clock, also on the days on which it jumps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceError
from tickets.windows import Hours, Window, check_recurrence, closes, instant, opens, read_hours

wall_time = datetime.fromisoformat
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
ZONES = st.sampled_from([PARIS, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")])
ALL_DAYS = frozenset(range(7))
CHANGES = (wall_time("2026-03-29"), wall_time("2026-10-25"), wall_time("2026-03-08"), wall_time("2026-11-01"))
"""The days on which Paris and New York change their clocks in 2026."""
moments = st.one_of(
    st.datetimes(wall_time("2026-01-01"), wall_time("2027-01-01")),
    st.sampled_from(CHANGES).flatmap(lambda day: st.datetimes(day - timedelta(days=1), day + timedelta(days=2))),
).map(lambda wall: wall.replace(microsecond=0, tzinfo=UTC))
minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    start, end = draw(minutes), draw(st.integers(1, 24 * 60))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return Hours(days, start, end if end > start else end + 24 * 60)


def on_the_wall(one: Hours, now: datetime, zone: ZoneInfo) -> bool:
    """What a person with a clock on the wall would say."""
    wall = now.astimezone(zone)
    minute = wall.hour * 60 + wall.minute + wall.second / 60
    today = wall.weekday() in one.days and one.start <= minute < one.end
    return today or ((wall.weekday() - 1) % 7 in one.days and minute + 24 * 60 < one.end)


def is_plain(now: datetime, zone: ZoneInfo) -> bool:
    """Whether the wall clock does not jump within a day of `now`."""
    offsets = {(now + timedelta(hours=hour)).astimezone(zone).utcoffset() for hour in range(-30, 31)}
    return len(offsets) == 1


@given(st.lists(hours(), min_size=1, max_size=4), moments, ZONES)
def test_on_ordinary_days_hours_are_what_the_clock_on_the_wall_says(
    several: list[Hours], now: datetime, zone: ZoneInfo
) -> None:
    if is_plain(now, zone):
        assert (opens(several, now, zone) == now) == any(on_the_wall(one, now, zone) for one in several)


@given(st.lists(hours(), min_size=1, max_size=4), moments, ZONES)
def test_the_opening_is_inside_and_nothing_before_it_is(several: list[Hours], now: datetime, zone: ZoneInfo) -> None:
    opening = opens(several, now, zone)
    if opening is None:
        return
    assert opening >= now
    assert opens(several, opening, zone) == opening
    if opening > now:
        for part in (0.0, 0.3, 0.7, 0.999):
            between = now + (opening - now) * part
            assert opens(several, between, zone) == opening


@given(minutes, moments, st.sampled_from([PARIS, NEW_YORK]))
def test_an_opening_is_at_its_time_on_the_wall_on_both_sides_of_a_change(
    start: int, now: datetime, zone: ZoneInfo
) -> None:
    one = Hours(ALL_DAYS, start, start + 1)
    opening = opens([one], now, zone)
    assert opening is not None
    wall = opening.astimezone(zone)
    assert opening - now <= timedelta(hours=49), "a minute that is left out comes on the next day"
    if opening > now:
        left_out = instant(wall.replace(tzinfo=None, fold=0), zone) == opening and wall.hour * 60 + wall.minute != start
        assert wall.hour * 60 + wall.minute == start or (left_out and wall.minute == 0)


@given(moments, ZONES)
def test_a_whole_day_has_no_hole_on_any_day(now: datetime, zone: ZoneInfo) -> None:
    assert opens([Hours(ALL_DAYS, 0, 24 * 60)], now, zone) == now


@pytest.mark.parametrize(
    ("wall", "zone", "moment"),
    [
        (wall_time("2026-03-29T02:30"), PARIS, "2026-03-29T01:00Z"),
        (wall_time("2026-03-29T03:00"), PARIS, "2026-03-29T01:00Z"),
        (wall_time("2026-10-25T02:30"), PARIS, "2026-10-25T00:30Z"),
        (wall_time("2026-03-08T02:15"), NEW_YORK, "2026-03-08T07:00Z"),
        (wall_time("2026-11-01T01:30"), NEW_YORK, "2026-11-01T05:30Z"),
    ],
)
def test_an_hour_left_out_is_where_the_clock_jumps_and_one_that_comes_twice_is_the_first(
    wall: datetime, zone: ZoneInfo, moment: str
) -> None:
    assert instant(wall, zone) == datetime.fromisoformat(moment)


def test_eight_in_the_morning_is_eight_on_the_day_of_the_change_and_after() -> None:
    """ThingsBoard counts the time since midnight, and is an hour off on such a day."""
    working = read_hours([{"days": [*range(7)], "from": "08:00", "to": "20:00"}])
    for day, zone, opening in (
        (datetime(2026, 3, 29, 5, tzinfo=UTC), PARIS, "2026-03-29T06:00Z"),
        (datetime(2026, 10, 25, 5, tzinfo=UTC), PARIS, "2026-10-25T07:00Z"),
        (datetime(2026, 3, 8, 8, tzinfo=UTC), NEW_YORK, "2026-03-08T12:00Z"),
        (datetime(2026, 11, 1, 8, tzinfo=UTC), NEW_YORK, "2026-11-01T13:00Z"),
    ):
        assert opens(working, day, zone) == datetime.fromisoformat(opening)


def test_several_windows_a_day_and_one_over_midnight() -> None:
    rows = [
        {"days": [0], "from": "08:00", "to": "12:00"},
        {"days": [0], "from": "14:00", "to": "18:00"},
        {"days": [4], "from": "22:00", "to": "06:00"},
    ]
    several = read_hours(rows)
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    zone = ZoneInfo("UTC")
    assert opens(several, monday.replace(hour=9), zone) == monday.replace(hour=9)
    assert opens(several, monday.replace(hour=12), zone) == monday.replace(hour=14)
    assert opens(several, monday.replace(hour=18), zone) == monday + timedelta(days=4, hours=22)
    saturday = monday + timedelta(days=5)
    assert opens(several, saturday.replace(hour=5), zone) == saturday.replace(hour=5)
    assert opens(several, saturday.replace(hour=6), zone) == monday + timedelta(days=7, hours=8)


@given(
    st.datetimes(wall_time("2026-01-01"), wall_time("2026-02-01")).map(
        lambda wall: wall.replace(second=0, microsecond=0)
    ),
    st.integers(1, 22),
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,WE", "FREQ=MONTHLY;BYMONTHDAY=1,15", "FREQ=DAILY;INTERVAL=3"]),
    moments,
    st.sampled_from([PARIS, NEW_YORK]),
)
def test_a_window_that_comes_again_ends_when_none_of_its_turns_holds(
    start: datetime, length: int, recurs: str, now: datetime, zone: ZoneInfo
) -> None:
    window = Window(start, zone, timedelta(hours=length), recurs)
    end = closes(window, now)
    if end is None:
        return
    assert now < end
    assert closes(window, end) is None
    assert closes(window, end - timedelta(seconds=1)) == end


@given(moments, st.sampled_from([PARIS, NEW_YORK]))
def test_each_sundays_window_begins_at_its_time_on_the_wall(now: datetime, zone: ZoneInfo) -> None:
    window = Window(wall_time("2025-12-28T22:00"), zone, timedelta(hours=2), "FREQ=WEEKLY;BYDAY=SU")
    wall = now.astimezone(zone)
    holds = wall.weekday() == 6 and wall.hour >= 22
    assert (closes(window, now) is not None) == holds


def test_turns_that_follow_without_a_gap_are_one_window() -> None:
    window = Window(wall_time("2026-03-02T09:00"), PARIS, timedelta(hours=24), "FREQ=DAILY;COUNT=3")
    assert closes(window, datetime.fromisoformat("2026-03-02T12:00Z")) == datetime.fromisoformat("2026-03-05T08:00Z")


def test_a_window_that_comes_once_is_over_for_good() -> None:
    window = Window(wall_time("2026-03-02T09:00"), PARIS, timedelta(hours=2))
    assert closes(window, datetime(2026, 3, 2, 7, 59, tzinfo=UTC)) is None
    assert closes(window, datetime(2026, 3, 2, 8, tzinfo=UTC)) == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert closes(window, datetime(2026, 3, 2, 10, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("every sunday", "is no recurrence rule"),
        ("FREQ=HOURLY", "more often than daily"),
        ("FREQ=DAILY;BYHOUR=99", "is no recurrence rule"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "ends at a time in UTC"),
        ("EXDATE:20260101T000000", "is no recurrence rule"),
        ("", "is no recurrence rule"),
    ],
)
def test_what_is_no_recurrence_says_what_would_be_right(text: str, problem: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_recurrence(text)
    assert problem in caught.value.problem
    assert caught.value.cure
