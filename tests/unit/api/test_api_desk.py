"""Tickets, visits, messages and figures over REST, on the real services."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import pipeline
from domain.clock import iso, to_ms
from domain.faults import Severity, Transition, TransitionState
from domain.messages import MessageState
from domain.telemetry import Serviced
from domain.tickets import OPEN_STATES
from store.codec import decode
from store.deliveries import on_to_the_next_channel, settle
from store.tables import ControlEntry, Fault, Message, SandboxMessage
from tests.fakes.api_house import START, House
from tests.fakes.api_story import Story


def test_the_story_shows_on_every_list(told: Story) -> None:
    client = told.house.client
    tickets = {row["device_id"]: row for row in client.get("/v1/tickets").json()["items"]}
    assert {device: row["state"] for device, row in tickets.items()} == {
        "hp-amina": "closed",
        "hp-camille": "pending_visit",
        "hp-jonas": "pending_agent",
        "wm-sophie": "pending_customer",
        "hp-bellevue": "pending_device",
    }
    assert tickets["hp-amina"]["closed_by"] == "telemetry"
    assert [row["device_id"] for row in client.get("/v1/faults?state=resolved").json()["items"]] == ["hp-amina"]
    assert [row["state"] for row in client.get("/v1/visits").json()["items"]] == ["accepted"]
    assert [row["skill"] for row in client.get("/v1/work-orders?state=accepted").json()["items"]] == ["refrigerant"]
    rate = client.get("/v1/kpis").json()["items"][0]
    assert (rate["name"], rate["value"], rate["n"]) == ("proactive_rate", 1.0, 5)


def test_tickets_are_found_by_state_device_and_customer(told: Story) -> None:
    client = told.house.client
    several = client.get("/v1/tickets", params={"state": ["closed", "pending_agent"]}).json()["items"]
    assert {row["device_id"] for row in several} == {"hp-amina", "hp-jonas"}
    assert len(client.get("/v1/tickets?device_id=hp-jonas").json()["items"]) == 1
    assert client.get("/v1/tickets?customer_id=c-oliver").json()["items"] == []
    assert client.get("/v1/tickets?state=asleep").status_code == 422


def test_a_ticket_has_its_timeline_in_order_and_the_legal_moves(told: Story) -> None:
    ticket = told.house.client.get("/v1/tickets/2").json()
    kinds = [entry["kind"] for entry in ticket["timeline"]]
    for earlier, later in (("onset", "fault_fired"), ("fault_fired", "command_done"), ("command_done", "reply")):
        assert kinds.index(earlier) < kinds.index(later)
    assert kinds.index("reply") < kinds.index("visit_accepted")
    assert [entry["at"] for entry in ticket["timeline"]] == sorted(entry["at"] for entry in ticket["timeline"])
    assert "resolved" in ticket["legal"]
    assert ticket["state"] in OPEN_STATES


def test_messages_say_how_far_they_got(told: Story) -> None:
    client = told.house.client
    (opening,) = client.get("/v1/messages?customer_id=c-sophie").json()["items"]
    message = client.get(f"/v1/messages/{opening['id']}").json()
    assert message["state"] == "delivered"
    assert message["body"].startswith("Lavanda : votre lave-linge ne se vide plus.")
    assert [attempt["kind"] for attempt in message["log"]] == ["submit", "submit"]
    assert client.get("/v1/messages?state=held").json()["items"] == []
    assert client.get("/v1/messages/999").status_code == 404


def test_a_person_settles_a_message_in_doubt_and_tries_one_again_that_failed(story: Story) -> None:
    client = story.house.client
    (opening,) = client.get("/v1/messages?customer_id=c-sophie").json()["items"]
    address = f"/v1/messages/{opening['id']}"
    with story.house.database.write() as session:
        session.get_one(Message, opening["id"]).state = MessageState.IN_DOUBT
    assert 'prevenant_messages_stuck{state="in_doubt"} 1.0' in client.get("/metrics").text
    assert client.post(f"{address}/settle", json={"outcome": "perhaps"}).status_code == 422
    assert client.post(f"{address}/redrive").status_code == 409
    settled = client.post(f"{address}/settle", json={"outcome": "arrived"}).json()
    assert (settled["state"], settled["reason"]) == ("delivered", "agent says that it arrived")
    assert settled["log"][-1]["outcome"] == "arrived"
    with story.house.database.write() as session:
        session.get_one(Message, opening["id"]).state = MessageState.DEAD
    assert client.post(f"{address}/redrive").json()["state"] == "ready"
    assert client.post("/v1/messages/999/redrive").status_code == 404


def test_counters_never_fall(story: Story) -> None:
    now = story.house.clock.now()
    with story.house.database.write() as session:
        failed = session.scalars(select(Message).where(Message.recipient_id == "c-jonas")).first()
        assert failed is not None
        settle(session, failed, MessageState.UNDELIVERED, reason=None, at=now)
    before = _counters(story.house)
    assert before['prevenant_messages_total{channel="sms",state="delivered"}'] > 0
    assert before['prevenant_messages_total{channel="sms",state="undelivered"}'] == 1
    assert before['prevenant_fault_transitions_total{state="resolved"}'] == 1
    with story.house.database.write() as session:
        # Amina's pump flaps, and what did not reach Jonas by SMS is sent anew by e-mail.
        fault = session.scalars(select(Fault).where(Fault.state == "resolved")).one()
        fault.state, fault.flapping = "firing", True
        on_to_the_next_channel(session.get_one(Message, failed.id))
    after = _counters(story.house)
    assert {name for name in before if after.get(name, 0.0) < before[name]} == set()


def _counters(house: House) -> dict[str, float]:
    lines = house.client.get("/metrics").text.splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if "_total{" in line)
    return {name: float(value) for name, value in samples}


def test_old_news_reaches_nobody_outside_the_house(empty: House) -> None:
    story = Story(empty)
    story.fleet()
    rule = "kind: rule\nname: grave\nproduct: heatpump-x\nwhen: pressure < 1\nseverity: major\nstage: live\nhold: 0s"
    empty.apply(rule)
    now = empty.clock.now()
    stamped = now - timedelta(hours=30)
    old = Transition(
        rule="grave",
        version=1,
        device_id="hp-camille",
        episode=1,
        state=TransitionState.FIRING,
        at=stamped,
        onset=stamped,
        severity=Severity.MAJOR,
        received_at=now,
    )
    with empty.database.write() as session:
        pipeline.on_transitions(session, [old], now=now)
    for _ in range(48):
        empty.clock.advance(hours=1)
        story.settle()
    with empty.database.read() as session:
        assert session.scalars(select(SandboxMessage)).all() == []
        (opening,) = session.scalars(select(Message)).all()
        assert (opening.stage, opening.state) == ("opening", "suppressed")
    assert [row["state"] for row in empty.client.get("/v1/tickets").json()["items"]] == ["pending_agent"]


@pytest.fixture
def fresh(house: House) -> House:
    """One ticket opened by hand."""
    answer = house.client.post("/v1/tickets", json={"device_id": "hp-1", "title": "It hums", "text": "At night"})
    assert answer.status_code == 201
    return house


def test_a_ticket_by_hand_is_worked_on(fresh: House) -> None:
    client = fresh.client
    assert client.post("/v1/tickets/1/comments", json={"text": "Called twice"}).status_code == 200
    assert client.post("/v1/tickets/1/assign", json={"assignee": "Claire"}).json()["assignee"] == "Claire"
    moved = client.post("/v1/tickets/1/transitions", json={"to": "closed", "reason": "told what to do"}).json()
    assert (moved["state"], moved["closed_by"], moved["customer_id"]) == ("closed", "agent", "c-1")
    assert [entry["kind"] for entry in moved["timeline"]].count("comment") == 2


def test_an_illegal_move_is_409_with_the_legal_ones(fresh: House) -> None:
    fresh.client.post("/v1/tickets/1/transitions", json={"to": "cancelled"})
    answer = fresh.client.post("/v1/tickets/1/transitions", json={"to": "open"})
    assert answer.status_code == 409
    assert (answer.json()["now"], answer.json()["legal"]) == ("cancelled", [])


def test_a_second_ticket_for_the_same_is_409(fresh: House) -> None:
    assert fresh.client.post("/v1/tickets", json={"device_id": "hp-1", "title": "Again"}).status_code == 409
    assert fresh.client.post("/v1/tickets", json={"device_id": "nothing", "title": "Again"}).status_code == 404


def test_commands_are_checked_and_one_at_a_time(house: House) -> None:
    client = house.client
    assert client.post("/v1/devices/hp-1/commands", json={"name": "explode"}).status_code == 404
    assert client.post("/v1/devices/hp-1/commands", json={"name": "restart", "args": {"x": 1}}).status_code == 422
    assert client.post("/v1/devices/hp-1/commands", json={"name": "restart"}).status_code == 202
    assert client.post("/v1/devices/hp-1/commands", json={"name": "restart"}).status_code == 409


def test_a_visit_moves_once_however_often_it_is_told(story: Story) -> None:
    client = story.house.client
    for _ in range(2):
        assert client.post("/v1/visits/1/en-route").json()["state"] == "en_route"
    story.settle()
    ways = [m for m in client.get("/v1/messages?customer_id=c-camille").json()["items"] if m["stage"] == "on_the_way"]
    assert len(ways) == 1
    assert client.post("/v1/visits/1/arrive").json()["state"] == "on_site"
    illegal = client.post("/v1/visits/1/decline", json={"reason": "no"})
    assert (illegal.status_code, "completed" in illegal.json()["legal"]) == (409, True)
    done = client.post("/v1/visits/1/complete", json={"outcome": "fixed", "note": "New sensor"}).json()
    assert (done["state"], done["note"]) == ("completed", "New sensor")


def test_a_service_is_recorded_once_however_often_the_visit_is_told_to_be_over(story: Story) -> None:
    client = story.house.client
    for move in ("en-route", "arrive"):
        client.post(f"/v1/visits/1/{move}")
    for _ in range(2):
        said = {"outcome": "fixed", "note": "New filter", "serviced": True}
        assert client.post("/v1/visits/1/complete", json=said).json()["state"] == "completed"
        story.house.clock.advance(minutes=1)
    with story.house.database.read() as session:
        entries = [decode(row.body)[0] for row in session.scalars(select(ControlEntry).order_by(ControlEntry.id))]
    assert len([entry for entry in entries if isinstance(entry, Serviced)]) == 1


def test_a_service_record_reaches_the_engines_unless_it_is_older_than_the_newest(house: House) -> None:
    client = house.client
    answer = client.post("/v1/devices/hp-1/service")
    assert (answer.status_code, answer.json()) == (202, {"device_id": "hp-1", "last_service": iso(START)})
    older = client.post("/v1/devices/hp-1/service", json={"at": iso(START - timedelta(days=3))})
    assert older.json()["last_service"] == iso(START)
    assert client.post("/v1/devices/hp-1/service", json={"at": iso(START + timedelta(days=3))}).status_code == 422
    assert client.post("/v1/devices/hp-1/service", json={"at": "2026-03-02T09:00:00"}).status_code == 422
    assert client.post("/v1/devices/nobody/service").status_code == 404
    with house.database.read() as session:
        (row,) = session.scalars(select(ControlEntry).order_by(ControlEntry.id.desc()).limit(1))
        assert decode(row.body) == (Serviced("hp-1", to_ms(START)),)
        assert row.device_id == "hp-1"


def test_a_false_alarm_says_sorry(story: Story) -> None:
    (fault,) = story.house.client.get("/v1/faults?device_id=wm-sophie").json()["items"]
    answer = story.house.client.post(f"/v1/faults/{fault['id']}/verdict", json={"verdict": "false_alarm"})
    assert answer.json()["verdict_by"] == "agent"
    story.settle()
    stages = [m["stage"] for m in story.house.client.get("/v1/messages?customer_id=c-sophie").json()["items"]]
    assert "false_alarm" in stages


def test_sending_is_paused_with_the_queued_count(fresh: House) -> None:
    assert fresh.client.post("/v1/messages/pause").json() == {"paused": True, "queued": 0}
    assert fresh.client.post("/v1/messages/resume").json() == {"paused": False, "queued": 0}
