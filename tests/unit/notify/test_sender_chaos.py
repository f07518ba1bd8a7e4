"""The sender under random misfortune: processes die anywhere, providers answer anyhow, one message arrives."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Receipt
from notify.sender import Sender
from tests.fakes.mortal import Killed, Mortal
from tests.fakes.outbox_rows import House


class Moody:
    """A provider whose list is to be trusted, and whose answers are not."""

    channel = Channel.SMS
    provider = "moody"
    sender = "+33700000000"
    patience_s = 10.0
    look_up_after_s = (5.0,)
    authoritative = True
    repeatable = False

    def __init__(self):
        self.taken, self.mood = [], "well"

    def send(self, address, content, *, reference):
        if self.mood == "busy":
            raise DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE)
        if self.mood == "dies before":
            raise Killed
        if self.mood != "lost on the way":
            self.taken.append((address, content.text))
        if self.mood == "dies after":
            raise Killed
        if self.mood in {"lost on the way", "silent"}:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)
        return Receipt("SM1", MessageState.ACCEPTED)

    def look_up(self, pending):
        if self.mood == "busy":
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)
        return Receipt("SM1", MessageState.SENT) if (pending.address, pending.body) in self.taken else None


MOODS = st.sampled_from(["well", "busy", "lost on the way", "silent", "dies before", "dies after"])
CALLS = st.sampled_from(["none", "take", "Submitting", "Accepted", "Postponed", "Unknown", "NotTaken"])
LIVES = st.lists(st.tuples(MOODS, CALLS, st.booleans(), st.sampled_from([0.0, 6.0, 20.0, 5000.0])), max_size=5)


def settle(house, provider):
    provider.mood = "well"
    sender = Sender(house.outbox("last"), {Channel.SMS: provider}, house.clock)
    for _ in range(6):
        house.wall.advance(5000)
        sender.step()


@settings(max_examples=30, deadline=None)
@given(lives=LIVES)
def test_whatever_dies_and_whenever_the_customer_gets_one_message(lives):
    with tempfile.TemporaryDirectory() as folder:
        house, provider = House(Path(folder)), Moody()
        house.plan()
        for number, (mood, call, after_commit, pause) in enumerate(lives):
            provider.mood = mood
            outbox = Mortal(house.outbox(f"life {number}"), call, after_commit=after_commit)
            with suppress(Killed):
                Sender(outbox, {Channel.SMS: provider}, house.clock).step()
            house.wall.advance(pause)
        settle(house, provider)
        message = house.message()
        house.database.close()
    assert len(provider.taken) == 1
    assert message.state in {MessageState.ACCEPTED, MessageState.SENT}


def test_without_the_look_up_it_would_be_two(tmp_path):
    house, provider = House(tmp_path), Moody()
    house.plan()
    provider.mood = "dies after"
    with pytest.raises(Killed):
        Sender(house.outbox(), {Channel.SMS: provider}, house.clock).step()
    provider.look_up = lambda pending: None
    settle(house, provider)
    house.database.close()
    assert len(provider.taken) == 2
