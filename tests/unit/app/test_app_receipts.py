"""Receipts that never came are asked for, once a day, at the provider that took the message."""

from datetime import timedelta

import pytest

from app.receipts import ReceiptPoll
from domain.errors import DeliveryError
from domain.messages import MessageState, Refusal, Retry
from domain.outbox import Receipt
from store.tables import Message
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    common = {"ticket_id": 1, "stage": "relapsed", "recipient_kind": "customer", "provider": "twilio"}
    moments = {"not_before": START, "created_at": START}
    for number, (state, age_h) in enumerate((("accepted", 2), ("sent", 3), ("accepted", 0), ("delivered", 2)), start=1):
        accepted_at = START - timedelta(hours=age_h)
        person = {"recipient_id": f"c-{number}", "provider_id": f"SM{number}", "state": state}
        built.add(Message(id=number, channel="sms", accepted_at=accepted_at, **common, **moments, **person))
    yield built
    built.database.close()


class Provider:
    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def fetch(self, provider_id):
        self.asked.append(provider_id)
        if provider_id not in self.answers:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)
        return Receipt(provider_id, self.answers[provider_id])


def test_only_what_is_missing_and_old_enough_is_asked_for(house):
    provider = Provider(SM1=MessageState.DELIVERED, SM2=MessageState.UNDELIVERED)
    ReceiptPoll(house.database, house.clock, {"twilio": provider.fetch}).work()
    assert sorted(provider.asked) == ["SM1", "SM2"]
    assert [house.message(n).state for n in (1, 2, 3)] == ["delivered", "undelivered", "accepted"]


def test_once_a_day_however_many_look(house):
    provider = Provider()
    polls = [ReceiptPoll(house.database, house.clock, {"twilio": provider.fetch}, cap=1) for _ in range(2)]
    for poll in polls * 2:
        poll.work()
    assert len(provider.asked) == 1
    house.clock.advance(hours=21)
    polls[0].work()
    assert len(provider.asked) == 2


def test_one_that_the_provider_cannot_say_anything_about_keeps_no_other_back(house):
    provider = Provider(SM1=MessageState.DELIVERED)
    ReceiptPoll(house.database, house.clock, {"twilio": provider.fetch}).work()
    assert [house.message(n).state for n in (1, 2)] == ["delivered", "sent"]
