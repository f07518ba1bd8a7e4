"""The thread as it is seen: by the desk, by the person, by the technician, by programs, and by nobody else."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from hmac import new as hmac
from pathlib import Path

import pytest

from domain.links import Purpose
from domain.messages import Channel, MessageStage
from store.pictures import Picture
from store.tables import Attachment, Inbound, Message
from tests.fakes.api_home import Home
from tests.fakes.api_house import PUBLIC_URL

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.furnished(tmp_path_factory.mktemp("home"))
    home.pump_fails()
    home.advance(minutes=1)
    home.writes("It drips <b>a lot</b>", attachments=[Picture(PNG, name="leak.png")])
    yield home
    home.house.close()


@pytest.fixture
def home(furnished: Home, tmp_path: Path) -> Iterator[Home]:
    home = Home(furnished.house.copy(tmp_path, twilio_auth_token="secret"))
    yield home
    home.house.close()


def link(home: Home, device: str = "hp-1") -> str:
    return f"/c/{home.house.signer.token(Purpose.CUSTOMER, home.ticket(device).id)}"


def test_programs_read_the_conversation_page_by_page(home: Home) -> None:
    for number in range(3):
        home.advance(minutes=1)
        home.writes(f"and {number}", channel=Channel.WHATSAPP)
    client = home.house.client
    whole = client.get("/v1/customers/c-1/conversation").json()["items"]
    assert [(one["outgoing"], one["channel"]) for one in whole] == [
        *[(False, "whatsapp")] * 3,
        (False, "sms"),
        (True, "sms"),
    ]
    assert whole[3]["text"] == "It drips <b>a lot</b>"
    assert [picture["media_type"] for picture in whole[3]["pictures"]] == ["image/png"]
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get(
            "/v1/customers/c-1/conversation", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        pages += page.json()["items"]
        cursor = page.json()["next"]
    assert pages == whole
    assert client.get("/v1/customers/c-1/conversation", params={"cursor": "nonsense"}).status_code == 422
    assert client.get("/v1/customers/nobody/conversation").status_code == 404


def test_a_colleagues_own_words_go_out_once_on_the_channel_that_they_used_last(home: Home) -> None:
    home.writes("and by mail", channel=Channel.EMAIL, address="alice@example.net")
    number = home.ticket("hp-1").id
    for _ in range(2):
        answer = home.house.client.post(f"/v1/tickets/{number}/replies", json={"text": "Sam comes at 3.", "once": "a1"})
        assert answer.status_code == 202
    home.settle()
    (message,) = home.rows(Message, Message.stage == MessageStage.AGENT_REPLY)
    assert (message.channel, message.state, message.address) == ("email", "delivered", "alice@example.net")
    assert "Sam comes at 3." in message.body
    assert home.ticket("hp-1").state == "pending_customer"


def test_a_text_message_begins_with_who_writes(home: Home) -> None:
    browser = home.house.browser()
    browser.post(f"/tickets/{home.ticket('hp-1').id}/reply", data={"text": "Sam comes at 3.", "once": "b"})
    home.settle()
    assert home.said(MessageStage.AGENT_REPLY) == "Thermia: Sam comes at 3."
    assert "Sam comes at 3." in browser.get(f"/tickets/{home.ticket('hp-1').id}").text


def test_nobody_is_answered_against_their_wish_and_the_desk_sees_why(home: Home) -> None:
    home.writes("STOP")
    number = home.ticket("hp-1").id
    home.house.client.post(f"/v1/tickets/{number}/replies", json={"text": "Hello"})
    home.settle()
    (message,) = home.rows(Message, Message.stage == MessageStage.AGENT_REPLY)
    assert message.state == "suppressed"
    assert "asked not to be written to" in home.house.browser().get(f"/tickets/{number}").text


def test_at_night_an_answer_waits_unless_they_are_awake(home: Home) -> None:
    number, client = home.ticket("hp-1").id, home.house.client
    home.advance(hours=14)
    client.post(f"/v1/tickets/{number}/replies", json={"text": "Good evening", "once": "1"})
    home.writes("are you there")
    client.post(f"/v1/tickets/{number}/replies", json={"text": "Yes, we are", "once": "2"})
    home.settle()
    waiting, sent = home.rows(Message, Message.stage == MessageStage.AGENT_REPLY)
    assert (waiting.state, sent.state) == ("held", "delivered")


def test_no_words_are_no_answer(home: Home) -> None:
    number = home.ticket("hp-1").id
    assert home.house.client.post(f"/v1/tickets/{number}/replies", json={"text": "  "}).status_code == 422
    assert home.house.client.post("/v1/tickets/99/replies", json={"text": "x"}).status_code == 404


def test_the_desk_sees_their_words_and_pictures(home: Home) -> None:
    page = home.house.browser().get(f"/tickets/{home.ticket('hp-1').id}").text
    assert "It drips &lt;b&gt;a lot&lt;/b&gt;" in page
    assert "for you to read" in page
    assert 'src="/pictures/1"' in page


def test_the_person_writes_on_their_page_and_sends_a_photo(home: Home) -> None:
    browser = home.house.browser(signed_in=False)
    page = browser.get(link(home)).text
    assert "It drips &lt;b&gt;a lot&lt;/b&gt;" in page
    sent = browser.post(
        f"{link(home)}/write", data={"text": "Here it is", "once": "abc"}, files={"photo": ("a.png", PNG, "image/png")}
    )
    assert sent.status_code == 303
    again = browser.post(f"{link(home)}/write", data={"text": "Here it is", "once": "abc"})
    assert again.status_code == 303
    assert [one.body for one in home.rows(Inbound, Inbound.channel == "web")] == ["Here it is"]
    page = browser.get(link(home)).text
    assert "Here it is" in page
    assert f"{link(home)}/pictures/2" in page


def test_plain_words_on_the_page_are_understood_too(home: Home) -> None:
    home.house.browser(signed_in=False).post(f"{link(home)}/write", data={"text": "please send a technician"})
    assert home.ticket("hp-1").state == "pending_visit"


def test_an_empty_form_says_what_would_be_right(home: Home) -> None:
    answer = home.house.browser(signed_in=False).post(f"{link(home)}/write", data={"text": " "})
    assert answer.status_code == 422


def test_a_link_shows_its_own_ticket_alone(home: Home) -> None:
    home.washer_fails()
    browser = home.house.browser(signed_in=False)
    other = browser.get(link(home, "wm-1")).text
    assert "It drips" not in other
    assert browser.get(f"{link(home, 'wm-1')}/pictures/1").status_code == 404
    shown = browser.get(f"{link(home)}/pictures/1")
    assert (shown.status_code, shown.headers["content-type"], shown.content) == (200, "image/png", PNG)


def test_a_picture_opens_for_the_desk_the_person_and_the_technician_who_comes(home: Home) -> None:
    stranger = home.house.browser(signed_in=False)
    assert stranger.get("/pictures/1").status_code == 401
    assert stranger.get("/v1/pictures/1").status_code == 401
    assert home.house.browser().get("/pictures/1").content == PNG
    home.writes("2")
    visit = f"/v/{home.house.signer.token(Purpose.VISIT, 1)}"
    assert stranger.get(f"{visit}/pictures/1").status_code == 404, "an offer shows no pictures"
    home.visit(1, "accept")
    assert stranger.get(f"{visit}/pictures/1").content == PNG
    assert f"{visit}/pictures/1" in stranger.get(visit).text


def test_a_picture_can_do_nothing(home: Home) -> None:
    headers = home.house.browser().get("/pictures/1").headers
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"] == 'inline; filename="1.png"'
    assert home.house.browser().get("/pictures/99").status_code == 404


def signed(home: Home, fields: dict[str, str]) -> None:
    path = "/hooks/twilio/inbound"
    text = PUBLIC_URL + path + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    signature = b64encode(hmac(b"secret", text.encode(), sha1).digest()).decode()
    answer = home.house.client.post(path, data=fields, headers={"X-Twilio-Signature": signature})
    assert answer.status_code == 200
    home.settle()


def test_media_by_twilio_waits_to_be_fetched(home: Home) -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"
    fields = {"From": "+33612345678", "Body": "", "MessageSid": "MM1", "NumMedia": "1", "MediaUrl0": url}
    signed(home, fields)
    row = home.rows(Attachment)[-1]
    assert (row.state, row.source) == ("pending", url)
    assert home.last.intent == "photo"


def test_twilios_own_confirmation_is_the_only_one(home: Home) -> None:
    signed(home, {"From": "+33612345678", "Body": "STOP", "MessageSid": "SM1", "OptOutType": "STOP"})
    assert home.last.intent == "stop"
    assert MessageStage.OPTED_OUT not in home.sent()
    signed(home, {"From": "+33612345678", "Body": "start", "MessageSid": "SM2"})
    assert MessageStage.OPTED_IN not in home.sent()
    signed(home, {"From": "+33612345678", "Body": "Please stop", "MessageSid": "SM3"})
    assert home.sent().count(MessageStage.OPTED_OUT) == 1, "this sentence Twilio does not know"
