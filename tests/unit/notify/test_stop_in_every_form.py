"""STOP in every form it may come in; and sentences in which something else is to stop."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.messages import MessageStage, ReplyIntent
from notify.opting_out import confirmed_by_carrier
from notify.replies import understand

KEYWORDS = tuple(
    """stop stopall unsubscribe cancel end quit revoke optout arret arrêt arrêter arrêtez stopper stoppez désabonner
    désabonnez désinscrire désinscription résilier""".split()  # noqa: SIM905
)
SENTENCES = (
    "opt out",
    "stop texting me",
    "stop sending me messages",
    "don't text me",
    "do not contact us",
    "no more messages",
    "leave me alone",
    "I don't want your messages",
    "remove me from your list",
    "take me off this list",
    "I want to opt out",
    "I want to unsubscribe",
    "please unsubscribe me",
    "I revoke my consent",
    "STOP = opt out",
    "arrêtez de m'écrire",
    "arrêtez vos SMS",
    "ne m'envoyez plus de messages",
    "ne me contactez plus",
    "je ne veux plus recevoir vos messages",
    "je souhaite ne plus recevoir de SMS",
    "plus de SMS",
    "désabonnez-moi",
    "retirez-moi de votre liste",
    "laissez-moi tranquille",
    "fin des SMS",
    "STOP = ne plus rien recevoir",
    "STOP = plus de SMS",
    "STOP au 36111",
)
BEFORE = ("", "", "please ", "Hello, ", "Bonjour, ", "Bonjour. ", "SVP ")
AFTER = (
    "",
    "",
    " please",
    ", thanks",
    " merci",
    " svp !",
    "\n\nAlice Martin",
    "\n\nCordialement,\nAlice Martin",
    "\n> 1 = fixed",
)
CYRILLIC = str.maketrans("aceopxyAEKMHOPCTX", "асеорхуАЕКМНОРСТХ")
INVISIBLE = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ufe0f")


def full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def spaced(text: str) -> str:
    return " ".join(text) if text.isalpha() else text


FORMS = (
    str.upper,
    str.lower,
    str.title,
    str.swapcase,
    full_width,
    lambda text: text.translate(CYRILLIC),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)),
    lambda text: text.replace(" ", " \t\u00a0 "),
    lambda text: text.replace("'", "\u2019"),
)


@settings(max_examples=400)
@given(
    st.sampled_from((*KEYWORDS, *SENTENCES)),
    st.sampled_from(FORMS),
    st.tuples(st.sampled_from(BEFORE), st.sampled_from(("", ".", "!", "!!!", " .", "…")), st.sampled_from(AFTER)),
    st.sampled_from(("", " ", "\n", "\u200b", " \u2003")),
    st.sampled_from((None, *MessageStage)),
)
def test_stop_is_stop_in_every_form(said, form, company, around, asked):
    before, end, after = company
    text = f"{around}{before}{form(said)}{end}{after}{around}"
    assert understand(text, name="Alice Martin", asked=asked) is ReplyIntent.STOP, text


@given(st.sampled_from(KEYWORDS), st.lists(st.tuples(st.integers(0, 20), st.sampled_from(INVISIBLE)), max_size=5))
def test_what_has_no_width_hides_nothing(word, marks):
    for place, mark in marks:
        word = word[: place % (len(word) + 1)] + mark + word[place % (len(word) + 1) :]
    assert understand(word) is ReplyIntent.STOP


@given(st.sampled_from(KEYWORDS), st.lists(st.integers(1, 4), min_size=20, max_size=20))
def test_a_letter_too_often_is_a_slip_of_the_thumb(word, times):
    assert understand("".join(c * n for c, n in zip(word, times, strict=False))) is ReplyIntent.STOP


@pytest.mark.parametrize(
    "text", ["S T O P", "s.t.o.p", "S-T-O-P!", "🛑", "Stop stop STOP", "STOP!!!", '"STOP"', "(stop)"]
)
def test_odd_ways_of_writing_it(text):
    assert understand(text) is ReplyIntent.STOP


OTHERS = (
    "stop the pump",
    "the pump stops all the time",
    "it won't stop",
    "can you stop it from leaking",
    "please stop by tomorrow",
    "stop sending the technician",
    "don't send someone",
    "do not call the neighbour",
    "don't contact my landlord",
    "it should stop making that noise",
    "I had to stop it myself with the emergency stop",
    "no more hot water",
    "no more messages on the display, but the pump is hot",
    "is there a way to stop it remotely",
    "cancel the visit",
    "cancel the appointment please",
    "does it end?",
    "at the end of the month",
    "non stop",
    "le stop du moteur",
    "arrêtez la pompe",
    "l'arrêt du compresseur",
    "la pompe s'arrête sans arrêt",
    "je veux que ça s'arrête",
    "arrêter le chauffage svp",
    "plus d'eau chaude",
    "il n'y a plus de pression",
    "annulez le rendez-vous",
    "ne m'appelez pas avant 18 h",
    "don't stop writing to me",
    "I don't want to opt out",
    "do not unsubscribe me",
    "je ne veux pas me désabonner",
    "how do I opt out of the maintenance contract",
    "quitte à attendre, venez lundi",
)


@given(st.sampled_from(OTHERS), st.sampled_from(FORMS), st.sampled_from(BEFORE), st.sampled_from(AFTER))
def test_something_else_that_is_to_stop_silences_nobody(said, form, before, after):
    text = f"{before}{form(said)}{after}"
    assert understand(text, name="Alice Martin") is ReplyIntent.UNCLEAR, text


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz éà'.!?", max_size=60))
def test_no_sentence_without_a_word_of_ours_is_a_wish_to_be_left_alone(text):
    named = (
        "stop",
        "end",
        "quit",
        "arr",
        "desab",
        "desin",
        "cess",
        "plus",
        "fin",
        "out",
        "rev",
        "can",
        "uns",
        "resil",
        "remo",
    )
    if any(word in unicodedata.normalize("NFKD", text) for word in named):
        return
    assert understand(text) is not ReplyIntent.STOP or "text" in text or "leave" in text


def test_the_carrier_confirms_a_keyword_by_itself_and_no_sentence():
    assert [confirmed_by_carrier(text) for text in ("STOP", " stop. ", "Cancel", "ARRET", "Help")] == [True] * 5
    assert not confirmed_by_carrier("stop please")
