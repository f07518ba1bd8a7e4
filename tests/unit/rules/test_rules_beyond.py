"""Peers in large groups, service records in the log, and what a rule that comes late takes over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.telemetry import PeerSummary, RuleActivated, Serviced
from rules import engine
from rules.signals.distance import haversine
from rules.signals.peers import POINTS, Standing, against, merged, share_of, summaries
from tests.unit.rules.engine_story import device, ms, reads, rule, told

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_shares_that_tell_all_their_values_merge_exactly(parts: list[list[float]]) -> None:
    found = merged([share_of(np.array(part), points=501) for part in parts])
    whole = share_of(np.concatenate([np.array(part) for part in parts]))
    assert found.n == whole.n
    assert found.points.tolist() == whole.points.tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_large_groups_merge_to_quantiles_near_those_of_all_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [random.normal(50, 10, size) for size in (3000, 800, 40, 1)]
    found = merged([share_of(part, points=501) for part in parts])
    values = np.concatenate(parts)
    assert (found.n, len(found.points)) == (len(values), POINTS)
    inner = slice(2, -2)
    exact = np.quantile(values, np.linspace(0, 1, POINTS))
    assert np.abs(found.points - exact)[inner].max() < 0.5


def standing(values: np.ndarray) -> Standing:
    summary = summaries("s", {"g": share_of(values)}, at=0)[1]
    return Standing(summary, np.array(summary.quantiles))


@settings(deadline=None)
@given(st.lists(st.integers(0, 9).map(float), min_size=9, max_size=101), st.data())
def test_a_device_is_never_its_own_peer(values: list[float], data: st.DataObject) -> None:
    own = data.draw(st.sampled_from(values))
    others = list(values)
    others.remove(own)
    for stat in ("zscore", "percentile"):
        inside = against(stat, standing(np.array(values)), np.array([own + 1]), np.array([own]))
        without = against(stat, standing(np.array(others)), np.array([own + 1]), np.array([np.nan]))
        assert inside.tolist() == without.tolist()


def test_in_a_large_group_a_percentile_is_read_between_quantiles() -> None:
    many = standing(np.arange(1000, dtype=np.float64))
    found = against("percentile", many, np.array([-5.0, 0.0, 499.5, 899.1, 2000.0]), np.full(5, np.nan))
    assert found == pytest.approx([0, 0, 50, 90, 100], abs=0.11)
    ties = standing(np.repeat([1.0, 2.0], 500))
    assert against("percentile", ties, np.array([1.0, 2.0]), np.full(2, np.nan)) == pytest.approx([25, 75], abs=1)


def test_fewer_than_eight_peers_are_none() -> None:
    nine = standing(np.arange(9.0))
    assert not np.isnan(against("zscore", nine, np.array([5.0]), np.array([5.0])))[0]
    eight = standing(np.arange(8.0))
    assert np.isnan(against("zscore", eight, np.array([5.0]), np.array([5.0])))[0]


def test_a_new_minute_ends_what_the_minute_before_said() -> None:
    odd = rule(when="s > 3", signals={"s": {"op": "peers", "of": "temp", "by": ["region"], "stat": "zscore"}})
    subject, group = '["temp","region"]', '["","EU"]'
    told_once = [
        PeerSummary(subject, "", ms(60), 0, 0.0, 0.0, ()),
        PeerSummary(subject, group, ms(60), 12, 20.0, 1.0, tuple(np.linspace(18, 22, 12).tolist())),
    ]
    start = [odd, device(region="EU"), *told_once, reads(61, temp=20.0)]
    assert told(*start, reads(62, temp=40.0)) == [("firing", 1, 62, 62)]
    assert told(*start, PeerSummary(subject, "", ms(120), 0, 0.0, 0.0, ()), reads(121, temp=40.0)) == []


WORN = {"when": "used > 10", "signals": {"used": {"op": "usage", "of": "hours", "since": "service"}}}


def test_usage_begins_anew_with_a_service_record_and_outlives_a_counter_that_begins_again() -> None:
    worn = rule(**WORN)
    counted = [reads(second, hours=value) for second, value in ((0, 500.0), (1, 505.0), (2, 2.0), (3, 6.0))]
    assert told(worn, *counted) == [("firing", 1, 3, 3)]
    serviced = [*counted[:3], Serviced("a", ms(2.5)), counted[3], reads(4, hours=12.5)]
    assert told(worn, *serviced) == [("firing", 1, 4, 4)]


def test_a_record_that_is_dated_back_takes_its_share_of_the_growth() -> None:
    worn = rule(**WORN)
    before = [reads(0, hours=0.0), reads(100, hours=10.0)]
    late = [Serviced("a", ms(20)), reads(101, hours=11.0), reads(102, hours=11.5)]
    assert told(worn, *before, *late) == []
    assert told(worn, *before, *late, reads(103, hours=12.5)) == [("firing", 1, 103, 103)]
    ignored = [Serviced("a", ms(90)), Serviced("a", ms(20))]
    assert told(worn, *before, *ignored, reads(101, hours=15.0)) == []


def test_what_was_uploaded_late_and_is_older_than_the_service_does_not_count() -> None:
    upload = [reads(0, hours=0.0), Serviced("a", ms(50)), reads(40, received=60, hours=100.0)]
    assert told(rule(**WORN), *upload, reads(61, hours=105.0)) == []
    assert told(rule(**WORN), *upload, reads(61, hours=111.0)) == [("firing", 1, 61, 61)]


def test_a_device_that_was_serviced_before_the_rule_came_counts_from_there() -> None:
    entries = [reads(0, hours=0.0), reads(50, hours=100.0), Serviced("a", ms(60)), reads(70, hours=104.0)]
    state, _ = engine.observe(engine.new_state(), entries)
    activated = rule(**WORN)
    assert isinstance(activated, RuleActivated)
    state, _ = engine.observe(state, [activated])
    engine.warm(state, "r", [entries])
    _, found = engine.observe(state, [reads(71, hours=109.0)])
    assert found == []
    _, found = engine.observe(state, [reads(72, hours=111.0)])
    assert [one.rule for one in found] == ["r"]


def test_distances_on_the_globe() -> None:
    """Paris to London, a quarter of the equator, and no place at all."""
    paris, london = (48.8566, 2.3522), (51.5074, -0.1278)
    lat, lon = np.array([paris[0], 0.0, 91.0, np.nan]), np.array([paris[1], 0.0, 0.0, 0.0])
    to_lat, to_lon = np.array([london[0], 0.0, 0.0, 0.0]), np.array([london[1], 90.0, 0.0, 0.0])
    found = haversine(lat, lon, to_lat, to_lon)
    assert found[:2] == pytest.approx([343_557, 10_007_557], rel=1e-5)
    assert np.isnan(found[2:]).all()
