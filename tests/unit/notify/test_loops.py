"""Machines that answer us, and people who only write a lot."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from notify.loops import MANY, SAME, WITHIN, Heard, loop

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)


def heard(*texts: str, minutes_apart: float = 1) -> list[Heard]:
    return [Heard(NOW - timedelta(minutes=minutes_apart * (place + 1)), text) for place, text in enumerate(texts)]


def test_the_same_text_again_and_again_is_a_machine() -> None:
    same = ["Not monitored."] * (SAME - 1)
    assert loop("not monitored", before=heard(*same), ours=(), now=NOW)
    assert not loop("not monitored", before=heard(*same[1:]), ours=(), now=NOW)
    assert not loop("not monitored", before=heard(*same, minutes_apart=11), ours=(), now=NOW)


def test_many_in_a_short_time_are_a_machine_whatever_they_say() -> None:
    texts = [f"news {number}" for number in range(MANY)]
    assert loop("more", before=heard(*texts, minutes_apart=0.5), ours=(), now=NOW)
    assert not loop("more", before=heard(*texts[1:], minutes_apart=0.5), ours=(), now=NOW)


def test_our_own_words_that_come_back_are_an_echo_and_a_short_thank_you_is_not() -> None:
    ours = ["Thermia: thank you. We keep watching.", "thank you"]
    assert loop("THERMIA: thank you. We keep watching", before=(), ours=ours, now=NOW)
    assert not loop("thank you", before=(), ours=ours, now=NOW)


@given(st.lists(st.tuples(st.floats(0.01, 60), st.text(max_size=12)), max_size=30), st.text(max_size=12))
def test_two_machines_stop_each_other_before_twilio_does(before: list[tuple[float, str]], text: str) -> None:
    recent = [Heard(NOW - timedelta(minutes=ago), said) for ago, said in before]
    busy = sum(NOW - one.at <= WITHIN for one in recent)
    assert bool(loop(text, before=recent, ours=(), now=NOW)) or busy < MANY
