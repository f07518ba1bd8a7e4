"""What only a live engine meets: rules and devices that change, ticks with holes, stored state, any cut of batches."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.faults import EndReason, TransitionState
from domain.telemetry import DeviceDeleted, LogEntry, RuleRetired
from rules.engine import dump, load, new_state, observe
from tests.unit.rules.engine_story import device, message, ms, outcome, reads, rule, short, temperatures, tick, told

HOT, COOL = 95.0, 20.0
SILENT = {"signals": {"quiet": {"op": "silence"}}, "when": "quiet > 5"}


def test_the_evidence_holds_what_the_rule_names() -> None:
    signals = {"m": {"op": "mean", "of": "temp", "over": "1m"}}
    hot = rule(when="m > coalesce(max_temp, 90) AND mode = 'on'", signals=signals)
    (fired,) = outcome(hot, device(max_temp=80.0), reads(0, temp=HOT, mode="on", other=1.0))
    assert fired.evidence == {"m": HOT, "max_temp": 80.0, "mode": "on"}


def test_a_transition_says_when_its_sample_was_received() -> None:
    (fired,) = outcome(rule(when="temp > 90"), reads(0, received=7, temp=HOT))
    assert fired.received_at.timestamp() * 1000 == ms(7)


def test_of_the_episodes_of_one_message_all_but_the_newest_are_superseded() -> None:
    buffered = message(
        (0, {"temp": HOT}), (1, {"temp": COOL}), (2, {"temp": HOT}), (3, {"temp": COOL}), (4, {"temp": HOT}), received=5
    )
    found = outcome(rule(when="temp > 90"), buffered, reads(6, temp=COOL))
    assert [(one.episode, one.superseded) for one in found] == [
        (1, True),
        (1, True),
        (2, True),
        (2, True),
        (3, False),
        (3, False),
    ]


def test_a_rule_that_retires_ends_its_episodes_and_goes_on_counting_when_it_returns() -> None:
    hot = rule(when="temp > 90")
    found = outcome(hot, reads(0, temp=HOT), RuleRetired("r"), hot, reads(1, temp=HOT))
    assert [(one.state, one.episode, one.reason) for one in found] == [
        (TransitionState.FIRING, 1, None),
        (TransitionState.RESOLVED, 1, EndReason.RULE_RETIRED),
        (TransitionState.FIRING, 2, None),
    ]


def test_a_new_version_that_asks_the_same_goes_on_where_the_old_one_stood() -> None:
    old, new = rule(when="temp > 90", for_="10s"), rule(when="temp > 90", for_="20s", severity="critical", version=2)
    (fired,) = outcome(old, reads(0, temp=HOT), new, reads(15, temp=HOT), reads(20, temp=HOT))
    assert (*short(fired), fired.version, str(fired.severity)) == ("firing", 1, 20, 0, 2, "critical")


def test_a_new_version_that_asks_something_else_begins_anew() -> None:
    old, new = rule(when="temp > 90"), rule(when="temp > 94", version=2)
    found = outcome(old, reads(0, temp=HOT), new, reads(1, temp=HOT))
    assert [(one.state, one.episode, one.version, one.reason) for one in found] == [
        (TransitionState.FIRING, 1, 1, None),
        (TransitionState.RESOLVED, 1, 1, EndReason.RULE_RETIRED),
        (TransitionState.FIRING, 2, 2, None),
    ]


@pytest.mark.parametrize(("stage", "fires"), [("draft", 0), ("shadow", 1), ("agents_only", 1), ("live", 1)])
def test_every_stage_but_draft_and_retired_is_evaluated(stage: str, fires: int) -> None:
    assert len(outcome(rule(when="temp > 90", stage=stage), reads(0, temp=HOT))) == fires


def test_a_rule_that_cannot_be_read_is_refused_and_stops_nobody_else() -> None:
    state, found = observe(
        new_state(), [rule("bad", when="temp >"), rule("good", when="temp > 90"), reads(0, temp=HOT)]
    )
    assert [one.rule for one in found] == ["good"]
    assert "bad" in state.refused


def test_applies_to_is_asked_again_when_attributes_change() -> None:
    european = rule(when="temp > 90", applies_to="region = 'EU'")
    found = outcome(european, device(region="EU"), reads(0, temp=HOT), device(region="US"), reads(1, temp=HOT))
    assert [one.reason for one in found] == [None, EndReason.NOT_APPLICABLE]


def test_a_device_without_the_attribute_is_none_of_the_rules() -> None:
    assert told(rule(when="temp > 90", applies_to="region <> 'US'"), reads(0, temp=HOT)) == []


def test_a_rule_of_another_product_does_not_apply() -> None:
    pump = rule(when="temp > 90", product="pump")
    assert told(pump, device(product="oven"), reads(0, temp=HOT)) == []
    assert len(told(pump, device(product="pump"), reads(0, temp=HOT))) == 1


def test_a_deleted_device_ends_its_episodes_and_comes_back_as_a_new_one() -> None:
    hot = rule(when="temp > 90")
    found = outcome(hot, reads(0, temp=HOT), DeviceDeleted("a"), DeviceDeleted("a"), reads(0, temp=HOT))
    assert [(one.episode, one.reason) for one in found] == [(1, None), (1, EndReason.DEVICE_DELETED), (1, None)]


def test_a_metric_of_another_kind_is_null_and_the_next_of_the_right_kind_counts() -> None:
    assert told(rule(when="temp > 90"), reads(0, temp="hot"), reads(1, temp=True), reads(2, temp=HOT)) == [
        ("firing", 1, 2, 2)
    ]


def test_two_devices_may_use_one_metric_name_for_two_kinds() -> None:
    text, number = rule("text", when="state = 'bad'"), rule("number", when="state > 3")
    found = outcome(text, number, reads(0, "a", state="bad"), reads(0, "b", state=4.0))
    assert sorted((one.rule, one.device_id) for one in found) == [("number", "b"), ("text", "a")]


def test_silence_fires_at_a_tick_and_ends_at_the_first_tick_after_a_reading() -> None:
    ticks = [tick(second) for second in range(1, 9)]
    assert told(rule(**SILENT), reads(0.5, temp=COOL), *ticks, reads(8.2, temp=COOL), tick(9)) == [
        ("firing", 1, 6, 6),
        ("resolved", 1, 9, 6),
    ]


def test_time_that_no_tick_covers_is_nobodys_silence() -> None:
    ticks = [tick(1), tick(2), tick(600), tick(601), tick(602), tick(603)]
    assert told(rule(**SILENT), reads(0.5, temp=COOL), *ticks) == [("firing", 1, 603, 603)]


def test_a_tick_may_cover_more_than_a_second() -> None:
    assert told(rule(**SILENT), reads(0, temp=COOL), tick(1), tick(61, covers=60)) == [("firing", 1, 61, 61)]


def test_a_registered_device_that_was_never_heard_of_counts_from_its_registration() -> None:
    ticks = [tick(second) for second in range(1, 8)]
    assert told(rule(**SILENT), device(registered=1), *ticks) == [("firing", 1, 7, 7)]
    assert told(rule(**SILENT), device(), *ticks) == []


def test_late_samples_are_counted() -> None:
    state, _ = observe(new_state(), [rule(when="temp > 90"), *temperatures((0, HOT), (10, HOT), (5, COOL), (6, COOL))])
    assert state.late_samples == 2


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="snapshot"):
        load(b"\x92\xcc\x63\x80")
    with pytest.raises(ValueError, match="snapshot"):
        load(b"nonsense")


RULES = [
    rule("plain", when="temp > 5", for_="3s", keep_firing_for="2s", max_gap="6s"),
    rule("own", when="temp > 5 AND door", clear="temp < 3", missing="ok", join_within="4s"),
    rule("counted", when="temp > 4", count={"n": 2, "of": 3}, flapping={"transitions": 3, "within": "9s"}),
    rule("late", when="temp > pressure", lateness="4s", clear="mode = 'off'"),
    rule("mean", when="m > 4", signals={"m": {"op": "mean", "of": "temp", "over": "5s"}}),
    rule("slope", when="s > 0 AND e > 3", signals={
        "s": {"op": "slope", "of": "temp", "over": "8s"}, "e": {"op": "ewma", "of": "pressure", "half_life": "3s"}}),
    rule("logic", when="h >= 2 OR n > 1", lateness="2s", signals={
        "h": {"op": "held", "expr": "temp > 4"}, "n": {"op": "times", "expr": "door", "over": "6s"}}),
    rule("since", when="s < 3 AND d > 0", signals={
        "s": {"op": "since", "expr": "pressure > 5"}, "d": {"op": "delta", "of": "temp", "over": "3s"}}),
    rule("quiet", when="q > 2 AND temp > 1", signals={"q": {"op": "silence", "of": "temp"}}, for_="1s"),
    rule("limited", when="temp > max_temp", applies_to="region = 'EU'"),
]  # fmt: skip

VALUES = st.integers(0, 9).map(float)
READINGS = st.fixed_dictionaries(
    {},
    optional={
        "temp": VALUES | st.just("warm"),
        "pressure": VALUES,
        "door": st.booleans(),
        "mode": st.sampled_from(["on", "off"]),
    },
)
STEPS = st.tuples(
    st.sampled_from(["uplink"] * 12 + ["tick"] * 4 + ["device", "delete", "retire", "rule"]),
    st.sampled_from("ab"),
    st.lists(st.tuples(st.integers(-6, 2), READINGS), min_size=1, max_size=3),
    st.integers(0, 3),
)


def entries_of(steps: Sequence[tuple[str, str, list[tuple[int, dict[str, object]]], int]]) -> list[LogEntry]:
    """Steps in time, with event times around the clock."""
    entries, now = list[LogEntry](RULES), 10
    for number, (what, who, samples, pause) in enumerate(steps):
        now += pause
        made: dict[str, LogEntry] = {
            "uplink": message(*((now + back, dict(values)) for back, values in samples), device=who, received=now),
            "tick": tick(now),
            "device": device(who, registered=now, max_temp=float(number % 7), region="US" if number % 2 else "EU"),
            "delete": DeviceDeleted(who),
            "retire": RuleRetired(RULES[number % len(RULES)].name),
            "rule": RULES[number % len(RULES)],
        }
        entries.append(made[what])
    return entries


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(STEPS, max_size=40), st.randoms(use_true_random=False), st.booleans())
def test_any_cut_into_batches_and_any_restart_give_the_same_transitions(steps, random, restart) -> None:  # type: ignore[no-untyped-def]
    entries = entries_of(steps)
    _, whole = observe(new_state(), entries)
    state, found, at = new_state(), [], 0
    while at < len(entries):
        size = random.randint(1, 12)
        state, more = observe(state, entries[at : at + size])
        found += more
        at += size
        state = load(dump(state)) if restart else state
    assert found == whole


def test_the_entries_of_the_cutting_test_fire_and_resolve_most_rules() -> None:
    def values(n: int) -> dict[str, object]:
        mode = "off" if n % 7 == 0 else "on"
        return {
            "temp": float(n // 3 % 10 if n % 9 else 0),
            "pressure": float(n // 4 % 9),
            "door": n % 3 == 0,
            "mode": mode,
        }

    steps = [
        ("tick" if n % 6 > 3 else "uplink", "ab"[n // 50 % 2], [(-(n % 2), values(n))], 1 + n % 6 // 5)
        for n in range(150)
    ]
    steps.insert(0, ("device", "a", [(0, {})], 0))
    fired = {one.rule for one in outcome(*entries_of(steps))}
    assert fired == {one.name for one in RULES}
