"""What users of other rule engines complain of, and what protects ours from it; numbers are those of the collection."""

from itertools import pairwise

import pytest

from domain.clock import parse_iso, to_ms
from domain.faults import TransitionState
from rules.engine import dump, load, new_state, observe
from tests.unit.rules.engine_story import T0, device, message, outcome, reads, rule, short, temperatures, tick, told

HOT = {"when": "temp > 90"}
DAY = 86_400


def test_a_duration_is_measured_in_event_time_whatever_the_servers_clock_says() -> None:
    """13, 15: a delayed upload neither stretches nor shortens `for`."""
    hot = rule(**HOT, for_="10s")
    assert told(hot, reads(0, received=500, temp=95), reads(9, received=9_000, temp=95)) == []
    assert told(hot, reads(0, received=500, temp=95), reads(10, received=500.1, temp=95)) == [("firing", 1, 10, 0)]


def test_two_seconds_mean_two_seconds() -> None:
    """15: never under the duration, not by a millisecond."""
    hot = rule(**HOT, for_="2s")
    assert told(hot, *temperatures((0, 95), (1.999, 95))) == []
    assert told(hot, *temperatures((0, 95), (1.999, 95), (2, 95))) == [("firing", 1, 2, 0)]


def test_a_shift_of_daylight_saving_neither_adds_nor_takes_an_hour() -> None:
    """Windows and durations run on UTC: through the nights in which clocks change, an hour stays an hour."""
    for change in ("2023-10-29T01:00Z", "2024-03-31T01:00Z"):
        start = to_ms(parse_iso(change)) / 1000 - T0 - 1800
        samples = temperatures(*((start + minute * 60, 95) for minute in range(0, 121, 10)))
        paris = device(timezone="Europe/Paris")
        assert told(paris, rule(**HOT, for_="1h"), *samples) == [("firing", 1, start + 3600, start)]


def test_a_baseline_knows_the_hour_on_the_wall_on_both_sides_of_a_shift() -> None:
    """What happens at eight in the morning happens at eight, summer or winter."""
    monday = to_ms(parse_iso("2024-03-11T07:00Z")) / 1000 - T0  # eight in Paris, three weeks before it is seven in UTC
    eights = [monday, monday + 7 * DAY, monday + 14 * DAY, monday + 21 * DAY - 3600]
    readings = [
        reads(start + minute * 60, temp=(60.0 + minute % 7 if start in eights else 20.0))
        for start in sorted([*eights, *(eight + 3600 for eight in eights)])
        for minute in range(0, 60, 10)
    ]
    odd = rule(when="abs(s) > 6", signals={"s": {"op": "baseline", "of": "temp", "over": "28d"}})
    assert told(device(timezone="Europe/Paris"), odd, *readings) == []
    assert told(device(timezone="UTC"), odd, *readings) != []


def test_late_data_never_overwrites_what_is_newer() -> None:
    """16: a late sample neither fires, nor resolves, nor becomes the last value that another metric is joined with."""
    both = rule(when="temp > 90 AND load > 5")
    late = reads(5, received=20, temp=10)
    assert told(both, reads(10, temp=95), late, reads(11, load=9)) == [("firing", 1, 11, 11)]
    assert told(rule(**HOT), reads(10, temp=95), late) == [("firing", 1, 10, 10)]


@pytest.mark.parametrize(("op", "limit"), [("count", 19_999), ("sum", 19_999.5)])
def test_a_window_never_silently_drops_readings_above_a_cap(op: str, limit: float) -> None:
    """All twenty thousand readings of an hour are in its window."""
    many = [reads(at * 0.125, temp=1.0) for at in range(20_000)]
    counted = rule(when=f"s > {limit}", signals={"s": {"op": op, "of": "temp", "over": "1h"}})
    assert told(counted, *many) == [("firing", 1, 2499.875, 2499.875)]


def test_a_value_that_comes_back_after_a_restart_fires_nothing() -> None:
    """2: unknown, then the value that was there before, is no change, for rising edges too."""
    rises = rule(when="s > 0", signals={"s": {"op": "times", "expr": "temp > 90", "over": "1h"}})
    state, found = observe(new_state(), [rises, *temperatures((0, 95), (4000, 95))])
    assert [one.state for one in found] == [TransitionState.FIRING, TransitionState.RESOLVED]
    state, found = observe(load(dump(state)), [*temperatures((4100, None), (4200, 95), (4300, 95))])
    assert found == []


def test_timers_and_episodes_outlive_a_restart() -> None:
    """1, 3, 4, 6: `for`, `keep_firing_for` and what fires go on where they stood; nothing is told again."""
    hot = rule(**HOT, for_="10s", keep_firing_for="10s")
    steps = [hot, *temperatures((0, 95), (6, 95), (10, 95), (20, 80), (26, 80), (30, 80))]
    state, found = new_state(), []
    for step in steps:
        state, more = observe(load(dump(state)), [step])
        found += [short(one) for one in more]
    assert found == [("firing", 1, 10, 0), ("resolved", 1, 30, 0)] == told(*steps)


def test_a_gap_in_the_data_resolves_nothing() -> None:
    """7: an hour without a reading, or with readings of other metrics alone, leaves the fault open."""
    assert told(rule(**HOT), *temperatures((0, 95), (3600, 95))) == [("firing", 1, 0, 0)]
    assert told(rule(**HOT, join_within="1m"), *temperatures((0, 95), (600, None), (1200, None))) == [
        ("firing", 1, 0, 0)
    ]


def test_a_missing_override_falls_back_and_never_disables_the_rule() -> None:
    """20: who set no threshold of their own has the default."""
    own = rule(when="temp > coalesce(max_temp, 90)")
    entries = [device("a", max_temp=50.0), device("b"), *(reads(0, name, temp=95) for name in "abc")]
    assert {one.device_id for one in outcome(own, *entries)} == {"a", "b", "c"}
    assert told(own, device("a", max_temp=99.0), device("a"), reads(0, temp=95)) == [("firing", 1, 0, 0)]


def test_or_across_keys_needs_only_one_of_them() -> None:
    """17: the other may be missing, stale, or never have been there."""
    either = rule(when="temp > 90 OR pressure > 5", join_within="10s")
    assert told(either, reads(0, temp=95)) == [("firing", 1, 0, 0)]
    assert told(either, reads(0, temp=20), reads(100, pressure=9)) == [("firing", 1, 100, 100)]


def test_a_buffered_upload_opens_in_event_order_and_at_most_the_newest_contacts_anyone() -> None:
    """14: two hours in one message, told wildly: episodes in the order of events, with their own times."""
    samples = [(3000, {"temp": 95.0}), (0, {"temp": 95.0}), (2000, {"temp": 20.0}), (1000, {"temp": 20.0})]
    samples += [(1500, {"temp": 95.0})]
    found = outcome(rule(**HOT), message(*samples, received=7200))
    assert [short(one) for one in found] == [
        ("firing", 1, 0, 0),
        ("resolved", 1, 1000, 0),
        ("firing", 2, 1500, 1500),
        ("resolved", 2, 2000, 1500),
        ("firing", 3, 3000, 3000),
    ]
    assert [one.superseded for one in found if one.state is TransitionState.FIRING] == [True, True, False]
    assert all(earlier.at <= later.at for earlier, later in pairwise(found))


def test_a_device_that_was_dead_from_the_start_is_silent_too() -> None:
    """5, 10: it counts from its registration, and the alarm comes when it is due, not when the device returns."""
    quiet = rule(when="quiet > 60", signals={"quiet": {"op": "silence"}})
    ticks = [tick(second) for second in range(1, 100)]
    assert told(tick(0), device(registered=0), quiet, *ticks) == [("firing", 1, 61, 61)]


def test_one_key_that_stops_is_noticed_while_the_device_stays_online() -> None:
    """12."""
    stopped = rule(when="quiet > 5", signals={"quiet": {"op": "silence", "of": "temp"}})
    entries = [entry for second in range(1, 12) for entry in (reads(second, other=1.0), tick(second))]
    assert told(stopped, reads(0, temp=1.0), tick(0), *entries) == [("firing", 1, 6, 6)]


def test_an_alarm_of_silence_ends_when_the_device_is_back_however_close_the_two_are() -> None:
    """11: a reading in the very second in which the alarm is raised leaves none open."""
    quiet = rule(when="quiet >= 5", signals={"quiet": {"op": "silence"}})
    entries = [reads(0, temp=1.0), *(tick(second) for second in range(6)), reads(5, temp=1.0), tick(6)]
    assert [state for state, *_ in told(quiet, *entries)] == ["firing", "resolved"]


def test_an_alarm_that_comes_back_is_another_episode() -> None:
    """21: what was cleared is not opened again under its old number."""
    found = told(rule(**HOT), *temperatures((0, 95), (1, 20), (2, 95)))
    assert [(state, episode) for state, episode, *_ in found] == [("firing", 1), ("resolved", 1), ("firing", 2)]
