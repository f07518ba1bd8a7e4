"""What a call says: written for the ear, a person always one key away, and never an address or a code read out."""

import re

import pytest

from domain.faults import Severity
from domain.messages import BAD_NEWS, Channel, MessageStage, RecipientKind, audience, purpose_of
from notify.channels.twilio_twiml import script
from notify.render import TEMPLATES, Renderer
from notify.wording import LANGUAGES, SAFETY
from tests.fakes.briefs import NOW, brief

MOMENTS = [moment for moment in (*MessageStage, SAFETY) if any((TEMPLATES / "voice").glob(f"{moment}.*.txt"))]
"""Those with words for a call; an answer to what was written goes back the way it came, and mostly needs none."""
LINES = ("heard", "visit", "connecting", "call_back", "nobody_free", "no_number", "again", "choices", "person", "hello")
LINES += ("we_know", "all_well", "call_us", "farewell")


@pytest.fixture(scope="module")
def renderer():
    return Renderer()


def spoken(renderer, moment, *, language, **changes):
    stage = MessageStage.OPENING if moment == SAFETY else moment
    changes |= {"severity": Severity.SAFETY} if moment == SAFETY else {}
    rendered = renderer.render(stage, brief(stage, language=language, **changes), channel=Channel.VOICE, now=NOW)
    assert rendered.problem == ""
    return rendered.content


def test_whatever_is_news_to_somebody_can_be_said_aloud():
    appointments = {stage for stage in MessageStage if purpose_of(stage, Severity.MINOR) == "appointment"}
    to_the_desk = {stage for stage in MessageStage if audience(stage) is RecipientKind.DISPATCHER}
    closing = {MessageStage.RESOLVED, MessageStage.FALSE_ALARM, MessageStage.CALL_PROMISED}
    assert BAD_NEWS | appointments | to_the_desk | closing | {SAFETY} <= set(MOMENTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_moment_can_be_said_aloud(renderer, moment, language):
    for changes in ({}, {"says": {}, "notice": {}, "noun": {}, "skill": None, "place": "", "remote_try": "drain"}):
        content = spoken(renderer, moment, language=language, **changes)
        assert not re.search(r"https?:|None|  |[_{}<>]|STOP|SMS|\.\.", content.text)
        assert content.language == language
        # Said twice within the 4000 characters that travel with a call.
        assert len(content.text) < 1000


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", [one for one in MOMENTS if one != MessageStage.OPTED_OUT])
def test_a_person_is_always_one_key_away(renderer, moment, language):
    content = spoken(renderer, moment, language=language)
    desk = moment != SAFETY and audience(moment) is RecipientKind.DISPATCHER
    assert ("9" in script(content.text).menu) is not desk


@pytest.mark.parametrize(("language", "words"), [("en", "Keep everybody away"), ("fr", "Éloignez-vous tous")])
def test_danger_begins_with_the_instruction(renderer, language, words):
    assert spoken(renderer, SAFETY, language=language).text.startswith(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_menu_names_each_key_once(renderer, language):
    menu = script(spoken(renderer, MessageStage.OPENING, language=language).text).menu
    assert re.findall(r"\d", menu) == ["1", "2", "9"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", LINES)
def test_every_line_of_a_call_is_there_in_every_language(renderer, name, language):
    assert renderer.line(name, {"maker": "Thermia", "noun": "pompe"}, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_broken_template_still_says_who_calls(tmp_path, language):
    rendered = Renderer(tmp_path).render(MessageStage.OPENING, brief(language=language), channel=Channel.VOICE, now=NOW)
    said = script(rendered.content.text)
    assert rendered.problem
    assert "Thermia" in said.message
    assert "9" in said.menu
    assert "http" not in rendered.content.text


def test_a_rendered_message_says_when_its_person_last_wrote_there(renderer):
    wrote = brief(last_inbound={Channel.WHATSAPP: NOW})
    for channel, heard in ((Channel.WHATSAPP, NOW), (Channel.SMS, None)):
        content = renderer.render(MessageStage.OPENING, wrote, channel=channel, now=NOW).content
        assert content.last_inbound == heard
    assert content.moment == "opening"
    assert content.facts["maker"] == "Thermia"
