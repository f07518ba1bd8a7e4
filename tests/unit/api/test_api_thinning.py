"""Thinning keeps ends and extremes, whatever the series."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.thinning import thin

SERIES = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=400).map(
    lambda values: list(enumerate(values))
)


@given(SERIES, st.integers(2, 60))
def test_no_more_than_asked_in_order_and_from_the_series(points: list[tuple[int, float]], most: int) -> None:
    kept = thin(points, most)
    assert len(kept) <= max(most, 0)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(points)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])


@given(SERIES, st.integers(4, 60))
def test_the_highest_and_the_lowest_stay(points: list[tuple[int, float]], most: int) -> None:
    values = [value for _, value in points]
    kept = [value for _, value in thin(points, most)]
    if values:
        assert (min(kept), max(kept)) == (min(values), max(values))


def test_of_texts_the_changes_stay() -> None:
    points = [(n, "on" if 40 <= n < 60 else "off") for n in range(100)]
    assert thin(points, 10)[:3] == [(0, "off"), (40, "on"), (60, "off")]


def test_one_point_is_no_chart() -> None:
    with pytest.raises(ValueError, match="two points"):
        thin([(0, 1.0)], 1)
