"""Calls and WhatsApp in the sandbox: a card with the words said and keys to press, and the phone as it was."""

import re

import pytest

from domain.messages import Channel
from store.tables import Customer, Inbound, SandboxMessage
from tests.fakes.api_story import Story

OLIVER = "c-oliver"


def told_by(story: Story, channel: Channel) -> str:
    """The sandbox after Oliver was told of a fault by `channel`."""
    with story.house.database.write() as session:
        session.get_one(Customer, OLIVER).channels = [channel]
    story.fires("hp-oliver", "pressure-drift", {"pressure": 1.05})
    story.settle()
    return story.house.browser().get("/sandbox").text


def press(story: Story, key: str) -> int:
    with story.house.database.read() as session:
        call = session.query(SandboxMessage).filter_by(channel=Channel.VOICE).one().message_id
    body = {"person": OLIVER, "channel": "voice", "text": key, "message": call}
    return story.house.client.post("/sandbox/reply", json=body).status_code


def test_a_call_is_a_card_with_what_is_said_and_its_keys(story: Story) -> None:
    page = told_by(story, Channel.VOICE)
    assert "This is Thermia. Your heat pump is slowly losing water." in page
    assert re.findall(r'<button class="key" name="text" value="(\d)"', page) == ["1", "2", "9"]


@pytest.mark.parametrize(("key", "intent"), [("1", "acknowledged"), ("2", "send_someone"), ("9", "call_me")])
def test_a_key_means_what_it_means_on_the_telephone(story: Story, key: str, intent: str) -> None:
    told_by(story, Channel.VOICE)
    assert press(story, key) == 202
    with story.house.database.read() as session:
        heard = session.query(Inbound).filter_by(recipient_id=OLIVER, channel=Channel.VOICE).one()
        assert (heard.intent, heard.body, heard.ticket_id is None) == (intent, key, False)
    assert f"pressed {key}" in story.house.browser().get("/sandbox").text


def test_a_key_that_is_on_no_menu_moves_nothing(story: Story) -> None:
    told_by(story, Channel.VOICE)
    assert press(story, "5") == 202
    with story.house.database.read() as session:
        assert session.query(Inbound).filter_by(recipient_id=OLIVER, channel=Channel.VOICE).count() == 0


def test_whatsapp_is_answered_on_whatsapp(story: Story) -> None:
    page = told_by(story, Channel.WHATSAPP)
    assert '<span class="via">WhatsApp</span>' in page
    assert 'placeholder="Write as Oliver on WhatsApp"' in page
    answer = story.house.client.post("/sandbox/reply", json={"person": OLIVER, "channel": "whatsapp", "text": "2"})
    assert answer.status_code == 202
    with story.house.database.read() as session:
        assert session.query(Inbound).filter_by(channel=Channel.WHATSAPP).one().intent == "send_someone"
