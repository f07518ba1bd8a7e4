"""Brakes and acknowledgements over HTTP and on pages: GET shows, POST acts."""

from collections.abc import Iterator

import pytest

from app import pipeline
from domain.links import Purpose
from domain.messages import MessageStage, MessageState
from domain.tickets import Announce
from store.tables import CauseRow, Message, Ticket
from tests.fakes.api_house import House
from tests.fakes.api_story import Story, morning


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Story]]:
    house = House(tmp_path_factory.mktemp("brakes"))
    yield house, morning(house)
    house.close()


@pytest.fixture
def house(shared: tuple[House, Story]) -> House:
    return shared[0]


def _asked(house: House, key: str) -> int:
    """Two messages wait for a word on one cause."""
    now = house.clock.now()
    with house.database.write() as session:
        row = CauseRow(key=key, told=50, since=now, last_at=now, state="waiting", wanted_at=now, ticket_id=1)
        session.add(row)
        for number in (1, 2):
            facts = {"stage": "unstable", "occurrence": f"{key}-{number}", "recipient_kind": "customer"}
            session.add(
                Message(
                    ticket_id=number,
                    recipient_id="c-1",
                    state="held",
                    not_before=now,
                    created_at=now,
                    cause=key,
                    **facts,
                )
            )
        session.flush()
        return row.id


def _states(house: House, key: str) -> list[str]:
    with house.database.read() as session:
        rows = session.query(Message).filter(Message.occurrence.startswith(key)).order_by(Message.id)
        return [row.state for row in rows]


def test_what_waits_for_a_word_is_listed_and_approved_once(house: House) -> None:
    number = _asked(house, "rule:overheat:1")
    listed = house.client.get("/v1/approvals?state=waiting").json()["items"]
    assert [(one["id"], one["name"], one["told"], one["waiting"]) for one in listed] == [
        (number, "rule overheat, version 1", 50, 2)
    ]
    done = house.client.post(f"/v1/approvals/{number}", json={"decision": "approve", "note": "real"})
    assert (done.json()["state"], done.json()["decided_by"], done.json()["note"]) == ("approved", "agent", "real")
    again = house.client.post(f"/v1/approvals/{number}", json={"decision": "decline"})
    assert again.status_code == 409
    assert house.client.post("/v1/approvals/999", json={"decision": "approve"}).status_code == 404
    assert house.client.post(f"/v1/approvals/{number}", json={"decision": "perhaps"}).status_code in {400, 422}
    with house.database.read() as session:
        rows = session.query(Message).filter(Message.occurrence.startswith("rule:overheat:1")).order_by(Message.id)
        first, second = (row.not_before for row in rows)
    assert (second - first).total_seconds() == 1


def test_the_page_shows_the_question_and_a_tap_declines(house: House) -> None:
    number = _asked(house, "firmware:heatpump-x:2.1")
    text = house.client.get("/approvals").text
    assert "Your word is waited for" in text
    assert "Firmware 2.1 of heatpump-x" in text
    assert "2 messages wait; 50 people have heard of it so far." in text
    tapped = house.client.post(
        f"/approvals/{number}", data={"decision": "decline", "note": "wrong"}, follow_redirects=False
    )
    assert tapped.status_code == 303
    assert _states(house, "firmware:heatpump-x:2.1") == [MessageState.SUPPRESSED] * 2
    assert house.client.post(f"/approvals/{number}", data={"decision": "?"}).status_code == 422


def test_a_pause_says_who_when_why_and_what_waits(house: House) -> None:
    with house.database.write() as session:
        pipeline.hand_on(session, [Announce(1, MessageStage.UNSTABLE, "pause")], now=house.clock.now())
    house.client.post("/status/pause", data={"reason": "a rule runs wild"})
    told = house.client.get("/v1/messages/paused").json()
    assert (told["paused"], told["by"], told["reason"]) == (True, "agent", "a rule runs wild")
    assert told["since"] is not None
    assert sum(one["count"] for one in told["waiting"]) == told["queued"] > 0
    text = house.client.get("/status").text
    assert "“a rule runs wild”" in text
    assert "warnings of danger too" in text
    since = told["since"]
    house.clock.advance(minutes=5)
    house.client.post("/v1/messages/pause", json={"reason": "again"})
    assert house.client.get("/v1/messages/paused").json()["since"] == since
    house.client.post("/status/resume")
    assert house.client.get("/v1/messages/paused").json()["paused"] is False


def test_looking_at_the_link_acknowledges_nothing_and_the_button_does(house: House) -> None:
    token = house.signer.token(Purpose.CUSTOMER, 4)
    with house.database.write() as session:
        ticket = session.get_one(Ticket, 4)
        ticket.acknowledged_at = ticket.acknowledged_by = None
    page = house.client.get(f"/c/{token}/ack", follow_redirects=True)
    assert page.status_code == 200
    assert f'action="/c/{token}/ack"' in page.text
    with house.database.read() as session:
        assert session.get_one(Ticket, 4).acknowledged_at is None
    house.client.post(f"/c/{token}/ack", data={"once": "abc123"})
    with house.database.read() as session:
        assert session.get_one(Ticket, 4).acknowledged_by == f"customer:{session.get_one(Ticket, 4).customer_id}"
    assert f'action="/c/{token}/ack"' not in house.client.get(f"/c/{token}").text
