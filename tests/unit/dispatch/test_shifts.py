"""Shifts as people write them, over weekends, midnight and daylight saving."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dispatch.shifts import DEFAULT, Shift, moment, next_start, on_day, parse_shifts
from domain.errors import SourceError

PARIS = ZoneInfo("Europe/Paris")


def test_ranges_lists_and_single_days() -> None:
    shifts = parse_shifts({"mon-wed": ["08:00-12:00", "13:00-17:00"], "sat, sun": ["10:00-12:00"], "Thu": []})
    assert shifts[0] == shifts[2] == (Shift(480, 720), Shift(780, 1020))
    assert shifts[5] == shifts[6] == (Shift(600, 720),)
    assert shifts[3] == ()
    assert on_day(shifts, date(2026, 3, 6)) == (), "a Friday"


def test_a_range_may_run_over_the_weekend_and_a_shift_over_midnight() -> None:
    shifts = parse_shifts({"sat-mon": ["22:00-06:00"], "tue": ["18:00-24:00"]})
    assert sorted(shifts) == [0, 1, 5, 6]
    assert shifts[5] == (Shift(1320, 1800),)
    assert shifts[1] == (Shift(1080, 1440),)


def test_without_shifts_it_is_office_hours() -> None:
    assert parse_shifts({}) == parse_shifts(None) == DEFAULT
    assert on_day(DEFAULT, date(2026, 3, 7)) == (), "a Saturday"


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"mon-fry": ["08:00-12:00"]}, "shifts.mon-fry"),
        ({"weekdays": ["08:00-12:00"]}, "shifts.weekdays"),
        ({"mon": "08:00-12:00"}, "shifts.mon"),
        ({"mon": ["8-12"]}, "shifts.mon.0"),
        ({"mon": ["08:00-12:60"]}, "shifts.mon.0"),
        ({"mon": ["08:00-25:00"]}, "shifts.mon.0"),
        ({"mon": ["08:00-08:00"]}, "shifts.mon.0"),
        ({"mon": ["08:00-12:00", 5]}, "shifts.mon.1"),
        ({"mon": ["08:00-12:00", "11:00-13:00"]}, "shifts.mon"),
        ({"mon-fri": [], "wed": []}, "shifts.wed"),
        (["08:00-12:00"], "shifts"),
    ],
)
def test_mistakes_name_the_key(raw: Any, key: str) -> None:
    with pytest.raises(SourceError) as wrong:
        parse_shifts(raw)
    assert wrong.value.key == key
    assert wrong.value.cure


def test_wall_time_follows_daylight_saving() -> None:
    winter, summer = date(2026, 3, 28), date(2026, 3, 30)
    assert moment(winter, 480, PARIS) == datetime(2026, 3, 28, 7, tzinfo=UTC)
    assert moment(summer, 480, PARIS) == datetime(2026, 3, 30, 6, tzinfo=UTC)
    assert moment(date(2026, 3, 28), 30 * 60, PARIS) == datetime(2026, 3, 29, 4, tzinfo=UTC), "06:00 after the change"


def test_the_next_shift() -> None:
    friday_night = datetime(2026, 3, 6, 22, tzinfo=UTC)
    assert next_start(DEFAULT, friday_night, PARIS) == datetime(2026, 3, 9, 7, tzinfo=UTC)
    inside = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)
    assert next_start(DEFAULT, inside, PARIS) == inside
    night = parse_shifts({"fri": ["22:00-06:00"]})
    after_midnight = datetime(2026, 3, 7, 2, tzinfo=UTC)
    assert next_start(night, after_midnight, PARIS) == after_midnight
    assert next_start(parse_shifts({"mon": []}), inside, PARIS) is None
