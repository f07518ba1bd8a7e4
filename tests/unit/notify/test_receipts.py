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
