"""A person's words on every channel: understood, given to the right ticket, answered once, and never lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from domain.messages import Channel, MessageStage, Purpose, RecipientKind
from store import absence, people, threads
from store.pictures import Picture
from store.tables import Attachment, Customer, Inbound, Message, Ticket
from tests.fakes.api_home import Home

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.furnished(tmp_path_factory.mktemp("home"))
    yield home
    home.house.close()


@pytest.fixture
def home(furnished: Home, tmp_path: Path) -> Iterator[Home]:
    home = Home(furnished.house.copy(tmp_path))
    yield home
    home.house.close()


# Which ticket


def test_an_answer_is_about_the_last_message_that_reached_them(home: Home) -> None:
    home.washer_fails()
    home.advance(hours=1)
    home.pump_fails()
    home.writes("2")
    assert home.last.ticket_id == home.ticket("hp-1").id
    assert home.ticket("wm-1").state == "pending_customer"


def test_who_names_a_product_means_that_one(home: Home) -> None:
    home.washer_fails()
    home.advance(hours=1)
    home.pump_fails()
    home.writes("The washing machine is fixed")
    assert (home.last.ticket_id, home.last.intent) == (home.ticket("wm-1").id, "fixed")


def test_of_two_that_came_together_the_person_is_asked_once_and_their_words_go_where_they_say(home: Home) -> None:
    home.washer_fails()
    home.pump_fails()
    home.writes("2")
    question = home.said(MessageStage.WHICH_ONE)
    assert question == "Thermia: thank you. Which one do you mean? 1 = heat pump, 2 = washing machine"
    assert [ticket.state for ticket in home.rows(Ticket)] == ["pending_customer"] * 2, "nobody is sent on a guess"
    home.writes("1")
    assert home.ticket("hp-1").state == "pending_visit"
    assert home.ticket("wm-1").state == "pending_customer"
    assert home.sent().count(MessageStage.WHICH_ONE) == 1
    assert {one.ticket_id for one in home.rows(Inbound)} == {home.ticket("hp-1").id}


def test_the_name_answers_the_question_as_well_as_its_digit(home: Home) -> None:
    home.washer_fails()
    home.pump_fails()
    home.writes("false alarm")
    home.writes("the heat pump")
    assert home.story_of("hp-1").count("reply") == 1
    assert home.story_of("wm-1").count("reply") == 0


@pytest.mark.parametrize("answer", ["7", "both", "what do you mean?", None])
def test_without_a_clear_answer_a_person_reads_it(home: Home, answer: str | None) -> None:
    home.washer_fails()
    home.pump_fails()
    home.writes("2")
    if answer is None:
        home.advance(minutes=31)
    else:
        home.writes(answer)
    assert home.ticket("hp-1").state == "pending_agent"
    assert MessageStage.CALL_WANTED in home.sent(RecipientKind.DISPATCHER)
    assert home.sent().count(MessageStage.WHICH_ONE) == 1
    assert MessageStage.VISIT_OFFER not in home.sent(RecipientKind.TECHNICIAN)


def test_words_for_a_person_are_never_held_up_by_a_question(home: Home) -> None:
    home.washer_fails()
    home.pump_fails()
    home.writes("It smells of something burning")
    assert MessageStage.WHICH_ONE not in home.sent()
    assert home.ticket("hp-1").state == "pending_agent"


def test_an_answer_to_a_message_is_about_that_message(home: Home) -> None:
    home.washer_fails()
    home.pump_fails()
    first = home.rows(Message, Message.recipient_kind == "customer")[0]
    home.writes("2", reply_to=first.id)
    assert home.last.ticket_id == first.ticket_id
    assert MessageStage.WHICH_ONE not in home.sent()


def test_who_forwards_a_mail_does_not_speak_for_its_reader(home: Home) -> None:
    home.pump_fails()
    message = home.rows(Message)[0]
    home.writes("2", channel=Channel.EMAIL, address="stranger@example.net", reply_to=message.id)
    assert (home.last.ticket_id, home.last.recipient_id) == (None, None)
    assert home.ticket("hp-1").state == "pending_customer"


def test_a_digit_means_what_the_last_question_offered(home: Home) -> None:
    home.pump_fails()
    home.writes("when do you come?")
    assert "no visit is planned yet" in home.said(MessageStage.VISIT_TIME)
    home.writes("1")
    assert home.last.intent == "unclear", "that message offered no 1"


# What is said back


def test_when_is_answered_with_the_visit(home: Home) -> None:
    home.pump_fails()
    home.writes("2")
    home.writes("when does he come?")
    assert "we are looking for a technician" in home.said(MessageStage.VISIT_TIME)
    home.visit(1, "accept")
    home.writes("Quand venez-vous ?")
    assert "Karim comes" in home.said(MessageStage.VISIT_TIME)
    assert home.ticket("hp-1").state == "pending_visit"


def test_a_complaint_about_what_we_know_is_told_so_once(home: Home) -> None:
    with home.house.database.write() as session:
        person = session.get_one(Customer, "c-1")
        person.channels, person.phone = ["email"], None
        session.get_one(Customer, "c-2").phone = None
    home.house.client.post("/v1/messages/pause")
    home.pump_fails()
    with home.house.database.write() as session:
        for message in session.scalars(select(Message)):
            message.state = "suppressed"
        session.get_one(Customer, "c-1").phone = "+33612345678"
    home.house.client.post("/v1/messages/resume")
    home.writes("my heat pump makes a strange noise")
    text = home.said(MessageStage.KNOWN)
    assert text.startswith("Thermia: we know: your heat pump is slowly losing water (since 08:54). One of us reads")
    home.writes("it is getting louder")
    assert home.sent().count(MessageStage.KNOWN) == 1
    assert home.ticket("hp-1").state == "pending_agent"


def test_thanks_are_answered_once(home: Home) -> None:
    home.pump_fails()
    for text in ("ok", "thank you", "👍"):
        home.writes(text)
    assert home.sent() == [MessageStage.OPENING, MessageStage.ACKNOWLEDGED]
    assert home.ticket("hp-1").state == "pending_customer"


def test_help_says_who_writes_and_a_person_is_one_digit_away(home: Home) -> None:
    home.pump_fails()
    home.writes("HELP")
    assert "3 = call me, STOP = opt out" in home.said(MessageStage.HELP)
    home.writes("3")
    assert home.ticket("hp-1").state == "pending_agent"


def test_an_absence_is_noted_until_its_day(home: Home) -> None:
    home.pump_fails()
    home.writes("I am away until 10 March")
    with home.house.database.read() as session:
        until = absence.away_until(session, "c-1", home.house.clock.now())
    assert until is not None
    assert until.isoformat() == "2026-03-09T23:00:00+00:00", "midnight in Paris"
    assert MessageStage.AWAY in home.sent()


def test_a_visit_that_would_find_nobody_is_for_a_person_to_move(home: Home) -> None:
    home.pump_fails()
    home.writes("2")
    home.visit(1, "accept")
    home.writes("I am away until 10 March")
    assert home.ticket("hp-1").state == "pending_agent"


def test_who_says_that_it_is_not_theirs_hears_no_more_of_it(home: Home) -> None:
    home.pump_fails()
    home.writes("This is not my heat pump")
    assert MessageStage.WRONG_PERSON in home.sent()
    assert home.ticket("hp-1").state == "pending_agent"


# STOP


def refused(home: Home, kind: str, person: str) -> bool:
    read = people.customer if kind == "customer" else people.technician
    with home.house.database.read() as session:
        return read(session, person).refuses(Channel.SMS, Purpose.SERVICE)


def test_stop_leaves_the_phone_alone_whoever_shares_it(home: Home) -> None:
    home.pump_fails()
    home.writes("Stop, please!")
    assert refused(home, "customer", "c-1")
    assert refused(home, "customer", "c-2")
    assert home.sent().count(MessageStage.OPTED_OUT) == 1
    home.writes("START")
    assert not refused(home, "customer", "c-1")
    assert not refused(home, "customer", "c-2")


def test_a_technicians_stop_counts_too(home: Home) -> None:
    home.writes("arrêt svp", address="+33698765401")
    assert refused(home, "technician", "t-karim")
    assert home.sent(RecipientKind.TECHNICIAN) == []


def test_what_the_carrier_has_confirmed_we_do_not_confirm_again(home: Home) -> None:
    home.pump_fails()
    home.writes("STOP", confirmed=True)
    assert refused(home, "customer", "c-1")
    assert MessageStage.OPTED_OUT not in home.sent()


# Machines


def test_an_automatic_answer_is_kept_and_moves_nothing(home: Home) -> None:
    home.pump_fails()
    home.writes(
        "I am out of office. Stop", channel=Channel.EMAIL, address="alice@example.net", automatic=True, reply_to=1
    )
    assert home.last.automatic
    assert not refused(home, "customer", "c-1")
    assert home.sent() == [MessageStage.OPENING]
    assert "reply" not in home.story_of("hp-1")


def test_two_machines_do_not_talk_for_ever(home: Home) -> None:
    home.pump_fails()
    for _ in range(15):
        home.writes("This number is not monitored.")
        home.advance(seconds=2)
    assert len(home.rows(Message)) <= 5
    assert len(home.rows(Inbound)) == 15, "nothing is lost"
    assert home.story_of("hp-1").count("answers_stopped") == 1


def test_stop_is_heard_from_a_machine_that_repeats_it(home: Home) -> None:
    home.pump_fails()
    for _ in range(4):
        home.writes("START")
        home.writes("STOP")
    assert refused(home, "customer", "c-1")


# Pictures


def test_a_picture_is_kept_and_a_person_looks(home: Home) -> None:
    home.pump_fails()
    home.writes("", attachments=[Picture(PNG, name="leak.png"), Picture(b"MZ not a picture", name="x.jpg")])
    kept, refused_ = home.rows(Attachment)
    assert (kept.state, kept.media_type, kept.size) == ("kept", "image/png", len(PNG))
    assert (refused_.state, refused_.reason) == ("refused", "it is no picture")
    assert (home.last.intent, home.last.ticket_id) == ("photo", home.ticket("hp-1").id)
    assert home.ticket("hp-1").state == "pending_agent"


def test_a_picture_for_the_technician_who_comes_disturbs_nobody(home: Home) -> None:
    home.pump_fails()
    home.writes("2")
    home.visit(1, "accept")
    home.writes("", attachments=[Picture(PNG)])
    assert home.ticket("hp-1").state == "pending_visit"


def test_pictures_are_bounded(home: Home) -> None:
    home.writes("look", attachments=[Picture(b"\xff\xd8\xff" + bytes(8 * 1024 * 1024))] + [Picture(PNG)] * 11)
    states = [(row.state, row.reason) for row in home.rows(Attachment)]
    assert states[0] == ("refused", "it has more than 8 MB")
    assert states[1:10] == [("kept", "")] * 9
    assert states[10:] == [("refused", "there were too many at once")] * 2


# One thread


def test_every_channel_is_one_thread(home: Home) -> None:
    home.pump_fails()
    home.advance(minutes=1)
    home.writes("what is this?")
    home.advance(minutes=1)
    home.writes("and by mail", channel=Channel.EMAIL, address="alice@example.net")
    home.advance(minutes=1)
    home.writes("on WhatsApp", channel=Channel.WHATSAPP)
    with home.house.database.read() as session:
        thread = [one for _, one in threads.of_person(session, RecipientKind.CUSTOMER, "c-1")]
    assert [(one.outgoing, one.channel) for one in thread] == [
        (True, "sms"),
        (False, "sms"),
        (False, "email"),
        (False, "whatsapp"),
    ]
