"""What status says of messages that wait for a person and of lines that are out of order."""

import pytest

from app.settings import Settings
from app.status import gather
from domain.lines import Line
from store import lines, pausing
from store.tables import CauseRow
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def test_trouble_with_messages_is_trouble_of_the_house(house, tmp_path):
    (number,) = house.plan()
    with house.database.write() as session:
        lines.trip(session, Line("twilio", "+33700000000", "FR"), "Authenticate", now=START, wall_s=1.0)
    house.change(type(house.message()), number, state="in_doubt")
    found = gather(Settings(_env_file=None, data_dir=tmp_path), house.database)
    assert "messages: 1 in doubt; a person decides" in found["trouble"]
    assert "twilio FR: out of order, Authenticate" in found["trouble"]


def test_a_pause_and_questions_to_a_person_are_said(house, tmp_path):
    house.plan()
    question = {"key": "rule:overheat:3", "state": "waiting", "since": START, "last_at": START, "wanted_at": START}
    house.add(CauseRow(**question))
    with house.database.write() as session:
        pausing.pause(session, by="agent", reason="", now=START)
    found = gather(Settings(_env_file=None, data_dir=tmp_path), house.database)
    assert "messages: all sending is paused since 2026-03-03T09:00:00Z by agent; 1 wait" in found["trouble"]
    assert "messages: 0 wait for approval, rule overheat, version 3" in found["trouble"]
