"""Segments: what a text message costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.segments import Encoding, Segments, culprits, foreign, plain, segments, units


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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("le contrôle.", "ô in contrôle: 160 → 70; write vérification"),
        ("Il s'arrête", "ê in arrête: 160 → 70; write coupe"),
        ("Arrêt total", "ê in Arrêt: 160 → 70; write Coupure"),
        ("le brûleur", "û in brûleur: 160 → 70; write bruleur (spelling of 1990)"),
        ("un œuf", "œ in œuf: 160 → 70; choose another word"),
        ("Jérôme", "ô in Jérôme: 160 → 70; choose another word"),
        ("trop…", "… (U+2026): 160 → 70; write ..."),
        ("10 \u00a0 h", "\u00a0 (U+00A0): 160 → 70; write an ordinary blank"),
    ],
)
def test_the_culprit_is_named_and_another_word_proposed(text, wanted):
    assert [str(one) for one in culprits(text)] == [wanted]


@given(st.text(max_size=80))
def test_every_character_outside_gsm_7_has_its_word(text):
    assert "".join(sorted({one.char for one in culprits(text)})) == "".join(c for c in foreign(text))


def test_every_word_that_is_proposed_is_cheap():
    words = ["contrôle", "arrêt", "arrêtée", "bientôt", "ça", "sûr", "août", "reçu", "façon", "gêne", "dégâts"]
    assert all(one.write and not foreign(one.write) for word in words for one in culprits(word))


def test_blanks_quotes_and_dashes_come_in_their_cheap_form():
    assert plain("« C’est “fini” » – 10\u00a0h\u202f30…") == '"C\'est "fini"" - 10 h 30...'


@given(st.text(max_size=200))
def test_units_fill_the_parts_that_are_counted(text):
    found = segments(text)
    assert units(text) <= found.count * (160 if found.encoding is Encoding.GSM_7 else 70)
