"""Calls, in and out: who calls hears where things stand, every key does what it says once, a person is one key away."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.call_backs import CALL_BACK, NO_WORD
from app import pipeline
from domain.faults import Severity
from domain.outbox import Content
from notify.channels.twilio_client import TwilioAccount
from notify.channels.twilio_voice import TwilioVoice
from store.tables import Due, Inbound, Message, Ticket, TimelineEntry
from tests.fakes.api_house import PUBLIC_URL, House
from tests.fakes.api_story import Story
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, TwilioState, create_twilio, parsed

HOOK = f"{PUBLIC_URL}/hooks/twilio/voice"
SOPHIE, JONAS, STRANGER = "+33612345603", "+447400123457", "+15005550006"
DESK = "+33155501234"


@pytest.fixture
def house(told: Story, tmp_path: Path) -> House:
    return told.house.copy(tmp_path, twilio_auth_token=TOKEN)


@pytest.fixture
def line(house: House) -> TwilioState:
    """Twilio, whose calls to us arrive at the house."""
    state = TwilioState()

    def post(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> str:
        path = urlsplit(url)
        answer = house.client.post(f"{path.path}?{path.query}", data=dict(fields), headers=dict(headers))
        assert answer.status_code in {200, 204}, answer.text
        return answer.text

    state.post = post
    return state


def staffed(house: House) -> None:
    house.app.state.services = replace(house.services, human_phone=DESK)


def said(twiml: str) -> str:
    return " ".join(say.text or "" for say in parsed(twiml).iter("Say"))


def told_of(house: House, customer: str) -> Message:
    with house.database.read() as session:
        found = session.query(Message).filter_by(recipient_id=customer).order_by(Message.id).first()
        assert found is not None
        return found


def replies(house: House, ticket_id: int | None) -> list[tuple[str, str]]:
    with house.database.read() as session:
        entries = session.query(TimelineEntry).filter_by(ticket_id=ticket_id, kind="reply").order_by(TimelineEntry.id)
        return [(entry.detail["channel"], entry.detail["intent"]) for entry in entries]


def ticket(house: House, number: int | None) -> Ticket:
    with house.database.read() as session:
        return session.get_one(Ticket, number)


def stages(house: House, ticket_id: int | None) -> list[str]:
    with house.database.read() as session:
        return [one.stage for one in session.query(Message).filter_by(ticket_id=ticket_id).order_by(Message.id)]


def ours(line: TwilioState, message: Message) -> tuple[str, str]:
    """A call of ours about `message`, taken: its sid, and what it says."""
    app = create_twilio()
    with served(app) as url:
        account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)
        voice = TwilioVoice(account, hook=HOOK, status_callback=f"{PUBLIC_URL}/hooks/twilio/status")
        text = "Votre lave-linge ne se vide plus.\n\nTapez 1, 2 ou 9.\n\nAu revoir."
        sid = voice.send(SOPHIE, Content(text, language="fr"), reference=f"{message.id}-abc").provider_id
        voice.close()
        line.calls, line.asked = app.state.twilio.calls, app.state.twilio.asked
    return sid, line.first_words(sid)


def test_who_calls_hears_where_their_fault_stands_in_their_language(house: House, line: TwilioState) -> None:
    about = told_of(house, "c-sophie").ticket_id
    _, twiml = line.incoming(HOOK, SOPHIE)
    words = said(twiml)
    assert words.startswith("Bonjour, ici Lavanda. Nous sommes au courant. Votre lave-linge ne se vide plus.")
    assert "Tapez 9 pour parler à quelqu'un." in words
    assert {say.attrib["language"] for say in parsed(twiml).iter("Say")} == {"fr-FR"}
    assert replies(house, about) == [("voice", "acknowledged")]
    assert ticket(house, about).first_contact_at == house.clock.now()


def test_who_calls_about_danger_hears_what_to_do_first(house: House, line: TwilioState) -> None:
    about = told_of(house, "c-sophie").ticket_id
    with house.database.write() as session:
        session.get_one(Ticket, about).severity = Severity.SAFETY
    _, twiml = line.incoming(HOOK, SOPHIE)
    assert said(twiml).startswith("Bonjour, ici Lavanda. Il peut y avoir danger. Sortez")


def test_a_call_is_noted_once_however_often_twilio_asks(house: House, line: TwilioState) -> None:
    about = told_of(house, "c-sophie").ticket_id
    sid, twiml = line.incoming(HOOK, SOPHIE)
    before = ticket(house, about).state
    assert line.first_words(sid) == twiml
    assert replies(house, about) == [("voice", "acknowledged")]
    assert ticket(house, about).state == before


def test_who_has_no_open_fault_is_offered_the_menu(house: House, line: TwilioState) -> None:
    with house.database.write() as session:
        session.query(Ticket).filter_by(customer_id="c-jonas").update({"state": "closed"})
    _, twiml = line.incoming(HOOK, JONAS)
    assert said(twiml).startswith("Hello, this is Thermia.")
    assert "Press 2" in said(twiml)
    assert "Press 9" in said(twiml)


@pytest.mark.parametrize(("number", "words"), [(STRANGER, "Hello, this is"), ("+33999999999", "Bonjour, ici")])
def test_a_stranger_is_greeted_and_may_talk_to_a_person(
    house: House, line: TwilioState, number: str, words: str
) -> None:
    _, twiml = line.incoming(HOOK, number)
    assert said(twiml).startswith(words)
    assert "9" in said(twiml)
    assert "2" not in said(twiml)
    with house.database.read() as session:
        kept = session.query(Inbound).filter_by(address=number).one()
        assert (kept.intent, kept.recipient_id, kept.ticket_id) == ("acknowledged", None, None)


def test_a_stranger_who_is_promised_a_call_gets_a_ticket_that_an_agent_can_work_on(
    house: House, line: TwilioState
) -> None:
    sid, twiml = line.incoming(HOOK, STRANGER)
    for _ in range(2):
        assert "call you back" in said(line.press(sid, twiml, "9"))
    (shown,) = [one for one in house.client.get("/v1/tickets").json()["items"] if one["device_id"] == ""]
    assert shown["state"] == "pending_agent"
    assert stages(house, shown["id"]) == ["call_wanted"]
    assert len(replies(house, shown["id"])) == 1
    page = house.browser().get(f"/tickets/{shown['id']}")
    assert page.status_code == 200
    assert STRANGER in page.text
    again, twiml = line.incoming(HOOK, STRANGER)
    line.press(again, twiml, "9")
    assert len(replies(house, shown["id"])) == 2


@pytest.mark.parametrize("number", ["anonymous", "+266696687", ""])
def test_who_hides_their_number_is_promised_nothing(house: House, line: TwilioState, number: str) -> None:
    before = house.client.get("/v1/tickets").json()
    sid, twiml = line.incoming(HOOK, number)
    assert "cannot see your number" in said(line.press(sid, twiml, "9"))
    assert house.client.get("/v1/tickets").json() == before


def test_a_technician_who_wants_a_person_is_called_too(house: House, line: TwilioState) -> None:
    offer = told_of(house, "t-karim")
    sid, twiml = ours(line, offer)
    for _ in range(2):
        assert "vous rappellera" in said(line.press(sid, twiml, "9"))
    with house.database.read() as session:
        (wanted,) = session.query(Message).filter_by(ticket_id=offer.ticket_id, stage="call_wanted")
        assert wanted.details == {"caller": SOPHIE, "caller_name": "Karim Haddad"}


@pytest.mark.parametrize(
    ("key", "intent", "words"),
    [
        ("1", "acknowledged", "c'est noté"),
        ("2", "send_someone", "Nous cherchons un technicien"),
        ("9", "call_me", "vous rappellera"),
        ("0", "call_me", "vous rappellera"),
    ],
)
def test_a_key_does_what_the_menu_says_once(house: House, line: TwilioState, key: str, intent: str, words: str) -> None:
    message = told_of(house, "c-sophie")
    before = ticket(house, message.ticket_id).state
    sid, twiml = ours(line, message)
    for _ in range(3):
        assert words in said(line.press(sid, twiml, key))
    assert replies(house, message.ticket_id) == [("voice", intent)]
    assert (ticket(house, message.ticket_id).state == before) is (key == "1")


def test_who_asked_for_a_call_on_the_telephone_gets_no_text_that_says_so_again(house: House, line: TwilioState) -> None:
    message = told_of(house, "c-sophie")
    sid, twiml = ours(line, message)
    line.press(sid, twiml, "9")
    new = stages(house, message.ticket_id)
    assert "call_wanted" in new
    assert "call_promised" not in new


def test_nine_puts_through_to_a_person(house: House, line: TwilioState) -> None:
    staffed(house)
    message = told_of(house, "c-sophie")
    sid, twiml = ours(line, message)
    through = line.press(sid, twiml, "9")
    assert [dial.text for dial in parsed(through).iter("Dial")] == [DESK]
    assert replies(house, message.ticket_id) == []
    assert "au revoir" in said(line.dialled(sid, through, "completed"))
    assert replies(house, message.ticket_id) == [("voice", "acknowledged")]


@pytest.mark.parametrize("outcome", ["no-answer", "busy", "failed", "canceled"])
def test_nobody_at_the_desk_means_a_call_back(house: House, line: TwilioState, outcome: str) -> None:
    staffed(house)
    message = told_of(house, "c-sophie")
    sid, twiml = ours(line, message)
    through = line.press(sid, twiml, "9")
    assert "vous rappellera" in said(line.dialled(sid, through, outcome))
    assert replies(house, message.ticket_id) == [("voice", "call_me")]
    assert "call_wanted" in stages(house, message.ticket_id)


def appointments(house: House) -> list[int]:
    with house.database.read() as session:
        return [row.id for row in session.query(Due).filter_by(kind=CALL_BACK)]


@pytest.mark.parametrize("number", [SOPHIE, STRANGER])
def test_who_was_being_put_through_is_called_back_if_nobody_tells_us_how_it_went(
    house: House, line: TwilioState, number: str
) -> None:
    staffed(house)
    sid, twiml = line.incoming(HOOK, number)
    for _ in range(2):
        line.press(sid, twiml, "9")
    (appointment,) = appointments(house)
    house.clock.advance(seconds=NO_WORD.total_seconds())
    with house.database.write() as session:
        pipeline.on_due(session, appointment, now=house.clock.now())
        wanted = session.query(Message).filter_by(stage="call_wanted", created_at=house.clock.now()).count()
    assert wanted == 1
    assert appointments(house) == []


def test_who_has_talked_to_a_person_is_not_called_back(house: House, line: TwilioState) -> None:
    staffed(house)
    sid, twiml = line.incoming(HOOK, SOPHIE)
    line.dialled(sid, line.press(sid, twiml, "9"), "completed")
    assert appointments(house) == []


@pytest.mark.parametrize("key", ["3", "8", "*", "#"])
def test_another_key_moves_nothing_and_asks_again(house: House, line: TwilioState, key: str) -> None:
    message = told_of(house, "c-sophie")
    sid, twiml = ours(line, message)
    again = line.press(sid, twiml, key)
    assert said(again).startswith("Pardon, cette touche n'est pas parmi les choix.")
    assert replies(house, message.ticket_id) == []
    line.press(sid, again, "1")
    assert replies(house, message.ticket_id) == [("voice", "acknowledged")]


def test_a_machine_is_left_a_short_message_and_a_person_is_asked(house: House, line: TwilioState) -> None:
    message = told_of(house, "c-sophie")
    with house.database.write() as session:
        session.get_one(Message, message.id).body = "Votre lave-linge ne se vide plus.\n\nTapez 1.\n\nAu revoir."
    sid = line.dial({"To": SOPHIE, "From": SENDER, "Url": f"{HOOK}?message={message.id}-abc"})["sid"]
    line.asked[sid] = {"Url": f"{HOOK}?message={message.id}-abc"}
    left = line.first_words(sid, AnsweredBy="machine_end_beep")
    assert not list(parsed(left).iter("Gather"))
    assert said(left).startswith("Votre lave-linge ne se vide plus. Vous pouvez rappeler ce numéro")
    asked = line.first_words(sid, AnsweredBy="human")
    assert len(list(parsed(asked).iter("Gather"))) == 2
    assert replies(house, message.ticket_id) == []


@pytest.mark.parametrize(
    ("status", "state"), [("completed", "delivered"), ("no-answer", "undelivered"), ("failed", "failed")]
)
def test_how_a_call_ended_is_the_messages_receipt(house: House, line: TwilioState, status: str, state: str) -> None:
    message = told_of(house, "c-sophie")
    sid, _ = ours(line, message)
    with house.database.write() as session:
        row = session.get_one(Message, message.id)
        row.provider_id, row.state, row.channel = sid, "accepted", "voice"
    for one in ("initiated", "ringing", status, "ringing"):
        line.call_back(sid, one)
    (shown,) = house.client.get("/v1/messages?customer_id=c-sophie").json()["items"]
    assert shown["state"] == state


def test_a_call_without_a_fitting_signature_is_refused(house: House, told: Story, tmp_path: Path) -> None:
    fields = {"CallSid": "CA1", "From": SOPHIE, "To": SENDER}
    for headers in ({}, {"X-Twilio-Signature": "nonsense"}):
        assert house.client.post("/hooks/twilio/voice", data=fields, headers=headers).status_code == 403
    unset = told.house.copy(tmp_path)
    state = TwilioState()
    state.post = lambda url, data, headers: str(
        unset.client.post(urlsplit(url).path, data=dict(data), headers=dict(headers)).status_code
    )
    assert state.incoming(HOOK, SOPHIE)[1] == "403"


def test_what_is_no_call_is_refused_in_words(house: House) -> None:
    state = TwilioState()
    state.post = lambda url, data, headers: str(
        house.client.post(urlsplit(url).path, data=dict(data), headers=dict(headers)).status_code
    )
    assert state.signed(HOOK, {"From": SOPHIE}) == "422"


def test_whatsapp_comes_in_as_whatsapp(house: House, line: TwilioState) -> None:
    about = told_of(house, "c-sophie").ticket_id
    fields = {"MessageSid": "SM9", "From": f"whatsapp:{SOPHIE}", "To": f"whatsapp:{SENDER}", "Body": "2"}
    line.signed(f"{PUBLIC_URL}/hooks/twilio/inbound", fields)
    assert replies(house, about) == [("whatsapp", "send_someone")]


def test_neither_numbers_nor_words_are_logged(
    house: House, line: TwilioState, capsys: pytest.CaptureFixture[str]
) -> None:
    sid, twiml = line.incoming(HOOK, SOPHIE)
    line.press(sid, twiml, "9")
    printed = "".join(capsys.readouterr())
    assert SOPHIE.lstrip("+") not in printed
    assert "lave-linge" not in printed
