"""Makers' own words: declared, tried before they are stored, listed, used, and given back."""

import time
from pathlib import Path

import pytest

from app.words import build_renderer, trouble
from domain.messages import Channel, MessageStage
from domain.wordings import Override
from notify import phrasebook
from notify.render import Renderer
from store import wordings
from store.wordings import SqlWordings
from tests.fakes.api_house import House
from tests.fakes.briefs import NOW, brief

OPENING = """
kind: template
moment: opening
channel: sms
maker: thermia
text:
  en: "{{ maker }}: hello, your {{ noun }} would like a word. {{ link }}"
  fr: "{{ maker }} : bonjour, votre {{ noun }} voudrait vous parler. {{ link }}"
"""


def apply(house: House, text: str, **query: str):
    return house.client.post("/v1/apply", content=text, params=query)


def errors(house: House, text: str) -> list[dict]:
    answer = apply(house, text)
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"]


def test_words_are_stored_in_versions_and_listed(house: House) -> None:
    (first,) = apply(house, OPENING).json()["items"]
    assert first == {"kind": "template", "name": "thermia.opening.sms", "outcome": "created", "version": 1}
    assert apply(house, OPENING).json()["items"][0]["outcome"] == "unchanged"
    (changed,) = apply(house, OPENING.replace("hello", "good day")).json()["items"]
    assert (changed["outcome"], changed["version"]) == ("changed", 2)
    (listed,) = house.client.get("/v1/templates").json()["items"]
    assert (listed["name"], listed["version"], listed["maker"]) == ("thermia.opening.sms", 2, "thermia")
    assert "good day" in listed["words"]["en"]["text"]
    assert house.client.get("/v1/templates/thermia.opening.sms").json() == listed


def test_words_can_be_withdrawn_and_declared_again(house: House) -> None:
    apply(house, OPENING)
    assert house.client.delete("/v1/templates/thermia.opening.sms").status_code == 204
    assert house.client.get("/v1/templates").json()["items"] == []
    assert house.client.get("/v1/templates/thermia.opening.sms").status_code == 404
    assert house.client.delete("/v1/templates/thermia.opening.sms").status_code == 404
    (again,) = apply(house, OPENING).json()["items"]
    assert (again["outcome"], again["version"]) == ("created", 3)


def test_a_dry_run_only_checks(house: House) -> None:
    assert apply(house, OPENING, dry_run="true").json()["items"][0]["outcome"] == "created"
    assert house.client.get("/v1/templates").json()["items"] == []


@pytest.mark.parametrize(
    ("change", "at", "problem", "cure"),
    [
        (("would like", "{{ nuon }} likes"), ("text.en", 7), "nobody knows 'nuon'", "did you mean noun?"),
        (("bonjour", "{{ technician }}"), ("text.fr", 8), "technician is not known every time", "ask first: "),
        (("bonjour", "{{ maker.__class__ }}"), ("text.fr", 8), "'__class__' is out of reach", "print a fact"),
        (("bonjour", "{{ maker }"), ("text.fr", 8), "unexpected '}'", ""),
        (("moment: opening", "moment: openin"), ("moment", 3), "there is no moment 'openin'", "did you mean opening?"),
        (("channel: sms", "channel: fax"), ("channel", 4), "input should be", ""),
        (("maker: thermia", "maker: termia"), ("maker", 5), "no maker 'termia'", "did you mean thermia?"),
        (("  fr: ", "  it: "), ("text", 6), "we do not speak 'it'", "write en or fr"),
        (("text:", "body:"), ("", 2), "body is not for sms", "write text"),
        (("text:", "txt:"), ("txt", 6), "unknown key", "did you mean text?"),
    ],
)
def test_a_mistake_names_line_key_and_cure(house: House, change, at, problem, cure) -> None:
    found = errors(house, OPENING.replace(*change))
    first = next(one for one in found if one.get("key", "") == at[0])
    assert first["line"] == at[1]
    assert first["problem"].startswith(problem)
    assert first.get("cure", "").startswith(cure)
    assert house.client.get("/v1/templates").json()["items"] == []


def test_the_line_of_a_mistake_in_a_longer_text_is_its_own(house: House) -> None:
    text = "kind: template\nmoment: opening\nchannel: email\nbody:\n  en: |\n    Hello,\n\n    {{ naem }} there.\n"
    (only,) = errors(house, text)
    assert (only["key"], only["line"]) == ("body.en", 8)


def test_a_bare_text_is_english(house: House) -> None:
    (only,) = errors(house, 'kind: template\nmoment: opening\nchannel: sms\ntext: "{{ naem }}"\n')
    assert (only["key"], only["line"], only["cure"]) == ("text", 4, "did you mean name?")


def test_what_a_text_costs_and_why_is_noted(house: House) -> None:
    dear = OPENING.replace("bonjour", "un contrôle s'impose" + " vraiment" * 4)
    (applied,) = apply(house, dear).json()["items"]
    assert applied["note"] == "fr: 2 segments with sample 'plain', ô in contrôle: 160 → 70; write vérification"


def test_the_notify_role_uses_them_at_once_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrasebook, "REFRESH_S", 0.0)
    renderer = Renderer(overrides=SqlWordings(house.database))

    def said(**changes: str):
        told = brief(MessageStage.OPENING, **changes)
        return renderer.render(MessageStage.OPENING, told, channel=Channel.SMS, now=NOW).content

    assert said(maker="thermia").template == "sms/opening.en.txt"
    apply(house, OPENING)
    own = said(maker="thermia")
    assert own.text.startswith("Thermia: hello, your heat pump would like a word.")
    assert own.template == "thermia.opening.sms v1"
    assert said(maker="other").template == "sms/opening.en.txt"
    apply(house, OPENING.replace("maker: thermia\n", "").replace("hello", "hello all"))
    assert "hello all" in said(maker="other").text
    assert said(maker="thermia") == own
    house.client.delete("/v1/templates/thermia.opening.sms")
    assert "hello all" in said(maker="thermia").text
    house.client.delete("/v1/templates/opening.sms")
    assert said(maker="thermia").template == "sms/opening.en.txt"


def test_a_part_of_an_email_may_be_ones_own_and_the_rest_as_shipped(house: House) -> None:
    apply(house, "kind: template\nmoment: opening\nchannel: email\nsubject: {en: 'A word about your {{ noun }}'}\n")
    renderer = Renderer(overrides=SqlWordings(house.database))
    mail = renderer.render(MessageStage.OPENING, brief(), channel=Channel.EMAIL, now=NOW).content
    assert mail.subject == "A word about your heat pump"
    assert "What you may notice" in mail.text
    french = renderer.render(MessageStage.OPENING, brief(language="fr"), channel=Channel.EMAIL, now=NOW).content
    assert french.template == "email/opening.fr.txt"


@pytest.fixture
def outdated(house: House) -> House:
    """Words that were right for an older Prevenant: today they name a fact that nobody knows."""
    words = {"en": {"text": "{{ maker }}: {{ weather }}"}}
    with house.database.write() as session:
        wordings.put(session, Override("thermia", "opening", Channel.SMS, 1, words), now=NOW)
    return house


def test_words_that_fail_give_way_to_the_shipped_ones_and_are_named(outdated: House) -> None:
    renderer = Renderer(overrides=SqlWordings(outdated.database))
    told = brief(MessageStage.OPENING, maker="thermia")
    rendered = renderer.render(MessageStage.OPENING, told, channel=Channel.SMS, now=NOW)
    assert rendered.content.template == "sms/opening.en.txt"
    (failure,) = rendered.failures
    assert failure.template == "thermia.opening.sms v1"
    assert "nobody knows 'weather'" in failure.problem


def test_the_start_says_which_words_are_broken_and_goes_on(outdated: House) -> None:
    _, said = build_renderer(outdated.database)
    deadline = time.monotonic() + 60
    while said() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    line = said() or ""
    assert line.startswith("1 mistake(s) in templates, plainer words go out instead: thermia.opening.sms v1:1:")


def test_a_whole_set_of_words_is_no_trouble() -> None:
    assert trouble([]) is None


def test_a_makers_words_go_with_it(house: House) -> None:
    apply(house, "kind: maker\nid: gone\nname: Gone")
    apply(house, OPENING.replace("maker: thermia", "maker: gone"))
    assert house.client.delete("/v1/makers/gone").status_code == 204
    assert house.client.get("/v1/templates").json()["items"] == []


def test_the_words_of_the_examples_are_right_and_cheap(empty: House) -> None:
    folder = Path(__file__).parents[3] / "examples" / "home_fleet"
    text = "\n---\n".join((folder / name).read_text() for name in ("products.yaml", "templates.yaml"))
    answer = apply(empty, text)
    assert answer.status_code == 200, answer.text
    assert [one for one in answer.json()["items"] if one["kind"] == "template"] == [
        {"kind": "template", "name": "lavanda.acknowledged.sms", "outcome": "created", "version": 1}
    ]
