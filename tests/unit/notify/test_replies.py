"""Replies: what a person's answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import Channel, MessageStage, ReplyIntent
from notify.render import Renderer
from notify.replies import understand
from tests.fakes.briefs import NOW, brief

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
    ReplyIntent.START: ["START", "start please", "unstop"],
    ReplyIntent.UNCLEAR: [
        "",
        "   ",
        "👍",
        "yes",
        "ok",
        "Who is this?",
        "it should stop making that noise",
        "stop the pump",
        "restart it",
        "12",
        "1 or 2",
        "2 days ago it was fine",
        "4",
        "when does he come?",
        "not fixed",
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


@given(st.text(max_size=200))
def test_whatever_is_written_gets_an_intent(text):
    assert understand(text, language="fr") in ReplyIntent


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
