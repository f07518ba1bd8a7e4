"""What is shipped is whole, cheap and tried with nasty facts; what is not is named with file and line."""

import shutil

import pytest

from domain.messages import Channel
from domain.wordings import Override
from notify.inspection import SHIPPED, facts_of, inspect_override, inspect_shipped, trial
from notify.phrasebook import TEMPLATES
from notify.render import Renderer
from notify.samples import NAMES, samples
from notify.segments import foreign
from notify.wording import FACTS, LANGUAGES, MOMENTS, SAFETY


@pytest.fixture(scope="module")
def renderer():
    return Renderer()


@pytest.fixture(scope="module")
def shipped():
    return inspect_shipped()


def test_no_shipped_template_fails_whatever_is_missing_or_odd(shipped):
    assert [str(mistake) for mistake in shipped.mistakes] == []


def test_every_shipped_text_message_is_one_segment_with_plausible_facts(shipped):
    assert [str(cost) for cost in shipped.costs if cost.sample.plausible] == []


def test_no_shipped_text_leaves_gsm_7_by_itself():
    outside = {
        path.name: foreign(path.read_text()) for path in (TEMPLATES / "sms").iterdir() if foreign(path.read_text())
    }
    assert outside == {}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_sample_knows_every_fact_by_name(moment, language):
    for sample in samples(moment, language):
        assert set(facts_of(sample, language)) == set(FACTS)


def test_the_samples_hold_what_is_nasty():
    found = {sample.name: sample.brief for sample in samples("visit_confirmed", "fr")}
    assert set(found) == set(NAMES)
    assert found["bare"].technician is None
    assert not found["bare"].says
    assert foreign(found["accents"].technician) == "ô"
    assert len(found["long names"].customer_name) > 30


@pytest.mark.parametrize("channel", [channel for channel in SHIPPED if (TEMPLATES / channel).is_dir()])
@pytest.mark.parametrize("language", LANGUAGES)
def test_in_danger_the_first_words_are_what_to_do(renderer, channel, language):
    """By the subject too, for e-mail."""
    words = renderer.book.shipped(SAFETY, channel=channel, language=language)
    for sample in samples(SAFETY, language):
        content = trial(renderer, words, sample, channel=channel, language=language)
        instruction = (
            sample.brief.instruction.get(language)
            or {"en": "Keep everybody away", "fr": "Éloignez-vous tous"}[language]
        )
        if sample.brief.role == "neighbour":
            instruction = {"en": "Keep away and warn", "fr": "N'entrez pas"}[language]
        for text in filter(None, (content.text, content.subject)):
            assert text.casefold().startswith(instruction.casefold())


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(TEMPLATES, tmp_path / "t")
    return tmp_path / "t"


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("sms/resolved.fr.txt", "{{ maker }} :\n{{ depuis }}", "sms/resolved.fr.txt:2: nobody knows 'depuis'"),
        (
            "sms/on_the_way.en.txt",
            "{{ technician }} comes",
            "sms/on_the_way.en.txt:1: technician is not known every time (moment on_the_way, sample 'bare'); ask first",
        ),
        ("email/opening.en.txt", "{% block subject %}x{% endblock %}", "email/opening.en.txt:1: there is no block"),
        ("sms/opening.en.txt", "{% if says %}{{ says }}{% endif %}", "sms/opening.en.txt:1: says nothing"),
    ],
)
def test_a_mistake_is_told_with_file_line_moment_and_cure(folder, file, text, wanted):
    (folder / file).write_text(text)
    moment = file.partition("/")[2].partition(".")[0]
    (mistake,) = inspect_shipped(folder, moments=[moment]).mistakes
    assert str(mistake).startswith(wanted)


def test_a_moment_without_words_in_a_language_is_a_mistake(folder):
    (folder / "sms" / "relapsed.fr.txt").unlink()
    (mistake,) = inspect_shipped(folder, moments=["relapsed"]).mistakes
    assert str(mistake).startswith("sms/relapsed.fr.txt: cannot be read")


def test_a_layout_that_fails_is_told_once_for_each_moment(folder):
    for text in ("<mjml><mj-body><mj-raw>{{ nothing }}</mj-raw></mj-body></mjml>", "{{ nothing }}", "<mjml><mj-body>"):
        (folder / "email" / "layout.mjml").write_text(text)
        found = inspect_shipped(folder, moments=["resolved"]).mistakes
        assert {mistake.file for mistake in found} == {"email/layout.mjml"}, text


def override(text, *, channel=Channel.SMS, moment="opening", part="text"):
    return Override("thermia", moment, channel, 1, {"fr": {part: text}})


def test_what_pushes_a_text_out_of_gsm_7_is_named_with_another_word(renderer):
    found = inspect_override(
        renderer, override("{{ maker }} : un contrôle de votre {{ noun }} est prévu. {{ link }} " + "a" * 40)
    )
    cost = next(cost for cost in found.costs if cost.sample.name == "plain")
    assert "2 segments (" in str(cost)
    assert "ô in contrôle: 160 → 70; write vérification" in str(cost)
    assert not found.mistakes


def test_an_override_says_language_and_part_of_a_mistake(renderer):
    found = inspect_override(renderer, override("Oh\n{{ nouns }}", channel=Channel.EMAIL, part="body"))
    (mistake,) = found.mistakes
    assert (mistake.key, mistake.line, mistake.cure) == ("fr.body", 2, "did you mean noun?")


def test_a_text_beyond_what_can_be_sent_is_a_mistake(renderer):
    found = inspect_override(renderer, override("x" * 1601))
    assert "1600 is the most" in str(found.mistakes[0])
