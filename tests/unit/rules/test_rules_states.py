"""The states of CONTRACT.md section 5, sentence by sentence, through `observe`."""

from tests.unit.rules.engine_story import message, reads, rule, temperatures, told

HOT, COOL = 95.0, 20.0


def test_without_for_the_first_true_sample_fires_and_the_first_false_one_resolves() -> None:
    found = told(rule(when="temp > 90"), *temperatures((0, COOL), (1, HOT), (2, HOT), (3, COOL)))
    assert found == [("firing", 1, 1, 1), ("resolved", 1, 3, 1)]


def test_pending_fires_at_the_first_true_sample_at_or_after_onset_plus_for() -> None:
    samples = temperatures((0, HOT), (9, HOT), (10, HOT))
    assert told(rule(when="temp > 90", for_="10s"), *samples) == [("firing", 1, 10, 0)]


def test_a_false_sample_ends_pending_and_the_next_true_one_is_a_new_onset() -> None:
    samples = temperatures((0, HOT), (5, COOL), (6, HOT), (12, HOT), (16, HOT))
    assert told(rule(when="temp > 90", for_="10s"), *samples) == [("firing", 1, 16, 6)]


def test_silence_alone_never_completes_for() -> None:
    samples = temperatures((0, HOT), (600, COOL))
    assert told(rule(when="temp > 90", for_="10s"), *samples) == []


def test_a_hole_longer_than_max_gap_is_a_new_onset() -> None:
    at_the_limit = told(rule(when="temp > 90", for_="10s", max_gap="20s"), *temperatures((0, HOT), (20, HOT)))
    beyond = told(rule(when="temp > 90", for_="10s", max_gap="20s"), *temperatures((0, HOT), (21, HOT), (31, HOT)))
    assert at_the_limit == [("firing", 1, 20, 0)]
    assert beyond == [("firing", 1, 31, 21)]


def test_max_gap_passes_over_unknown_samples_under_hold() -> None:
    unknown = reads(15, other=1.0)
    samples = [*temperatures((0, HOT)), unknown, *temperatures((25, HOT))]
    assert told(rule(when="temp > 90 OR other > 5", for_="10s", max_gap="20s", join_within="1s"), *samples) == []


def test_keep_firing_for_wants_clear_from_t1_on() -> None:
    samples = temperatures((0, HOT), (10, COOL), (15, HOT), (20, COOL), (29, COOL), (30, COOL))
    found = told(rule(when="temp > 90", keep_firing_for="10s"), *samples)
    assert found == [("firing", 1, 0, 0), ("resolved", 1, 30, 0)]


def test_an_own_clear_is_judged_by_itself() -> None:
    samples = temperatures((0, HOT), (1, 80.0), (2, 74.0))
    assert told(rule(when="temp > 90", clear="temp < 75"), *samples)[-1] == ("resolved", 1, 2, 0)


def test_an_own_clear_counts_even_where_when_is_unknown_under_hold() -> None:
    samples = [reads(0, temp=HOT, door=False), reads(400, door=True)]
    found = told(rule(when="temp > 90", clear="door"), *samples)
    assert found == [("firing", 1, 0, 0), ("resolved", 1, 400, 0)]


def test_unknown_in_an_own_clear_changes_nothing() -> None:
    samples = [reads(0, temp=HOT), reads(1, temp=COOL), reads(2, temp=COOL, door=True)]
    assert told(rule(when="temp > 90", clear="door"), *samples)[-1] == ("resolved", 1, 2, 0)


def test_a_sample_that_resolves_does_not_open_and_one_that_fires_does_not_clear() -> None:
    samples = temperatures((0, HOT), (1, HOT), (2, HOT), (3, HOT))
    assert told(rule(when="temp > 90", clear="temp > 90"), *samples) == [
        ("firing", 1, 0, 0),
        ("resolved", 1, 1, 0),
        ("firing", 2, 2, 2),
        ("resolved", 2, 3, 2),
    ]


def test_missing_says_what_unknown_means() -> None:
    samples = [reads(0, temp=HOT), reads(1, temp=COOL, other=1.0), reads(2, other=1.0)]
    story = {
        missing: told(rule(when="temp / (other - 1) > 5", join_within="0s", missing=missing), *samples)
        for missing in ("hold", "ok", "breach")
    }
    assert story["hold"] == []
    assert story["ok"] == []
    assert story["breach"] == [("firing", 1, 0, 0)]


def test_under_breach_a_rule_sees_every_sample_of_the_device() -> None:
    samples = [reads(0, temp=COOL), reads(400, other=1.0)]
    assert told(rule(when="temp > 90", missing="breach"), *samples) == [("firing", 1, 400, 400)]
    assert told(rule(when="temp > 90"), *samples) == []


def test_count_wants_n_of_the_last_samples_and_a_true_one_to_fire() -> None:
    samples = temperatures((0, HOT), (1, COOL), (2, HOT), (3, COOL), (4, HOT))
    found = told(rule(when="temp > 90", count={"n": 2, "of": 3}), *samples)
    assert found == [("firing", 1, 2, 2), ("resolved", 1, 3, 2)]


def test_with_count_pending_lasts_while_the_condition_holds() -> None:
    samples = temperatures((0, HOT), (1, HOT), (2, COOL), (5, HOT), (6, HOT), (11, HOT))
    found = told(rule(when="temp > 90", count={"n": 2, "of": 3}, for_="10s"), *samples)
    assert found == [("firing", 1, 11, 1)]


def test_the_count_window_is_emptied_when_an_episode_resolves() -> None:
    samples = temperatures((0, HOT), (1, HOT), (2, COOL), (3, COOL), (4, HOT), (5, HOT))
    found = told(rule(when="temp > 90", count={"n": 2, "of": 3}, clear="temp < 50"), *samples)
    assert found == [("firing", 1, 1, 1), ("resolved", 1, 2, 1), ("firing", 2, 5, 5)]


def test_flapping_withholds_says_so_once_and_resolves_after_a_calm_window() -> None:
    chatter = [(second, HOT if second % 2 == 0 else COOL) for second in range(8)]
    samples = temperatures(*chatter, (16, COOL), (17, COOL))
    found = told(rule(when="temp > 90", flapping={"transitions": 3, "within": "10s"}), *samples)
    assert found == [
        ("firing", 1, 0, 0),
        ("resolved", 1, 1, 0),
        ("firing", 2, 2, 2),
        ("flapping", 2, 3, 2),
        ("resolved", 2, 17, 2),
    ]


def test_a_withheld_firing_reopens_the_last_episode() -> None:
    samples = temperatures((0, HOT), (1, COOL), (2, HOT))
    found = told(rule(when="temp > 90", flapping={"transitions": 2, "within": "10s"}), *samples)
    assert found[-1] == ("flapping", 1, 2, 0)


def test_a_rule_sees_a_sample_only_with_a_new_reading_of_a_metric_that_it_names() -> None:
    samples = [reads(0, temp=HOT), reads(10, other=1.0), reads(11, temp=HOT)]
    assert told(rule(when="temp > 90", for_="10s"), *samples) == [("firing", 1, 11, 0)]


def test_another_metric_counts_while_it_is_not_older_than_join_within() -> None:
    samples = [reads(0, pressure=1.0), reads(60, temp=HOT), reads(61, temp=HOT)]
    found = told(rule(when="temp > 90 AND pressure < 2", clear="temp < 0", join_within="60s"), *samples)
    assert found == [("firing", 1, 60, 60)]
    assert told(rule(when="temp > 90 AND pressure < 2", join_within="59s"), *samples) == []


def test_a_reading_apart_with_the_event_time_of_the_last_sample_is_one_more_sample_of_the_merged_row() -> None:
    samples = [reads(0, temp=HOT), reads(0, pressure=1.0)]
    found = told(rule(when="temp > 90 AND pressure < 2", join_within="0s"), *samples)
    assert found == [("firing", 1, 0, 0)]


def test_the_same_reading_twice_counts_once() -> None:
    samples = [reads(0, temp=HOT), reads(1, temp=HOT), reads(1, temp=HOT), reads(1, temp=COOL)]
    assert told(rule(when="temp > 90", count={"n": 3, "of": 5}), *samples) == []


def test_a_late_sample_changes_no_state() -> None:
    samples = temperatures((0, HOT), (10, HOT), (5, COOL), (11, HOT))
    assert told(rule(when="temp > 90", for_="11s"), *samples) == [("firing", 1, 11, 0)]


def test_within_lateness_samples_are_put_in_order() -> None:
    samples = temperatures((0, HOT), (10, HOT), (5, COOL), (20, HOT), (30, HOT))
    found = told(rule(when="temp > 90", for_="10s", lateness="5s"), *samples)
    assert found == [("firing", 1, 20, 10)]


def test_the_readings_of_one_message_are_taken_in_order_of_event_time() -> None:
    one = message((10, {"temp": COOL}), (0, {"temp": HOT}), received=10)
    assert told(rule(when="temp > 90"), one) == [("firing", 1, 0, 0), ("resolved", 1, 10, 0)]


def test_what_is_not_finite_is_unknown() -> None:
    samples = [reads(0, temp=0.0), reads(1, temp=float("nan")), reads(2, temp=-1.0)]
    assert told(rule(when="0 / temp > 3 OR sqrt(temp) > 1 OR ln(temp) < 0"), *samples) == []
