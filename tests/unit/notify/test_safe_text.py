"""When all wording of a moment is broken, plain sentences go out: on every channel, in danger the instruction first."""

from dataclasses import replace

import pytest

from domain.faults import Severity
from domain.messages import Channel, MessageStage
from notify.render import Renderer
from notify.segments import Segments, segments
from notify.wording import LANGUAGES
from tests.fakes.briefs import NOW, SHORT_LINK, brief

AWAY = {"en": "keep everybody away", "fr": "éloignez-vous tous"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A renderer without any words."""
    return Renderer(tmp_path_factory.mktemp("nothing"))


def said(renderer, stage, told, channel):
    rendered = renderer.render(stage, told, channel=channel, now=NOW)
    assert rendered.problem
    return rendered.content


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", MessageStage)
def test_there_is_something_to_say_on_every_channel(broken, channel, language, stage):
    content = said(broken, stage, brief(stage, language=language), channel)
    assert "Thermia" in content.text
    assert "pompe" in content.text or "heat pump" in content.text
    assert content.link == SHORT_LINK
    assert content.language == language
    if channel in {Channel.SMS, Channel.WHATSAPP}:
        assert SHORT_LINK in content.text
        assert segments(content.text) == Segments("gsm-7", 1)
    if channel is Channel.EMAIL:
        assert content.subject


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("language", LANGUAGES)
def test_in_danger_the_instruction_comes_first(broken, channel, language):
    told = brief(severity=Severity.SAFETY, language=language)
    assert said(broken, MessageStage.OPENING, told, channel).text.casefold().startswith(AWAY[language])
    knows = replace(told, instruction={"en": "Get out.", "fr": "Sortez."})
    for stage in (MessageStage.OPENING, MessageStage.UNSTABLE, MessageStage.RELAPSED):
        assert (
            said(broken, stage, knows, channel)
            .text.casefold()
            .startswith({"en": "get out.", "fr": "sortez."}[language])
        )


def test_a_call_leaves_a_way_to_a_person(broken):
    for language, words in {"en": "Press 9 to talk to a person.", "fr": "Tapez 9 pour parler à quelqu'un."}.items():
        assert words in said(broken, MessageStage.OPENING, brief(language=language), Channel.VOICE).text


def test_names_with_braces_are_only_names(broken):
    assert "{0}{maker}" in said(broken, MessageStage.OPENING, brief(sender="{0}{maker}"), Channel.SMS).text


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.VOICE])
def test_a_neighbour_is_not_told_to_get_out_by_plain_sentences_either(broken, channel):
    told = brief(severity=Severity.SAFETY, role="neighbour", instruction={"en": "Get out."})
    assert said(broken, MessageStage.OPENING, told, channel).text.casefold().startswith(AWAY["en"])
