"""The preview: words with made-up facts, what they cost, and trying others without keeping them."""

import re

import pytest

from api.views.wording_preview import Choice, pieces, preview
from domain.messages import Channel
from domain.prices import parse_prices
from domain.wordings import Override
from notify.render import Renderer
from notify.wording import LANGUAGES, MOMENTS
from store import wordings
from tests.fakes.api_house import START, House

HTML = {"accept": "text/html"}


def shown(house: House, **query: str) -> str:
    answer = house.client.get("/templates", params=query, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def tried(house: House, *, language: str = "fr", channel: str = "sms", **words: str) -> str:
    form = {"moment": "opening", "language": language, "channel": channel, "maker": "", "sample": "plain", **words}
    answer = house.client.post("/templates/try", data=form, headers=HTML | {"hx-request": "true"})
    assert answer.status_code == 200, answer.text
    return answer.text


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))


@pytest.mark.parametrize("channel", ["sms", "email", "whatsapp"])
def test_a_page_for_each_channel(house: House, channel: str) -> None:
    assert 'role="alert"' not in shown(house, moment="visit_confirmed", channel=channel, language="fr")


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_every_moment_can_be_looked_at_with_all_its_facts(channel: Channel) -> None:
    renderer = Renderer()
    for moment in MOMENTS:
        for language in LANGUAGES:
            _, parts = renderer.book.source(moment, channel=channel, language=language)
            found = preview(renderer, Choice(moment, language, channel, "", "", "plain"), parts, prices=None)
            assert found.problem is None
            assert [one.problem for one in found.tried if one.problem] == []


def test_a_text_message_shows_its_segments_encoding_and_price(house: House) -> None:
    object.__setattr__(house.services, "sms_prices", parse_prices("0.075 EUR, GB 0.04"))
    text = plain(shown(house, moment="opening"))
    assert "Thermia: your heat pump stops too often." in text
    assert "GSM-7 122 of 160" in text.replace("GSM-7122", "GSM-7 122")
    assert "0.075 EUR" in text
    assert "GB 0.04 EUR" in text.replace("GB0.04", "GB 0.04")


def test_without_a_price_nothing_is_said_of_it(house: House) -> None:
    assert "EUR" not in shown(house, moment="opening")


def test_words_are_tried_and_not_kept(house: House) -> None:
    found = tried(house, part_text="{{ maker }} : un contrôle de votre {{ noun }}. {{ link }}")
    assert '<mark title="ô in contrôle: 160 → 70; write vérification">ô</mark>' in found
    assert "UCS-2" in found
    assert "write <b" in found
    assert house.client.get("/v1/templates").json()["items"] == []


def test_a_mistake_while_trying_says_line_and_cure(house: House) -> None:
    found = plain(tried(house, part_text="{{ maker }}\n{{ nuon }}"))
    assert "Nobody knows 'nuon'" in found.replace("&#39;", "'")
    assert "Did you mean noun?" in found
    assert "line 2" in found


def test_words_that_fail_with_other_facts_only_say_with_which(house: House) -> None:
    found = tried(house, part_text="{{ maker }} : {{ says }}")
    assert 'role="alert"' not in found
    assert plain(found).count("says is not known every time") == 1


def test_a_mail_is_shown_in_frames_without_rights_and_as_an_inbox_lists_it(house: House) -> None:
    answer = house.client.get("/templates", params={"channel": "email"}, headers=HTML)
    assert answer.text.count('sandbox="" srcdoc=') == 4
    assert "&lt;h1" in answer.text
    assert "@media not all" in answer.text
    assert "What you may notice: The house warms more slowly." in plain(answer.text)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self' 'unsafe-inline'" in policy
    other = house.client.get("/rules", headers=HTML)
    assert "unsafe-inline" not in other.headers["content-security-policy"]


def test_what_is_tried_in_a_mail_cannot_leave_its_frame(house: House) -> None:
    found = tried(
        house, channel="email", part_subject="s", part_headline="<script>x</script>", part_body="b", part_button="c"
    )
    assert "<script>" not in found
    assert "&amp;lt;script&amp;gt;" in found


def test_a_makers_own_words_are_shown_to_its_name_alone(house: House) -> None:
    house.client.post(
        "/v1/apply",
        content="kind: template\nmoment: opening\nchannel: sms\nmaker: thermia\ntext: '{{ maker }} greets you.'",
    )
    own = shown(house, moment="opening", maker="thermia")
    assert "greets you." in own
    assert "thermia.opening.sms v1" in own
    assert "sms/opening.en.txt" in shown(house, moment="opening")


@pytest.mark.parametrize("wrong", [{"moment": "x"}, {"language": "de"}, {"channel": "fax"}, {"maker": "nobody"}])
def test_what_is_not_there_is_said_so(house: House, wrong: dict[str, str]) -> None:
    assert house.client.get("/templates", params=wrong, headers=HTML).status_code == 404


def test_a_stranger_sees_and_tries_nothing(house: House) -> None:
    house.client.headers.pop("authorization", None)
    assert house.client.get("/templates", headers=HTML).status_code == 401
    assert house.client.post("/templates/try", data={}, headers=HTML).status_code == 401


def test_pieces_join_to_the_text() -> None:
    text = "Jérôme vérifie… la tête"
    found = pieces(text)
    assert "".join(piece.text for piece in found) == text
    assert [piece.text for piece in found if piece.instead] == ["ô", "…", "ê"]


def test_own_words_that_are_broken_today_stand_out(house: House) -> None:
    words = {"en": {"text": "{{ weather }}"}}
    with house.database.write() as session:
        wordings.put(session, Override("thermia", "opening", Channel.SMS, 1, words), now=START)
    text = shown(house, moment="resolved")
    assert re.search(r"thermia\.opening\.sms <span class=\"pill alarm\" title=\"[^\"]*nobody knows", text)
    assert 'role="alert"' in shown(house, moment="opening", maker="thermia")
