"""What customers answer, and what they ask for unasked."""

import pytest

from domain.errors import Forbidden, NotFound
from domain.messages import Channel, MessageStage, ReplyIntent
from domain.tickets import TicketState
from store.tables import Customer, Message, Visit
from tests.fakes.desk import Desk

FIXED, SEND, CALL, STOP, START, UNCLEAR = (
    ReplyIntent.FIXED,
    ReplyIntent.SEND_SOMEONE,
    ReplyIntent.CALL_ME,
    ReplyIntent.STOP,
    ReplyIntent.START,
    ReplyIntent.UNCLEAR,
)


def test_fixed_is_believed_when_telemetry_agrees(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.deliver()
    desk.clears("patient-rule")
    desk.reply(FIXED, text="1")
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "telemetry")


def test_fixed_is_noted_while_telemetry_shows_the_fault(desk: Desk) -> None:
    desk.fires()
    desk.reply(FIXED, text="c'est bon")
    assert desk.state is TicketState.PENDING_CUSTOMER
    reply = next(entry for entry in desk.entries() if entry.kind == "reply")
    assert (reply.actor, reply.detail["text"], reply.detail["intent"]) == ("customer:c-1", "c'est bon", "fixed")
    assert "still_firing" in desk.story()


def test_fixed_is_enough_where_there_is_no_telemetry(desk: Desk) -> None:
    desk.reply(UNCLEAR, text="it drips")
    desk.reply(FIXED)
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "customer")
    assert MessageStage.RESOLVED not in desk.stages()


def test_someone_is_sent(desk: Desk) -> None:
    desk.technician("t-1", skills=())
    desk.fires()
    desk.reply(SEND)
    assert desk.state is TicketState.PENDING_VISIT
    assert desk.stages()[-1] is MessageStage.VISIT_OFFER
    desk.reply(SEND)
    assert len(desk.rows(Visit)) == 1, "asking twice sends one"


def test_a_call_is_promised_to_them_and_asked_of_the_dispatcher(desk: Desk) -> None:
    desk.fires()
    desk.reply(CALL, inbound_id=7)
    assert desk.state is TicketState.PENDING_AGENT
    promised, wanted = desk.announced[-2:]
    assert (promised.stage, promised.details) == (MessageStage.CALL_PROMISED, {"channel": "sms"})
    assert (wanted.stage, wanted.occurrence) == (MessageStage.CALL_WANTED, "7")


def test_an_answer_from_a_page_goes_back_by_the_best_channel(desk: Desk) -> None:
    desk.fires()
    desk.reply(CALL, channel="web", ticket_id=desk.ticket.id)
    assert desk.announced[-2].details == {}


def test_words_nobody_understands_go_to_a_person(desk: Desk) -> None:
    desk.fires()
    desk.reply(UNCLEAR, text="qui êtes-vous ?", inbound_id=8)
    assert desk.state is TicketState.PENDING_AGENT
    assert (desk.announced[-1].stage, desk.announced[-1].occurrence) == (MessageStage.CALL_WANTED, "8")


def test_the_same_answer_twice_counts_once(desk: Desk) -> None:
    desk.fires()
    desk.reply(CALL, inbound_id=7)
    before = (desk.story(), desk.stages())
    desk.reply(CALL, inbound_id=7)
    assert (desk.story(), desk.stages()) == before


def test_stop_is_honoured_on_the_channel_it_came_by_and_confirmed_once(desk: Desk) -> None:
    desk.fires()
    desk.reply(STOP)
    desk.reply(STOP)
    assert desk.refused() == [Channel.SMS]
    assert desk.stages().count(MessageStage.OPTED_OUT) == 1
    assert desk.announced[-1].details["channel"] == "sms"
    desk.reply(START)
    desk.advance(minutes=1)
    desk.reply(STOP)
    assert desk.stages().count(MessageStage.OPTED_OUT) == 2


def test_stop_from_a_page_means_every_channel(desk: Desk) -> None:
    desk.fires()
    desk.reply(STOP, channel="web")
    assert desk.refused() == sorted(Channel)
    desk.reply(START, channel="web")
    assert desk.refused() == []


def test_stop_without_any_ticket_is_honoured_too(desk: Desk) -> None:
    assert desk.reply(STOP) is None
    assert desk.refused() == [Channel.SMS]


def test_first_contact_is_when_they_first_wrote(desk: Desk) -> None:
    desk.fires()
    desk.advance(minutes=5)
    first = desk.now
    desk.reply(FIXED)
    desk.advance(minutes=5)
    desk.reply(FIXED)
    assert desk.ticket.first_contact_at == first


def test_an_answer_is_about_the_newest_ticket_that_they_were_told_of(desk: Desk) -> None:
    desk.rule("noise")
    desk.fires()
    desk.deliver()
    desk.advance(minutes=5)
    desk.fires("noise")
    told, untold = desk.tickets()
    assert desk.reply(FIXED) == told.id
    with desk.write() as session:
        for message in session.query(Message):
            message.state = "suppressed"
    assert desk.reply(UNCLEAR, text="?") == untold.id


def test_words_out_of_the_blue_open_a_ticket_about_their_likely_product(desk: Desk) -> None:
    desk.reply(UNCLEAR, text="ma pompe fait du bruit")
    ticket = desk.ticket
    assert (ticket.cause, ticket.device_id, ticket.state) == ("customer", "hp-1", "pending_agent")
    assert ticket.first_contact_at == desk.now
    desk.advance(minutes=1)
    assert desk.reply(UNCLEAR, text="toujours") == ticket.id


def test_fixed_out_of_the_blue_is_about_nothing(desk: Desk) -> None:
    assert desk.reply(FIXED) is None
    assert desk.tickets() == []


def test_who_is_not_content_with_the_end_brings_the_ticket_back(desk: Desk) -> None:
    desk.technician("t-1", skills=())
    desk.fires()
    desk.deliver()
    desk.clears()
    assert desk.state is TicketState.RESOLVED
    desk.advance(minutes=5)
    desk.reply(SEND)
    assert (desk.state, desk.ticket.reopened) == (TicketState.PENDING_VISIT, 1)


def test_thanks_and_marks_leave_an_ended_ticket_alone(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.clears()
    for text, intent in (("1", FIXED), ("5", UNCLEAR)):
        desk.advance(minutes=1)
        desk.reply(intent, text=text)
    assert desk.state is TicketState.RESOLVED
    assert desk.story().count("reply") == 2


def test_a_link_opens_ones_own_ticket_only(desk: Desk) -> None:
    desk.fires()
    with pytest.raises(Forbidden):
        desk.reply(FIXED, customer="c-2", ticket_id=desk.ticket.id)
    with pytest.raises(NotFound):
        desk.reply(FIXED, customer="nobody")
    with pytest.raises(NotFound):
        desk.reply(FIXED, ticket_id=99)


def test_a_person_without_a_product_can_write_too(desk: Desk) -> None:
    with desk.write() as session:
        session.add_all([Customer(id="c-3", name="Zoé"), Customer(id="c-4", name="Léo")])
    desk.reply(UNCLEAR, text="bonjour", customer="c-3")
    desk.reply(UNCLEAR, text="bonjour", customer="c-4")
    assert [ticket.customer_id for ticket in desk.tickets()] == ["c-3", "c-4"]


def test_a_contact_who_was_told_may_answer_too(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    with desk.write() as session:
        for message in session.query(Message):
            message.recipient_id = "c-2"
    assert desk.reply(CALL, customer="c-2", ticket_id=desk.ticket.id) == desk.ticket.id
    assert desk.state is TicketState.PENDING_AGENT
