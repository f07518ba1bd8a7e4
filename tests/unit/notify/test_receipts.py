"""Receipts: what a provider reports later moves a message forwards only."""

from itertools import permutations

import pytest

from domain.messages import MessageState, Refusal, advances
from notify.channels.reference import message_id, reference
from notify.receipts import TWILIO_STATES, receipt_of
from tests.fakes.briefs import pending


def test_a_callback_becomes_a_receipt():
    told = receipt_of({"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"})
    assert (told.provider_id, told.state, told.code) == ("SM1", MessageState.UNDELIVERED, "30005")
    assert told.refusal is Refusal.BAD_ADDRESS
    assert receipt_of({"SmsSid": "SM1", "SmsStatus": "sent"}).state is MessageState.SENT


@pytest.mark.parametrize(
    "fields",
    [{}, {"MessageSid": "SM1"}, {"MessageStatus": "sent"}, {"MessageSid": "SM1", "MessageStatus": "receiving"}],
)
def test_what_means_nothing_is_no_receipt(fields):
    assert receipt_of(fields) is None


def test_every_order_of_receipts_ends_in_the_same_state():
    states = [TWILIO_STATES[name] for name in ("queued", "sent", "delivered", "undelivered")]
    ends = set()
    for order in permutations(states):
        state = MessageState.SUBMITTING
        for new in order:
            state = new if advances(state, new) else state
        ends.add(state)
    assert ends == {MessageState.DELIVERED}


def test_a_reference_leads_back_to_its_message():
    one = pending()
    assert message_id(reference(one)) == one.id
    assert [message_id(text) for text in ("", "1", "x-1", "-1", "²-1")] == [None] * 5


def called(status, **fields):
    return receipt_of({"CallSid": "CA1", "CallStatus": status, **fields})


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        ("initiated", MessageState.ACCEPTED, ""),
        ("ringing", MessageState.SENT, ""),
        ("in-progress", MessageState.SENT, ""),
        ("completed", MessageState.DELIVERED, ""),
        ("busy", MessageState.UNDELIVERED, "busy"),
        ("no-answer", MessageState.UNDELIVERED, "no-answer"),
        ("canceled", MessageState.FAILED, "canceled"),
        ("failed", MessageState.FAILED, "failed"),
    ],
)
def test_how_a_call_went_becomes_a_receipt(status, state, code):
    told = called(status)
    assert (told.provider_id, told.state, told.code, told.refusal) == ("CA1", state, code, None)


def test_a_number_that_does_not_exist_is_told_from_one_that_cannot_be_reached():
    assert called("failed", SipResponseCode="404").refusal is Refusal.BAD_ADDRESS
    unreachable = called("failed", SipResponseCode="503")
    assert (unreachable.refusal, unreachable.code) == (None, "503")


def test_who_took_the_call_is_known_where_it_was_asked():
    machine = called("completed", AnsweredBy="machine_end_beep")
    assert (machine.state, machine.code) == (MessageState.DELIVERED, "machine")
    assert called("completed", AnsweredBy="fax").state is MessageState.UNDELIVERED
    assert called("completed", AnsweredBy="human").detail == ""


def test_a_call_whose_status_is_not_known_is_no_receipt():
    assert called("dreaming") is None
    assert receipt_of({"CallSid": "", "CallStatus": "busy"}) is None


@pytest.mark.parametrize(
    ("code", "refusal"),
    [("63016", Refusal.NEEDS_TEMPLATE), ("63014", Refusal.OPTED_OUT), ("63024", Refusal.BAD_ADDRESS), ("30009", None)],
)
def test_what_whatsapp_refuses_leads_to_the_next_channel(code, refusal):
    assert receipt_of({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": code}).refusal is refusal


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("30003", Refusal.UNREACHABLE),
        ("30008", Refusal.UNREACHABLE),
        ("30007", Refusal.MISCONFIGURED),
        ("30034", Refusal.MISCONFIGURED),
        ("30001", Refusal.RATE_LIMITED),
        ("30036", Refusal.EXPIRED),
    ],
)
def test_what_did_not_arrive_says_whether_another_try_may_help(code, refusal):
    told = receipt_of({"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": code})
    assert told.refusal is refusal
