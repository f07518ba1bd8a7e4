"""Somebody says that they know: it is noted, and nothing else changes."""

from domain.messages import Channel, MessageStage, ReplyIntent
from domain.tickets import TicketState
from tests.fakes.desk import Desk

KNOWN, CALL = ReplyIntent.ACKNOWLEDGED, ReplyIntent.CALL_ME


def test_it_is_noted_and_moves_nothing(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    before, stages = desk.state, desk.stages()
    desk.reply(KNOWN, text="1", channel=Channel.VOICE)
    assert (desk.state, desk.stages()) == (before, stages)
    assert desk.ticket.first_contact_at == desk.now
    reply = next(entry for entry in desk.entries() if entry.kind == "reply")
    assert (reply.detail["intent"], reply.detail["channel"]) == ("acknowledged", "voice")


def test_without_a_ticket_it_opens_none(desk: Desk) -> None:
    assert desk.reply(KNOWN, text="1") is None


def test_it_does_not_bring_an_ended_ticket_back(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.clears()
    ended = desk.state
    assert ended in {TicketState.RESOLVED, TicketState.CLOSED}
    desk.reply(KNOWN, text="1")
    assert desk.state is ended


def test_who_asks_on_the_telephone_hears_the_promise_there_and_gets_no_message_that_repeats_it(desk: Desk) -> None:
    desk.fires()
    desk.reply(CALL, text="9", channel=Channel.VOICE, inbound_id=7)
    assert desk.state is TicketState.PENDING_AGENT
    assert MessageStage.CALL_PROMISED not in desk.stages()
    assert desk.announced[-1].stage is MessageStage.CALL_WANTED
