"""Mail that comes back, through the signed hook: only what is ours, or theirs, moves anything, and once."""

import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from app.mailing_in import EX_DATAERR, EX_TEMPFAIL, hand_in
from app.settings import Settings
from domain.errors import ConfigError
from domain.links import LinkSigner, Purpose
from domain.messages import Channel, MessageState
from domain.signatures import signed_headers
from notify import return_address
from store import consent, pictures
from store.tables import Consent, Event, Inbound, Message, MessageAttempt, Ticket
from tests.fakes.api_house import House
from tests.fakes.api_story import Story
from tests.fakes.mails import mail, report
from tests.fakes.servers import served
from tests.real import free_port

KEY = b"k" * 32
SECRET = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
HOOK = "/hooks/email/inbound"
MAILBOX = "care@lavanda.example"
OURS = "<prevenant.7-a@lavanda.example>"
FOOTER = "You receive this because Lavanda looks after your washing machine. STOP ends these messages."


@pytest.fixture
def house(told: Story, tmp_path: Path) -> Iterator[House]:
    """Sophie was told of her washing machine by e-mail; her ticket waits for her."""
    house = told.house.copy(tmp_path, mail_hook_key=KEY)
    with house.database.write() as session:
        message = session.get_one(Message, opening(house))
        message.channel, message.address, message.provider_id = Channel.EMAIL, "sophie@example.net", OURS
        message.state, message.subject, message.body = MessageState.ACCEPTED, "Votre lave-linge", FOOTER
    yield house
    house.close()


def opening(house: House) -> int:
    with house.database.read() as session:
        query = select(Message.id).where(Message.recipient_id == "c-sophie", Message.stage == "opening")
        return session.scalars(query).one()


def to(house: House, purpose: Purpose, *, signer: LinkSigner | None = None) -> str:
    return return_address.made(signer or house.signer, purpose, opening(house), mailbox=MAILBOX)


def arrives(house: House, raw: bytes) -> int:
    headers = signed_headers(KEY, id="m", at_s=int(time.time()), body=raw)
    return house.client.post(HOOK, content=raw, headers=headers).status_code


def ticket(house: House) -> Ticket:
    with house.database.read() as session:
        return session.scalars(select(Ticket).where(Ticket.customer_id == "c-sophie")).one()


def message(house: House) -> Message:
    with house.database.read() as session:
        return session.get_one(Message, opening(house))


def heard(house: House) -> list[tuple[str | None, int | None, str, str]]:
    query = select(Inbound).where(Inbound.channel == "email").order_by(Inbound.id)
    with house.database.read() as session:
        return [(one.recipient_id, one.ticket_id, one.intent, one.body) for one in session.scalars(query)]


def ledger(house: House) -> list[tuple[str, str, list[str], bool, str | None]]:
    with house.database.read() as session:
        return [
            (one.person_id, one.source, one.purposes, one.granted, one.address)
            for one in session.scalars(select(Consent).order_by(Consent.id))
        ]


def test_a_call_without_a_fitting_signature_is_refused_and_leaves_nothing(house: House, told: Story) -> None:
    raw = mail(To=to(house, Purpose.REPLY), From="sophie@example.net")
    now = int(time.time())
    good = signed_headers(KEY, id="m", at_s=now, body=raw)
    for headers in (
        {},
        signed_headers(b"x" * 32, id="m", at_s=now, body=raw),
        signed_headers(KEY, id="m", at_s=now, body=raw + b"x"),
        signed_headers(KEY, id="m", at_s=now - 3600, body=raw),
        good | {"webhook-id": "n"},
    ):
        assert house.client.post(HOOK, content=raw, headers=headers).status_code == 403
    assert told.house.client.post(HOOK, content=raw, headers=good).status_code == 403  # no secret is set there
    assert heard(house) == []
    assert house.client.post(HOOK, content=raw, headers=good).status_code == 204


def test_an_answer_moves_its_ticket_once_and_quotes_say_nothing(house: House) -> None:
    assert ticket(house).state == "pending_customer"
    text = f"Envoyez quelqu'un\n\nLe mar. 3 mars 2026 à 14:20, Lavanda <care@lavanda.example> a écrit :\n> {FOOTER}\n"
    raw = mail(text, To=to(house, Purpose.REPLY), From="Sophie <Sophie@Example.net>")
    assert [arrives(house, raw), arrives(house, raw)] == [204, 204]
    number = ticket(house).id
    assert heard(house) == [("c-sophie", number, "send_someone", "Envoyez quelqu'un")]
    entries = house.client.get(f"/v1/tickets/{number}").json()["timeline"]
    assert [entry["detail"]["intent"] for entry in entries if entry["kind"] == "reply"] == ["send_someone"]


def test_the_word_may_stand_in_the_subject_alone(house: House) -> None:
    assert arrives(house, mail("\n", To=to(house, Purpose.REPLY), From="sophie@example.net", Subject="STOP")) == 204
    assert heard(house)[0][2:] == ("stop", "STOP")
    other = mail(
        "\n", To=to(house, Purpose.REPLY), From="sophie@example.net", Message_ID="<2@x>", Subject="RE: Votre lave-linge"
    )
    assert arrives(house, other) == 204
    assert heard(house)[1][2:] == ("unclear", "")


def test_somebody_else_in_the_thread_is_read_by_a_person(house: House) -> None:
    assert arrives(house, mail("stop", To=to(house, Purpose.REPLY), From="bob@example.org")) == 204
    assert heard(house) == [("c-sophie", ticket(house).id, "unclear", "stop")]
    assert ticket(house).state == "pending_agent"
    assert ledger(house) == []


def test_a_forged_sender_without_our_address_moves_nothing_but_a_stop(house: House) -> None:
    forged = to(house, Purpose.REPLY, signer=LinkSigner(b"x" * 32, "https://x.example"))
    assert arrives(house, mail("tout va bien", To=forged, From="sophie@example.net")) == 204
    assert heard(house)[0][2] == "unclear"
    assert ticket(house).state == "pending_agent"
    assert arrives(house, mail("STOP", To=MAILBOX, From="sophie@example.net", Message_ID="<2@x>")) == 204
    assert heard(house)[1][2] == "stop"
    assert {source for _, source, *_ in ledger(house)} == {consent.Source.STOP}


def test_a_stranger_is_kept_and_moves_nothing(house: House) -> None:
    before = ticket(house).state
    assert arrives(house, mail("send someone", To=MAILBOX, From="who@example.org")) == 204
    assert heard(house)[0][:2] == (None, None)
    assert ticket(house).state == before


@pytest.mark.parametrize("mark", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"Return_Path": "<>"}])
def test_an_auto_responder_is_kept_moves_nothing_and_is_never_answered(house: House, mark: dict[str, str]) -> None:
    before, planned = ticket(house).state, messages(house)
    raw = mail("STOP. Call me. I am away.", To=to(house, Purpose.REPLY), From="sophie@example.net", **mark)
    assert arrives(house, raw) == 204
    assert heard(house) == [("c-sophie", ticket(house).id, "unclear", "STOP. Call me. I am away.")]
    with house.database.read() as session:
        assert session.scalars(select(Inbound.automatic).where(Inbound.channel == "email")).all() == [True]
    assert (ticket(house).state, messages(house), ledger(house)) == (before, planned, [])


def messages(house: House) -> int:
    with house.database.read() as session:
        return len(session.scalars(select(Message.id)).all())


def test_a_photo_that_came_with_an_answer_is_kept(house: House) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Message-ID"] = "sophie@example.net", to(house, Purpose.REPLY), "<p@x>"
    letter.set_content("Voilà le filtre")
    letter.add_attachment(b"\xff\xd8\xff" + b"x" * 90, maintype="image", subtype="jpeg", filename="filtre.jpg")
    assert arrives(house, letter.as_bytes()) == 204
    with house.database.read() as session:
        (kept,) = pictures.of_ticket(session, ticket(house).id)
        assert (kept.name, kept.media_type, kept.size) == ("filtre.jpg", "image/jpeg", 93)


def test_a_dead_address_is_refused_from_now_on_and_the_message_goes_elsewhere(house: House) -> None:
    raw = report(to=to(house, Purpose.BOUNCE), original=OURS)
    assert [arrives(house, raw), arrives(house, raw)] == [204, 204]
    assert (message(house).state, message(house).channel) == (MessageState.READY, None)
    assert message(house).refused_channels == ["email"]
    (entry,) = ledger(house)
    assert entry[:2] == ("c-sophie", consent.Source.BOUNCE)
    assert entry[3:] == (False, "sophie@example.net")
    assert heard(house) == []


def test_a_report_that_names_our_mail_alone_is_believed_as_well(house: House) -> None:
    assert arrives(house, report(to=MAILBOX, original=OURS)) == 204
    assert [source for _, source, *_ in ledger(house)] == [consent.Source.BOUNCE]


@pytest.mark.parametrize("original", ["<prevenant.7-b@lavanda.example>", "", "<x@y>"])
def test_a_report_that_anybody_could_have_written_is_not(house: House, original: str) -> None:
    forged = to(house, Purpose.BOUNCE, signer=LinkSigner(b"x" * 32, "https://x.example"))
    assert arrives(house, report(to=forged, original=original)) == 204
    assert (ledger(house), message(house).state) == ([], MessageState.ACCEPTED)


def test_a_full_mailbox_sends_the_message_elsewhere_and_the_address_stays_good(house: House) -> None:
    assert arrives(house, report(to=to(house, Purpose.BOUNCE), status="5.2.2", said="552 5.2.2 full")) == 204
    assert (message(house).state, ledger(house)) == (MessageState.READY, [])


def test_a_delay_is_noted_and_no_more(house: House) -> None:
    assert arrives(house, report(to=to(house, Purpose.BOUNCE), action="delayed", status="4.4.1", said="busy")) == 204
    with house.database.read() as session:
        query = select(MessageAttempt).where(MessageAttempt.message_id == opening(house))
        last = session.scalars(query.order_by(MessageAttempt.id.desc())).first()
        assert last is not None
        assert (last.kind, last.code, last.detail) == ("receipt", "4.4.1", "delayed: busy")
    assert message(house).state == MessageState.ACCEPTED


def test_a_delivery_is_believed_and_ends_a_doubt(house: House) -> None:
    with house.database.write() as session:
        doubtful = session.get_one(Message, opening(house))
        doubtful.state, doubtful.provider_id, doubtful.accepted_at = MessageState.IN_DOUBT, None, None
    assert arrives(house, report(to=to(house, Purpose.BOUNCE), action="delivered", original=OURS)) == 204
    assert (message(house).state, message(house).provider_id) == (MessageState.DELIVERED, OURS)


def test_a_bounce_of_a_mail_in_doubt_proves_that_it_was_taken_and_is_over(house: House) -> None:
    with house.database.write() as session:
        doubtful = session.get_one(Message, opening(house))
        doubtful.state, doubtful.provider_id, doubtful.accepted_at = MessageState.IN_DOUBT, None, None
    assert arrives(house, report(to=to(house, Purpose.BOUNCE), original=OURS)) == 204
    assert message(house).state == MessageState.READY
    assert [source for _, source, *_ in ledger(house)] == [consent.Source.BOUNCE]


@pytest.mark.parametrize(("state", "provider_id"), [(MessageState.ACCEPTED, "SM1"), (MessageState.SUBMITTING, None)])
def test_a_late_bounce_says_nothing_of_the_text_that_went_out_since(
    house: House, state: MessageState, provider_id: str | None
) -> None:
    """The mail was given up, and a number is no dead address because a mail came back."""
    with house.database.write() as session:
        moved = session.get_one(Message, opening(house))
        moved.channel, moved.address, moved.state, moved.provider_id = Channel.SMS, "+33600000001", state, provider_id
        moved.refused_channels = [Channel.EMAIL]
    assert arrives(house, report(to=to(house, Purpose.BOUNCE), original=OURS)) == 204
    assert (message(house).state, message(house).provider_id, ledger(house)) == (state, provider_id, [])


def test_a_mail_to_the_address_that_unsubscribes_does_so(house: House) -> None:
    raw = mail("\n", To=to(house, Purpose.UNSUBSCRIBE), From="anybody@example.net", Subject="unsubscribe")
    assert [arrives(house, raw), arrives(house, raw)] == [204, 204]
    assert ledger(house) == [("c-sophie", consent.Source.UNSUBSCRIBE, ["service"], False, None)]


def test_no_address_nor_word_is_in_the_feed(house: House) -> None:
    arrives(house, mail("secret words", To=to(house, Purpose.REPLY), From="sophie@example.net"))
    with house.database.read() as session:
        told = " ".join(str(one.body) for one in session.scalars(select(Event)))
    assert "secret words" not in told
    assert "sophie@example.net" not in told


def test_rubbish_is_taken_and_does_not_come_again(house: House) -> None:
    for raw in (b"", b"\xff\x00\r\n\r\n\x00", b"From: \r\nTo: @\r\n\r\n"):
        assert arrives(house, raw) == 204


def settings(url: str, secret: str = SECRET) -> Settings:
    return Settings(_env_file=None, public_url=url, mail_hook_secret=secret)


def test_what_the_mail_system_pipes_in_arrives(house: House) -> None:
    with served(house.app) as url:
        raw = mail("2", To=to(house, Purpose.REPLY), From="sophie@example.net")
        assert hand_in(settings(url), raw) == (0, "")
        assert heard(house)[0][2] == "send_someone"
        assert hand_in(settings(url), b"x" * (17 * 1024 * 1024))[0] == EX_DATAERR
        wrong = SECRET.replace("a2tr", "eHh4")
        assert hand_in(settings(url, wrong), raw) == (EX_TEMPFAIL, f"{url}{HOOK} answered 403")


def test_while_the_service_is_away_the_mail_waits_in_the_mail_system() -> None:
    code, said = hand_in(settings(f"http://127.0.0.1:{free_port()}"), mail())
    assert code == EX_TEMPFAIL
    assert "cannot be reached" in said
    with pytest.raises(ConfigError, match="PREVENANT_MAIL_HOOK_SECRET is no secret"):
        hand_in(settings("http://127.0.0.1:1", ""), mail())
