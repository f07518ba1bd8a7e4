"""A call from fault to key press over real sockets: notify calls by Twilio, the person answers, and the house hears."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.house import House as Installation
from app.parts.notify import channels
from app.settings import Settings
from store.tables import Customer, Inbound, Message
from tests.fakes.api_house import House
from tests.fakes.api_server import serving
from tests.fakes.api_story import Story, morning
from tests.fakes.servers import served
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN, TwilioState, create_twilio, parsed
from tests.real import free_port

OLIVER = "c-oliver"


@dataclass
class Round:
    """A house that can be called back, and the Twilio it calls by."""

    house: House
    twilio: TwilioState

    def message(self) -> Message:
        """What Oliver is called about: the newest that was planned for him."""
        with self.house.database.read() as session:
            return session.query(Message).filter_by(recipient_id=OLIVER).order_by(Message.id.desc()).limit(1).one()

    def intents(self) -> list[str]:
        with self.house.database.read() as session:
            return [one.intent for one in session.query(Inbound).filter_by(recipient_id=OLIVER, channel="voice")]


@pytest.fixture(params=[False, True], ids=["words-travel", "machine-detection"])
def called(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Round]:
    """Oliver, who likes to be called, has a fault and is being called."""
    port = free_port()
    house = House(tmp_path, public_url=f"http://127.0.0.1:{port}", twilio_auth_token=TOKEN)
    morning(house)
    with house.database.write() as session:
        session.get_one(Customer, OLIVER).channels = ["voice", "sms"]
    app = create_twilio()
    with serving(house.app, port) as address, served(app) as url:
        settings = Settings(
            public_url=address,
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_from=SENDER,
            twilio_base_url=url,
            twilio_machine_detection=request.param,
        )
        lines = channels(Installation(settings, house.database, house.clock, "notify@test:1"))
        Story(house, lines).fires("hp-oliver", "pressure-drift", {"pressure": 1.05})
        yield Round(house, app.state.twilio)
    house.close()


def test_a_person_answers_a_call_with_a_key(called: Round) -> None:
    (call,) = called.twilio.calls
    for status in ("initiated", "ringing", "in-progress"):
        called.twilio.call_back(call["sid"], status)
    words = called.twilio.first_words(call["sid"], AnsweredBy="human")
    assert "Your heat pump is slowly losing water." in "".join(parsed(words).itertext())
    thanks = called.twilio.press(call["sid"], words, "1")
    called.twilio.call_back(call["sid"], "completed")
    assert "Thank you" in "".join(parsed(thanks).itertext())
    assert called.intents() == ["acknowledged"]
    assert (called.message().state, called.message().provider_id) == ("delivered", call["sid"])
