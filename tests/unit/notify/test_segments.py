"""Segments: what a text message costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.segments import Encoding, Segments, foreign, segments


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", Encoding.GSM_7, 1),
        ("a" * 160, Encoding.GSM_7, 1),
        ("a" * 161, Encoding.GSM_7, 2),
        ("a" * 306, Encoding.GSM_7, 2),
        ("a" * 307, Encoding.GSM_7, 3),
        ("€" * 80, Encoding.GSM_7, 1),
        ("€" * 81, Encoding.GSM_7, 2),
        ("a" * 152 + "€" * 5, Encoding.GSM_7, 2),  # an escape pair is not split
        ("éèàùì", Encoding.GSM_7, 1),
        ("ê" * 70, Encoding.UCS_2, 1),
        ("ê" * 71, Encoding.UCS_2, 2),
        ("😀" * 35, Encoding.UCS_2, 1),
        ("😀" * 36, Encoding.UCS_2, 2),
        ("😀" * 67, Encoding.UCS_2, 3),  # 33 whole ones a part, not 33 and a half
    ],
)
def test_parts_are_counted_as_carriers_count(text, encoding, count):
    assert segments(text) == Segments(encoding, count)


@pytest.mark.parametrize("char", "êôîûçœÀ’«»…Ê")
def test_the_french_trap(char):
    assert foreign(f"a{char}b") == char
    assert segments(char).encoding is Encoding.UCS_2


@given(st.text(max_size=500), st.text(max_size=50))
def test_more_text_never_takes_fewer_parts(text, more):
    assert segments(text + more).count >= segments(text).count
