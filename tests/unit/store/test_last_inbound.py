"""When a person last wrote, which opens a window for free text."""

from datetime import timedelta

import pytest

from domain.messages import Channel
from store.tables import Customer, Inbound
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def wrote(number, *, who="c-1", channel=Channel.WHATSAPP, at=START):
    facts = {"recipient_kind": "customer", "recipient_id": who, "intent": "unclear", "body": "x", "address": ""}
    return Inbound(provider_id=f"SM{number}", channel=channel, at=at, **facts)


def test_the_newest_word_on_whatsapp_counts_and_nobody_elses(house):
    later = START + timedelta(minutes=5)
    house.change(Customer, "c-1", channels=["whatsapp", "sms"])
    house.add(
        wrote(1),
        wrote(2, at=later),
        wrote(3, who="c-2", at=later + timedelta(hours=1)),
        wrote(4, channel=Channel.SMS, at=later + timedelta(hours=1)),
    )
    house.plan()
    assert house.outbox().take(1)[0].brief.last_inbound == {Channel.WHATSAPP: later}


def test_who_never_wrote_or_has_no_whatsapp_opens_no_window(house):
    house.change(Customer, "c-1", channels=["whatsapp"])
    house.plan()
    assert house.outbox().take(1)[0].brief.last_inbound == {}
    house.change(Customer, "c-1", channels=["sms"])
    house.add(wrote(1))
    house.wall.advance(60)
    assert house.outbox().take(1)[0].brief.last_inbound == {}
