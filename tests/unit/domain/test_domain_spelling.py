"""The word that somebody probably meant."""

import pytest

from domain.spelling import suggest


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("tecnician", ["technician", "title"], "did you mean technician?"),
        ("NOUN", ["noun", "Noun"], "did you mean noun?"),
        ("Maker", ["maker"], "did you mean maker?"),
        ("zebra", ["maker"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_known_word_is_offered(word, known, meant):
    assert suggest(word, known) == meant
