"""Windows against the plain arithmetic of the statistics module, and where rounding would betray a batch."""

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.segments import bound
from rules.signals import folds, ranks
from rules.signals.history import Window, chunks
from tests.unit.rules.engine_story import reads, rule, told

SERIES = st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)), min_size=1, max_size=40)


def every_window(values: list[float]) -> tuple[np.ndarray, Window, list[list[float]]]:
    spans = [(start, end) for start in range(len(values)) for end in range(start, len(values) + 1)]
    window = Window(*(np.array(side, dtype=np.int64) for side in zip(*spans, strict=True)))
    return np.array(values), window, [values[start:end] for start, end in spans]


def same(found: np.ndarray, expected: list[float | None], *, relative: float = 0.0) -> None:
    for one, other in zip(found.tolist(), expected, strict=True):
        assert math.isnan(one) if other is None else one == pytest.approx(other, rel=relative, abs=relative)


@settings(max_examples=40, deadline=None)
@given(SERIES)
def test_sum_mean_and_extremes_are_exact(series: list[float]) -> None:
    values, window, parts = every_window(series)
    same(folds.total(values, window), [math.fsum(part) if part else None for part in parts])
    same(folds.mean(values, window), [float(sum(map(Fraction, part)) / len(part)) if part else None for part in parts])
    same(folds.smallest(values, window), [min(part, default=None) for part in parts])
    same(folds.largest(values, window), [max(part, default=None) for part in parts])


@settings(max_examples=30, deadline=None)
@given(SERIES)
def test_spread_and_ranks_are_those_of_the_statistics_module(series: list[float]) -> None:
    values, window, parts = every_window(series)
    same(ranks.median(values, window), [statistics.median(part) if part else None for part in parts])
    spreads = [statistics.stdev(part) if len(part) > 1 else None for part in parts]
    same(folds.stddev(values, window), spreads, relative=1e-6)


def test_a_constant_has_no_spread_and_no_slope_whatever_its_value() -> None:
    for value in (0.1, 20.1, 1e9 + 0.3):
        values = np.full(50, value)
        window = Window(np.zeros(48, dtype=np.int64), np.arange(3, 51))
        assert set(folds.stddev(values, window)) == {0.0}
        assert set(folds.slope(np.arange(50) * 1000, values, window)) == {0.0}
        assert set(folds.mean(values, window)) == {value}


def test_slope_is_that_of_the_line_and_wants_three_readings() -> None:
    ts = np.array([0, 700, 2000, 2100, 5000], dtype=np.int64)
    window = Window(np.zeros(5, dtype=np.int64), np.arange(1, 6))
    found = folds.slope(ts, 3.0 + 0.25 * ts, window)
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([0.25] * 3)


def test_a_huge_reading_of_one_device_does_not_blur_the_next_ones() -> None:
    values = np.array([1e300, 0.1, 0.2, 0.3])
    assert folds.total(values, Window(np.array([1]), np.array([4]))).tolist() == [math.fsum([0.1, 0.2, 0.3])]


def test_zscore_is_robust_and_wants_ten_readings() -> None:
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    ten, nine = Window(np.array([0]), np.array([10])), Window(np.array([0]), np.array([9]))
    assert ranks.zscore(values, ten, np.array([20.0])).tolist() == pytest.approx([(20 - 5.5) / (1.4826 * 2.5)])
    assert np.isnan(ranks.zscore(values, nine, np.array([20.0]))).all()


@pytest.mark.parametrize(("seed", "width", "steps"), [(1, 130, 30), (2, 199, 1000), (3, 300, 2)])
def test_large_windows_that_slide_have_the_same_median_and_zscore(seed: int, width: int, steps: int) -> None:
    series = (np.random.default_rng(seed).integers(0, steps, 400) / 10).tolist()
    values, ends = np.array(series), np.arange(1, len(series) + 1)
    window = Window(np.maximum(ends - width, 0), ends)
    parts = [series[max(end - width, 0) : end] for end in ends.tolist()]
    medians = [statistics.median(part) for part in parts]
    distances = [statistics.median(abs(x - m) for x in part) for part, m in zip(parts, medians, strict=True)]
    spreads = [max(1.4826 * d, 1e-3 * max(1.0, abs(m))) for d, m in zip(distances, medians, strict=True)]
    expected = [(9.5 - m) / s if end >= 10 else None for end, m, s in zip(ends, medians, spreads, strict=True)]
    same(ranks.median(values, window), list(medians))
    same(ranks.zscore(values, window, np.full(len(ends), 9.5)), expected)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(-5, 60))
def test_bound_is_bisection(moments: list[int], moment: int) -> None:
    ts = np.array(sorted(moments), dtype=np.int64)
    found = bound(ts, np.array([0]), np.array([len(ts)]), np.array([moment]))
    assert found.tolist() == [np.searchsorted(ts, moment)]


def test_chunks_hold_every_window_once_and_keep_to_their_size() -> None:
    size = np.array([1, 5000, 3, 0, 40, 4999, 7] * 20)
    parts = list(chunks(Window(np.zeros_like(size), size), cells=10_000))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(size)))
    assert max(len(part) * int(size[part].max(initial=0)) for part in parts) <= 10_000


def fires(when: str, signal: dict[str, object], *samples: tuple[float, float]) -> list[float]:
    """Seconds at which the condition began to hold."""
    readings = [reads(second, temp=value) for second, value in samples]
    found = told(rule(when=when, signals={"s": signal}), *readings)
    return [at for state, _, at, _ in found if state == "firing"]


CASES: list[tuple[str, dict[str, object], list[tuple[float, float]], list[float]]] = [
    ("s > 1", {"op": "count", "of": "temp", "over": "10s"}, [(0, 1), (10, 1), (15, 1)], [15]),
    ("s = 3", {"op": "delta", "of": "temp", "over": "5s"}, [(0, 1), (4, 9), (6, 4)], [6]),
    ("s = 3", {"op": "delta", "of": "temp", "over": "5s"}, [(0, 1), (11, 4)], []),
    ("s >= 5", {"op": "ewma", "of": "temp", "half_life": "10s"}, [(0, 0), (10, 10), (20, 0)], [10]),
    ("s = 2", {"op": "times", "expr": "temp > 5", "over": "10s"}, [(0, 9), (1, 1), (2, 9), (11, 9)], [2]),
    ("s >= 4", {"op": "held", "expr": "temp > 5"}, [(0, 9), (3, 9), (4, 9), (5, 1)], [4]),
    ("s >= 4", {"op": "since", "expr": "temp > 5"}, [(0, 1), (1, 9), (3, 1), (5, 1)], [5]),
    ("s > 3000", {"op": "slope", "of": "temp", "over": "1m", "counter": True}, [(0, 8), (1, 9), (2, 1)], [2]),
]


@pytest.mark.parametrize(("when", "signal", "samples", "expected"), CASES)
def test_signals_by_hand(
    when: str, signal: dict[str, object], samples: list[tuple[float, float]], expected: list[float]
) -> None:
    assert fires(when, signal, *samples) == expected
