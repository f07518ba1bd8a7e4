"""Who is asked first, with which window, and why others are not."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.candidates import LEAD, WINDOW, Booking, Hand, Need, distance_km, first_window, rank, travel
from dispatch.shifts import DEFAULT, moment, on_day, parse_shifts
from domain.people import Place

SITE = Place(48.869, 2.331)
NEAR, FAR = Place(48.85, 2.35), Place(48.80, 2.10)
UTC_ZONE = ZoneInfo("UTC")
MONDAY_9 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NEED = Need("refrigerant", timedelta(minutes=45), SITE)


def hand(name: str, *, home: Place | None = NEAR, skills: str = "refrigerant", **more: object) -> Hand:
    facts = {"shifts": DEFAULT, "zone": UTC_ZONE, **more}
    return Hand(name, frozenset(skills.split()), home=home, **facts)  # type: ignore[arg-type]


def test_the_nearest_with_the_skill_comes_first() -> None:
    ranking = rank(NEED, [hand("far", home=FAR), hand("near"), hand("unskilled", skills="gas")], [], now=MONDAY_9)
    assert [one.technician_id for one in ranking.candidates] == ["near", "far"]
    assert [(one.technician_id, one.reason) for one in ranking.left_out] == [
        ("unskilled", "lacks the skill refrigerant")
    ]


def test_who_can_come_today_comes_before_who_is_nearer_tomorrow() -> None:
    tomorrow = hand("near", shifts=parse_shifts({"tue": ["08:00-12:00"]}))
    ranking = rank(NEED, [tomorrow, hand("far", home=FAR)], [], now=MONDAY_9)
    assert [one.technician_id for one in ranking.candidates] == ["far", "near"]


def test_anybody_will_do_where_no_skill_is_named() -> None:
    ranking = rank(Need(None, timedelta(hours=1), SITE), [hand("unskilled", skills="")], [], now=MONDAY_9)
    assert len(ranking.candidates) == 1


def test_who_declined_is_not_asked_again() -> None:
    ranking = rank(NEED, [hand("a"), hand("b")], [], now=MONDAY_9, refused={"a"})
    assert [one.technician_id for one in ranking.candidates] == ["b"]
    assert ranking.left_out[0].reason == "has declined, or did not answer"


def test_a_window_is_two_hours_on_the_half_hour_after_lead_and_travel() -> None:
    window = first_window(NEED, hand("a"), [], now=MONDAY_9)
    assert window is not None
    assert (window.start, window.end) == (MONDAY_9 + timedelta(hours=1), MONDAY_9 + timedelta(hours=3))
    late = first_window(NEED, hand("a"), [], now=MONDAY_9 + timedelta(hours=1, minutes=1))
    assert late is not None
    assert late.start.hour == 13, "10:31 is too soon, and no window fits between 11 and 12"


def test_nothing_is_known_of_a_home_or_a_site_and_still_somebody_comes() -> None:
    ranking = rank(Need(None, timedelta(hours=1)), [hand("a"), hand("b", home=None)], [], now=MONDAY_9)
    assert [(one.technician_id, one.km) for one in ranking.candidates] == [("a", None), ("b", None)]
    known = rank(NEED, [hand("nowhere", home=None), hand("far", home=FAR)], [], now=MONDAY_9)
    assert [one.technician_id for one in known.candidates] == ["far", "nowhere"]


def test_a_booked_window_is_not_given_twice_and_the_way_starts_there() -> None:
    taken = Booking("a", MONDAY_9 + timedelta(hours=1), MONDAY_9 + timedelta(hours=3), SITE)
    window = first_window(NEED, hand("a", home=FAR), [taken], now=MONDAY_9)
    assert window is not None
    assert window.start == MONDAY_9.replace(hour=13)
    assert window.km == pytest.approx(0.0), "they are at that very place already"
    other = first_window(NEED, hand("b"), [taken], now=MONDAY_9)
    assert other is not None
    assert other.start == taken.start


def test_a_long_visit_needs_room_in_the_shift() -> None:
    assert first_window(Need(None, timedelta(hours=5), SITE), hand("a"), [], now=MONDAY_9) is None
    ranking = rank(Need(None, timedelta(hours=5), SITE), [hand("a")], [], now=MONDAY_9)
    assert "no free window" in ranking.left_out[0].reason


def test_windows_follow_the_technicians_own_clock() -> None:
    window = first_window(NEED, hand("a", zone=ZoneInfo("Europe/Paris")), [], now=MONDAY_9.replace(hour=4))
    assert window is not None
    assert window.start == MONDAY_9.replace(hour=7), "08:00 in Paris"


def test_great_circle_distance() -> None:
    paris, london = Place(48.8566, 2.3522), Place(51.5074, -0.1278)
    # Widely published: about 344 km.
    assert distance_km(paris, london) == pytest.approx(343.6, abs=0.5)
    assert distance_km(Place(0, 179.5), Place(0, -179.5)) == pytest.approx(111.19, abs=0.01)
    assert travel(40 / 1.3) == timedelta(hours=1)


zones = st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
bookings = st.lists(st.tuples(st.integers(0, 14 * 48), st.integers(1, 12)), max_size=30)


@given(now=moments, zone=zones, booked=bookings, minutes=st.integers(15, 240))
def test_a_window_is_free_in_a_shift_and_in_reach(
    now: datetime, zone: str, booked: list[tuple[int, int]], minutes: int
) -> None:
    half = timedelta(minutes=30)
    taken = [Booking("a", now + half * at, now + half * (at + length), FAR) for at, length in booked]
    someone = hand("a", zone=ZoneInfo(zone))
    window = first_window(Need(None, timedelta(minutes=minutes), SITE), someone, taken, now=now)
    if window is None:
        assert taken, "nothing is in the way of a free technician"
        return
    local = window.start.astimezone(someone.zone)
    end = max(window.end, window.start + timedelta(minutes=minutes))
    assert local.minute in {0, 30}
    assert window.end - window.start == WINDOW
    assert window.start >= now + LEAD + travel(window.km)
    assert not any(one.start < end and window.start < one.end for one in taken)
    assert any(
        moment(window.day, shift.start, someone.zone) <= window.start
        and end <= moment(window.day, shift.end, someone.zone)
        for shift in on_day(someone.shifts, window.day)
    )
