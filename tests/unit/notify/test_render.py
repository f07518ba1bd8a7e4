"""Rendering: every moment has words in each language and form, and a failure never silences us."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from domain.faults import Severity
from domain.messages import Channel, MessageStage, MessageState
from notify.render import TEMPLATES, Renderer
from notify.segments import Encoding, Segments, foreign, segments
from notify.wording import LANGUAGES, SAFETY, moment_of
from tests.fakes.briefs import NOW, SHORT_LINK, brief


@pytest.fixture(scope="module")
def renderer():
    return Renderer()


def sms(renderer, stage, **changes):
    rendered = renderer.render(stage, brief(stage, **changes), channel=Channel.SMS, now=NOW)
    assert rendered.problem == ""
    return rendered.content.text


def email(renderer, stage, **changes):
    rendered = renderer.render(stage, brief(stage, **changes), channel=Channel.EMAIL, now=NOW)
    assert rendered.problem == ""
    return rendered.content


MOMENTS = [*MessageStage, SAFETY]


def facts_of(moment):
    return (MessageStage.OPENING, {"severity": Severity.SAFETY}) if moment == SAFETY else (moment, {})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_text_message_fits_one_cheap_segment(renderer, moment, language):
    stage, changes = facts_of(moment)
    text = sms(renderer, stage, language=language, first_contact=True, **changes)
    assert foreign(text) == ""
    assert (segments(text), len(text)) == (Segments(Encoding.GSM_7, 1), len(text))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_moment_has_words_without_the_facts_a_rule_may_lack(renderer, moment, language):
    stage, changes = facts_of(moment)
    bare = {"says": {}, "notice": {}, "noun": {}, "skill": None, "place": "", "remote_try": "drain"}
    text = sms(renderer, stage, language=language, **bare, **changes)
    mail = email(renderer, stage, language=language, **bare, **changes)
    assert "None" not in text + mail.text + mail.html + mail.subject
    assert "  " not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_email_has_a_subject_a_text_and_one_main_button(renderer, moment, language):
    stage, changes = facts_of(moment)
    mail = email(renderer, stage, language=language, **changes)
    assert 0 < len(mail.subject) <= 78
    assert "\n" not in mail.subject
    assert SHORT_LINK in mail.text
    assert mail.html.count("<a ") == 1
    assert f'href="{SHORT_LINK}"' in mail.html
    assert f'lang="{language}"' in mail.html


def test_there_is_a_template_for_each_moment_language_and_form_and_no_other():
    there = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.txt") if path.parent.name != "voice"}
    wanted = {f"{form}/{m}.{lang}.txt" for form in ("sms", "email") for m in MOMENTS for lang in LANGUAGES}
    assert there == wanted | {f"email/footer.{lang}.txt" for lang in LANGUAGES} | {"email/layout.txt"}


class Opened(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_a_name_cannot_become_markup(renderer):
    mail = email(renderer, MessageStage.OPENING, sender="<img src=x>Thermia & Sons")
    parser = Opened()
    parser.feed(mail.html)
    assert "img" not in parser.tags
    assert "&lt;img src=x&gt;Thermia &amp; Sons" in mail.html
    assert "<img src=x>Thermia & Sons" in mail.text


def test_a_name_cannot_become_a_template(renderer):
    assert "{{ 7 * 7 }}" in sms(renderer, MessageStage.OPENING, sender="{{ 7 * 7 }}")


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("en", "Thermia: fixed. Your heat pump has run normally since 14:10."),
        ("fr", "Thermia : c'est réparé. Votre pompe marche normalement depuis 14 h 10."),
    ],
)
def test_proof_comes_with_the_hour_in_the_persons_zone(renderer, language, wanted):
    assert sms(renderer, MessageStage.RESOLVED, language=language).startswith(wanted)


def test_a_language_we_do_not_speak_gets_english(renderer):
    assert sms(renderer, MessageStage.OPENING, language="de").startswith("Thermia: your heat pump")
    assert sms(renderer, MessageStage.OPENING, language="fr-CA").startswith("Thermia : votre pompe")


def test_stop_is_named_on_the_first_contact_only(renderer):
    assert sms(renderer, MessageStage.OPENING, first_contact=True).endswith(", STOP = opt out")
    assert "STOP" not in sms(renderer, MessageStage.OPENING)


def test_a_relapse_is_an_opening_for_those_never_told():
    told = brief(MessageStage.RELAPSED)
    assert moment_of(MessageStage.RELAPSED, told) == MessageStage.RELAPSED
    never = replace(told, opening_state=MessageState.SUPPRESSED)
    assert moment_of(MessageStage.RELAPSED, never) == MessageStage.OPENING_AFTER_REMOTE_TRY
    assert moment_of(MessageStage.RELAPSED, replace(never, remote_try=None)) == MessageStage.OPENING


def test_the_dispatcher_reads_why_nobody_can_be_sent(renderer):
    left_out = [
        {"technician_id": "t-1", "reason": "is on leave"},
        {"technician_id": "t-2", "reason": "lacks the skill"},
    ]
    mail = email(renderer, MessageStage.NO_TECHNICIAN, details={"left_out": left_out})
    assert "t-1: is on leave; t-2: lacks the skill." in mail.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_late_and_on_the_way_is_not_promised_for_an_hour_that_has_passed(renderer, language):
    late = sms(renderer, MessageStage.ON_THE_WAY, language=language, visit_end=NOW - timedelta(minutes=1))
    assert not any(digit in late for digit in "0123456789")
    assert "Sam" in late


def test_a_missing_fact_gives_the_plain_text_and_names_the_problem(renderer):
    rendered = renderer.render(
        MessageStage.VISIT_CONFIRMED,
        brief(MessageStage.VISIT_CONFIRMED, visit_start=None),
        channel=Channel.EMAIL,
        now=NOW,
    )
    assert "visit_confirmed.en" in rendered.problem
    assert rendered.content.text == f"Thermia: there is news about your heat pump: {SHORT_LINK}"
    assert rendered.content.subject == "Thermia: there is news about your heat pump"


def test_a_template_that_is_broken_or_missing_gives_the_plain_text_too(tmp_path):
    (tmp_path / "sms").mkdir()
    (tmp_path / "sms" / "opening.en.txt").write_text("{{ maker }")
    for language in LANGUAGES:
        rendered = Renderer(tmp_path).render(
            MessageStage.OPENING, brief(language=language), channel=Channel.SMS, now=NOW
        )
        assert rendered.problem
        assert SHORT_LINK in rendered.content.text


def test_a_template_cannot_reach_into_the_program(tmp_path):
    (tmp_path / "sms").mkdir()
    (tmp_path / "sms" / "opening.en.txt").write_text("{{ maker.__class__.__mro__ }}")
    rendered = Renderer(tmp_path).render(MessageStage.OPENING, brief(), channel=Channel.SMS, now=NOW)
    assert rendered.problem


def test_lookalike_blanks_and_quotes_do_not_cost_a_segment(renderer):
    text = sms(renderer, MessageStage.OPENING, says={"en": "won\u2019t\u00a0start\u202fagain"})
    assert "won't start again" in text


@pytest.mark.parametrize("stage", [MessageStage.UNSTABLE, MessageStage.RELAPSED, MessageStage.OPENING])
def test_danger_is_never_told_as_a_nuisance(stage):
    assert moment_of(stage, brief(stage, severity=Severity.SAFETY)) == SAFETY


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_does_not_live_there_is_not_told_to_leave_their_own_home(renderer, language):
    instruction = {"en": "Get out", "fr": "Sortez"}
    facts = {"severity": Severity.SAFETY, "instruction": instruction, "customer_name": "Paul Durand"}
    for stage in (MessageStage.OPENING, MessageStage.RESOLVED):
        for channel in (Channel.SMS, Channel.EMAIL, Channel.VOICE):
            told = brief(stage, language=language, role="neighbour", **facts)
            said = renderer.render(stage, told, channel=channel, now=NOW).content.text
            assert "Paul Durand" in said
            assert not any(word in said.lower() for word in ("get out", "sortez", "your heat pump", "votre pompe"))
    at_home = brief(language=language, role="tenant", **facts)
    assert "Paul" not in renderer.render(MessageStage.OPENING, at_home, channel=Channel.SMS, now=NOW).content.text


def test_good_news_after_danger_does_not_thank_for_patience(renderer):
    text = sms(renderer, MessageStage.RESOLVED, severity=Severity.SAFETY)
    assert "no longer reports danger since 14:10" in text
    assert "call 112" in text


def test_a_summary_lists_what_it_sums_up(renderer):
    items = [
        {"noun": {"en": "heat pump"}, "says": {"en": "stops too often"}},
        {"noun": "boiler", "title": "Low pressure"},
        {},
    ]
    told = email(renderer, MessageStage.DIGEST, details={"count": 3, "items": items})
    assert told.subject == "3 more pieces of news about your devices"
    assert "Heat pump stops too often.\n\nBoiler: low pressure.\n\nDevice." in told.text
    one = email(renderer, MessageStage.DIGEST, details={"count": 1, "items": items[:1]})
    assert one.subject == "News about your heat pump"


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({"noun": {"en": "heat pump"}, "says": {"en": "stops too often"}}, "your heat pump stops too often. We kept"),
        ({"noun": "boiler", "title": "Low pressure"}, "your boiler needs a look: low pressure. We kept"),
    ],
)
def test_a_summary_of_one_thing_says_that_thing(renderer, item, wanted):
    details = {"count": 1, "items": [item]}
    text = sms(renderer, MessageStage.DIGEST, details=details)
    assert text.startswith(f"Thermia: {wanted}")
    assert segments(text).count == 1
    assert "in one message" not in email(renderer, MessageStage.DIGEST, details=details).text


def test_who_is_to_call_reads_why(renderer):
    details = {"reason": "Alice Martin says that hp-1 is not theirs"}
    for said in (
        sms(renderer, MessageStage.CALL_WANTED, details=details),
        email(renderer, MessageStage.CALL_WANTED, details=details).text,
    ):
        assert "not theirs" in said


@pytest.mark.parametrize(("language", "wanted"), [("en", "until Tue 17 Mar"), ("fr", "jusqu'au mardi 17/03")])
def test_who_is_away_reads_until_when(renderer, language, wanted):
    details = {"until": "2026-03-17T22:59:00Z"}
    assert wanted in sms(renderer, MessageStage.AWAY, language=language, details=details)
    person = replace(brief(language=language).recipient, away_until=datetime(2026, 3, 17, 22, 59, tzinfo=UTC))
    assert wanted in sms(renderer, MessageStage.AWAY, recipient=person)


def test_the_words_that_were_used_are_named(renderer):
    for channel, name in ((Channel.SMS, "sms/opening.en.txt"), (Channel.LETTER, "email/opening.en.txt")):
        content = renderer.render(MessageStage.OPENING, brief(), channel=channel, now=NOW).content
        assert content.template == name
