"""Circuit breakers and token buckets: when a line is left alone, and how fast a sender talks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import Lane, lane_of, next_try_s
from domain.faults import Severity
from domain.lines import CANARY_S, DOUBTS, LONGEST_PAUSE_S, Bucket, Circuit, Heard, Rate, rate_of
from domain.messages import Channel, MessageStage, Refusal

T0 = 1_000_000.0
CLOSED = Circuit(since=T0)
DOUBT = Heard(doubtful=1)


def opened():
    return CLOSED.after(Heard(doubtful=DOUBTS), now_s=T0)


def test_what_is_wrong_with_our_account_opens_it_at_once():
    assert CLOSED.after(Heard(good=100, ours="Authenticate"), now_s=T0).closed_to(T0 + 299)


def test_a_few_doubts_among_many_answers_do_not_open_it():
    assert not CLOSED.after(Heard(good=DOUBTS + 1, doubtful=DOUBTS), now_s=T0).closed_to(T0)
    assert opened().closed_to(T0 + 29)


def test_doubts_of_another_minute_are_forgotten():
    circuit = CLOSED
    for minute in range(20):
        circuit = circuit.after(DOUBT, now_s=T0 + minute * 61)
    assert circuit.retry_at is None


def test_only_one_message_tries_and_only_its_answer_counts():
    later = T0 + 30
    half_open = opened()
    assert not half_open.closed_to(later)
    trying = half_open.try_with(7, now_s=later)
    assert trying.closed_to(later + CANARY_S - 1)
    assert trying.after(Heard(good=9), now_s=later) == trying
    assert trying.after(Heard(good=1), canary=Heard(good=1), now_s=later).retry_at is None
    again = trying.after(DOUBT, canary=DOUBT, now_s=later)
    assert again.closed_to(later + 59)
    assert not again.closed_to(later + 60)


def test_pauses_grow_to_a_quarter_of_an_hour_and_no_further():
    circuit = opened()
    for _ in range(12):
        circuit = circuit.try_with(1, now_s=T0).after(DOUBT, canary=DOUBT, now_s=T0)
    assert circuit.retry_at == T0 + LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("sender", "per_s"),
    [("+15550001111", 1.0), ("+33755550000", None), ("MG123", None), ("care@thermia.example", None), ("", None)],
)
def test_only_long_codes_of_north_america_are_held_back_by_default(sender, per_s):
    rate = rate_of(sender, {})
    assert (rate.per_s if rate else None) == per_s
    assert rate_of(sender, {sender: 7.0}).per_s == 7.0
    assert rate_of(sender, {sender: 0.0}) is None


RATES = st.builds(Rate, st.floats(0.1, 100), st.floats(1, 200))


@given(rate=RATES, asked=st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.floats(0, 5)), max_size=60))
def test_no_more_goes_out_than_the_bucket_and_its_rate_allow(rate, asked):
    bucket, now, sent = Bucket(rate.burst, T0), T0, 0
    for segments, danger, passes in asked:
        now += passes
        bucket = bucket.refilled(rate, now_s=now)
        if bucket.wait_s(segments, rate, danger=danger) == 0:
            bucket, sent = bucket.without(segments), sent + segments
    # One that is longer than what is left may leave a debt.
    assert sent <= rate.burst + (now - T0) * rate.per_s + 9 + 1e-6


@given(rate=RATES, segments=st.integers(1, 9), tokens=st.floats(-50, 200))
def test_what_waits_for_as_long_as_it_is_told_may_go(rate, segments, tokens):
    bucket = Bucket(min(tokens, rate.burst), T0)
    for danger in (True, False):
        wait_s = bucket.wait_s(segments, rate, danger=danger)
        assert bucket.refilled(rate, now_s=T0 + wait_s + 1e-3).wait_s(segments, rate, danger=danger) <= 1e-3
    assert bucket.wait_s(segments, rate, danger=True) <= bucket.wait_s(segments, rate, danger=False)


def test_danger_may_take_what_others_must_leave():
    rate, nearly_empty = Rate(1.0, 10.0), Bucket(2.0, T0)
    assert nearly_empty.wait_s(1, rate, danger=False) == pytest.approx(1.0)
    assert nearly_empty.wait_s(2, rate, danger=True) == 0


def test_danger_goes_before_news_and_summaries_go_last():
    stages = (MessageStage.DIGEST, MessageStage.RESOLVED, MessageStage.OPENING)
    assert [lane_of(stage, Severity.MAJOR) for stage in stages] == [Lane.LAST, Lane.USUAL, Lane.SOON]
    assert {lane_of(stage, Severity.SAFETY) for stage in MessageStage} == {Lane.DANGER}


def test_a_phone_that_is_off_is_tried_three_times_more():
    pauses = [next_try_s(Refusal.UNREACHABLE, channel=Channel.SMS, attempt=attempt) for attempt in range(1, 6)]
    assert pauses == [60.0, 600.0, 3600.0, None, None]
    assert next_try_s(Refusal.BAD_ADDRESS, channel=Channel.SMS, attempt=1) is None
    assert next_try_s(Refusal.UNREACHABLE, channel=Channel.EMAIL, attempt=1) is None
