"""Whose word counts, and how sure a rule's precision is."""

from datetime import UTC, datetime, timedelta
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from domain.verdicts import ClosingCode, Given, Judgement, VerdictSource, in_force, wilson

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
words = st.builds(
    Given,
    judgement=st.sampled_from(Judgement),
    source=st.sampled_from(VerdictSource),
    at=st.integers(0, 5).map(lambda hour: NOON + timedelta(hours=hour)),
    by=st.just("somebody"),
)


def test_without_a_word_nothing_counts() -> None:
    assert in_force([]) is None


@given(st.lists(words, min_size=1))
def test_no_word_is_weightier_or_of_the_same_weight_and_later_than_the_one_that_counts(said: list[Given]) -> None:
    best = in_force(said)
    assert best is not None
    assert all(one.source.rank <= best.source.rank for one in said)
    assert all(one.at <= best.at for one in said if one.source is best.source)


@given(st.lists(words, min_size=1), words)
def test_a_lighter_word_changes_nothing(said: list[Given], more: Given) -> None:
    best = in_force(said)
    assert best is not None
    if more.source.rank < best.source.rank:
        assert in_force([*said, more]) == best


def test_a_technician_who_finds_another_cause_was_needed() -> None:
    assert [code.judgement for code in ClosingCode] == [Judgement.REAL, Judgement.FALSE_ALARM, Judgement.REAL]


def test_the_interval_is_the_one_of_the_books() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson(0, 20)
    assert (low, round(high, 4)) == (0.0, 0.1611)


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_mirrors(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = wilson(hits, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= hits / n <= high
    mirrored = wilson(n - hits, n)
    assert isclose(mirrored.low, 1 - high, abs_tol=1e-12)
    assert isclose(mirrored.high, 1 - low, abs_tol=1e-12)


def test_the_interval_narrows_with_what_is_known() -> None:
    widths = [high - low for low, high in (wilson(n // 2, n) for n in (0, 2, 8, 32, 128))]
    assert widths == sorted(widths, reverse=True)
