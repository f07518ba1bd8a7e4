"""Replies: what a person's answer means."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import Channel, MessageStage, RecipientKind, ReplyIntent, audience
from notify.absences import away_until
from notify.questions import CHOICES, choices_of
from notify.render import Renderer
from notify.replies import meant, understand
from tests.fakes.briefs import NOW, SHORT_LINK, brief

KNOWN = {
    ReplyIntent.FIXED: [
        "1",
        " 1 ",
        "1.",
        "(1)",
        "1 thanks!",
        "fixed",
        "It's fixed, thank you",
        "C'est réparé",
        "c\u2019est réglé !",
        "DEJA REGLE",
        "ça remarche",
        "1 = fixed already",
    ],
    ReplyIntent.SEND_SOMEONE: [
        "2",
        "2 please",
        "Option 2",
        "Send someone",
        "please send a technician",
        "Envoyez quelqu'un SVP",
        "un technicien, s'il vous plaît",
        "2 = un technicien",
    ],
    ReplyIntent.FALSE_ALARM: [
        "False alarm",
        "It was a false alarm, thanks",
        "Nothing wrong here!",
        "C'était une fausse alerte.",
        "Bonjour, fausse alarme, merci",
        "Rien d'anormal ici",
        "Il n'y avait pas de problème",
    ],
    ReplyIntent.CALL_ME: ["3", "call me", "Call me back please", "rappelez-moi", "Merci de me rappeler", "3 = call me"],
    ReplyIntent.STOP: [
        "STOP",
        "stop.",
        "Stop please",
        "STOP ALL",
        "stopall",
        "unsubscribe",
        "ARRET",
        "arrêt",
        "Arrêter",
        "Arrêtez de m'envoyer des SMS",
        "please stop texting? opt out",
        "I want to opt out",
        "Don't text me again",
        "je ne veux plus recevoir vos messages",
        "END",
        "quit",
        "Désabonner",
        "STOP = opt out",
        "STOP merci",
    ],
    ReplyIntent.START: ["START", "start please", "unstop", "Reprendre, merci"],
    ReplyIntent.ACKNOWLEDGED: [
        "ok",
        "OK merci",
        "👍🏽",
        "Vu",
        "seen",
        "Got it, thanks!",
        "merci",
        "🙏",
        "D'accord",
        "bien reçu",
    ],
    ReplyIntent.WHEN: [
        "when does he come?",
        "When do you come",
        "what time?",
        "Quand venez-vous ?",
        "vous passez quand",
        "À quelle heure vient le technicien ?",
        "C'est pour quand ?",
        "quand est-ce que vous passez ?",
    ],
    ReplyIntent.HELP: ["HELP", "info", "Aide svp"],
    ReplyIntent.NOT_MINE: ["This is not mine", "wrong number", "Mauvais numéro !", "ce n'est pas à moi", "I sold it"],
    ReplyIntent.UNCLEAR: [
        "",
        "   ",
        "yes",
        "👎",
        "no",
        "ok?",
        "Who is this?",
        "it should stop making that noise",
        "stop the pump",
        "restart it",
        "12",
        "1 or 2",
        "2 days ago it was fine",
        "4",
        "not fixed",
        "it is not fixed",
        "fixed?",
        "1?",
        "is it fixed",
        "send someone on Tuesday",
        "send someone else",
        "call me or send someone",
        "call the neighbour",
        "hello",
        "help me",
        "the water comes when I open it",
        "I am away",
        "je rentre tard",
        "don't send someone",
        "c'est pas réparé",
        "water everywhere",
        "does it end?",
    ],
}


@pytest.mark.parametrize(("intent", "text"), [(intent, text) for intent, texts in KNOWN.items() for text in texts])
def test_answers_are_understood(intent, text):
    assert understand(text, language="en") is intent
    assert understand(text, language="fr") is intent


WITH_THINGS = {
    "My heat pump is fixed": ReplyIntent.FIXED,
    "la pompe à chaleur est réparée": ReplyIntent.FIXED,
    "this is not my heat pump": ReplyIntent.NOT_MINE,
    "Ce n'est pas ma pompe à chaleur": ReplyIntent.NOT_MINE,
    "when is the heat pump fixed": ReplyIntent.UNCLEAR,
    "my heat pump is not fixed": ReplyIntent.UNCLEAR,
    "1\n\nAlice Martin": ReplyIntent.FIXED,
    "Bonjour,\n\n2 svp\n\nCordialement,\nAlice Martin": ReplyIntent.SEND_SOMEONE,
    "Stop\n\nBien cordialement\nAlice Martin": ReplyIntent.STOP,
    "1\n\nSent from my iPhone": ReplyIntent.FIXED,
    "1\n-- \nAlice Martin\nStop the war on cats": ReplyIntent.FIXED,
    "Merci\n\nLe mar. 3 mars 2026 à 14:00, Thermia <a@b.fr> a écrit :\n> STOP = fin": ReplyIntent.ACKNOWLEDGED,
    "> 1 = fixed already\nno": ReplyIntent.UNCLEAR,
    "1\n2": ReplyIntent.UNCLEAR,
    "1\u20e3": ReplyIntent.FIXED,
    "１": ReplyIntent.FIXED,
}


@pytest.mark.parametrize(("text", "intent"), WITH_THINGS.items())
def test_products_names_signatures_and_quoted_mail_do_not_confuse(text, intent):
    assert understand(text, nouns=("heat pump", "pompe à chaleur"), name="Alice Martin") is intent


def test_a_digit_means_what_the_last_question_offered():
    assert understand("2", asked=MessageStage.UNSTABLE) is ReplyIntent.SEND_SOMEONE
    assert understand("1", asked=MessageStage.UNSTABLE) is ReplyIntent.UNCLEAR
    assert understand("3 please", asked=MessageStage.VISIT_CONFIRMED) is ReplyIntent.CALL_ME
    assert understand("2", asked=MessageStage.VISIT_CONFIRMED) is ReplyIntent.UNCLEAR


def test_yes_is_an_answer_only_where_it_was_asked_for():
    assert understand("Oui merci", asked=MessageStage.VISIT_CONFIRMED) is ReplyIntent.ACKNOWLEDGED
    assert understand("oui", asked=MessageStage.OPENING) is ReplyIntent.UNCLEAR
    assert understand("no", asked=MessageStage.VISIT_CONFIRMED) is ReplyIntent.UNCLEAR


TODAY = date(2026, 3, 3)
"""A Tuesday."""
ABSENCES = {
    "away until 5 March": date(2026, 3, 5),
    "We are on holiday until March 15th, thanks": date(2026, 3, 15),
    "back on Monday": date(2026, 3, 9),
    "Bonjour, je suis en vacances jusqu'au 12": date(2026, 3, 12),
    "absente jusqu'au 1er avril": date(2026, 4, 1),
    "je rentre lundi": date(2026, 3, 9),
    "de retour le 2": date(2026, 4, 2),
    "je suis absent jusqu'au 05/04": date(2026, 4, 5),
    "away until 2026-03-20": date(2026, 3, 20),
    "I am away until tomorrow": date(2026, 3, 4),
    "away until 2 March": date(2027, 3, 2),
    "je ne suis pas chez moi jusqu'au 14 août": date(2026, 8, 14),
}


@pytest.mark.parametrize(("text", "until"), ABSENCES.items())
def test_until_when_somebody_is_away(text, until):
    language = "fr" if "jusqu" in text else "en"
    assert away_until(text, language=language, today=TODAY) == until
    assert understand(text, language=language, today=TODAY) is ReplyIntent.AWAY


@pytest.mark.parametrize(
    "text",
    [
        "away until 3/4",
        "away until 30 February",
        "away until further notice",
        "away until 1 March 2026",
        "away until March",
        "away until 2029-01-01",
        "back soon",
        "I am away until Friday, but my neighbour has the key",
        "en vacances jusqu'au 12 mais ma fille est là",
        "je rentre vers 18 h",
    ],
)
def test_a_date_that_is_not_plain_goes_to_a_person(text):
    assert away_until(text, language="en", today=TODAY) is None
    assert understand(text, today=TODAY) is ReplyIntent.UNCLEAR


def test_what_an_answer_names():
    assert meant("la chaudière fait du bruit", ["pompe", "chaudière"]) == [1]
    assert meant("the boiler and the pump", ["pump", "boiler"]) == [0, 1]
    assert meant("it drips", ["pump", "boiler"]) == []


@given(st.text(max_size=200))
def test_whatever_is_written_gets_an_intent(text):
    assert understand(text, language="fr") in ReplyIntent


OFFERED = re.compile(r"(\d) = ([^,.?:\n]+)")
NO_VISIT = {"visit_state": None, "technician": None, "visit_start": None, "visit_end": None}
MORE = {
    MessageStage.VISIT_TIME: (NO_VISIT, {**NO_VISIT, "details": {"looking": True}}),
    MessageStage.KNOWN: (NO_VISIT,),
}
DETAILS = {"text": "we come", "onset": "2026-03-03T12:10:00Z", "choices": [{"en": "pump"}, {"en": "boiler"}]}


def variants(stage):
    """The facts that decide which words a text takes."""
    first = ({}, {"first_contact": True}, *MORE.get(stage, ()))
    return [{**one, "details": {**DETAILS, **one.get("details", {})}} for one in first]


FORMS = [(channel, language) for channel in (Channel.SMS, Channel.EMAIL) for language in ("en", "fr")]


@pytest.mark.parametrize("stage", [one for one in MessageStage if audience(one) is RecipientKind.CUSTOMER])
@pytest.mark.parametrize(("channel", "language"), FORMS)
def test_every_digit_that_a_text_offers_means_what_the_text_says(stage, channel, language):
    if stage is MessageStage.WHICH_ONE:
        return  # its digits are its things, which a test of its own counts
    for changes in variants(stage):
        rendered = Renderer().render(stage, brief(stage, language=language, **changes), channel=channel, now=NOW)
        assert rendered.problem == ""
        offered = OFFERED.findall(rendered.content.text.replace(SHORT_LINK, ","))
        for digit, words_ in offered:
            assert choices_of(stage).get(digit) is not None, (stage, digit)
            assert understand(words_, language=language) is choices_of(stage)[digit], (stage, digit, words_)
            assert understand(digit, asked=stage) is choices_of(stage)[digit]


def test_every_choice_in_the_table_is_offered_by_a_text():
    for stage, choices in CHOICES.items():
        for language in ("en", "fr"):
            texts = " ".join(
                Renderer()
                .render(stage, brief(stage, language=language, **changes), channel=Channel.SMS, now=NOW)
                .content.text
                for changes in variants(stage)
            )
            assert {digit for digit, _ in OFFERED.findall(texts)} == {one for one in choices if one.isdigit()}, stage


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_choices_we_offer_are_the_answers_we_understand(language):
    text = (
        Renderer()
        .render(MessageStage.OPENING, brief(language=language, first_contact=True), channel=Channel.SMS, now=NOW)
        .content.text
    )
    offered = [part.strip() for part in text.partition(" 1 =")[2].join(["1 =", ""]).split(",")]
    intents = [understand(choice, language=language) for choice in offered]
    assert intents == [ReplyIntent.FIXED, ReplyIntent.SEND_SOMEONE, ReplyIntent.CALL_ME, ReplyIntent.STOP]
