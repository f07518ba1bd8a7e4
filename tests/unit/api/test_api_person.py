"""A person's own page and the sentences of why: what is chosen there holds, and nobody opens another's."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from domain.links import Purpose
from domain.messages import Channel
from domain.messages import Purpose as About
from domain.tickets import TicketState
from store import people
from store.tables import Consent, Customer, Device, Disowned, Message, Ticket
from store.wishes import ASKED
from tests.fakes.api_house import House

EVERYTHING = {
    f"{channel}.{about}": "on"
    for channel in ("sms", "email", "voice")
    for about in ("safety", "service", "appointment")
}
USUAL = {**EVERYTHING, "from": "21:00", "to": "08:00", "language": "en"}


@pytest.fixture
def page(house: House) -> str:
    return f"/p/{house.signer.name_token(Purpose.PERSON, 'c-1')}"


def stranger(house: House):
    return house.browser(signed_in=False)


def alice(house: House) -> Customer:
    with house.database.read() as session:
        return session.get_one(Customer, "c-1")


def test_only_the_signed_link_opens_it_and_looking_changes_nothing(house: House, page: str) -> None:
    before = vars(alice(house)).copy()
    assert "Heat pump" in stranger(house).get(f"{page}?lang=en").text
    assert stranger(house).get("/p/c-1.AAAAAAAAAAAA").status_code == 403
    assert stranger(house).get(page.replace("c-1", "c-2")).status_code == 403
    assert "Enregistrer" in stranger(house).get(f"{page}?lang=fr").text
    before.pop("_sa_instance_state")
    assert before == {name: value for name, value in vars(alice(house)).items() if name != "_sa_instance_state"}


def test_saving_what_is_so_writes_nothing_into_the_ledger(house: House, page: str) -> None:
    assert stranger(house).post(f"{page}/wishes", data=USUAL).status_code == 303
    with house.database.read() as session:
        assert session.scalars(select(Consent)).all() == []


def test_each_channel_and_purpose_can_be_refused_and_wanted_again(house: House, page: str) -> None:
    some = {name: value for name, value in USUAL.items() if name not in {"sms.service", "email.appointment"}}
    stranger(house).post(f"{page}/wishes", data=some)
    with house.database.read() as session:
        assert people.customer(session, "c-1").refused == {
            (Channel.SMS, About.SERVICE): "page",
            (Channel.EMAIL, About.APPOINTMENT): "page",
        }
    shown = stranger(house).get(page).text
    assert re.findall(r'name="((?:sms|email)\.\w+)">', shown) == ["sms.service", "email.appointment"]
    stranger(house).post(f"{page}/wishes", data=USUAL)
    with house.database.read() as session:
        assert people.customer(session, "c-1").refused == {}


def test_calls_can_be_refused_too_for_they_need_but_a_number(house: House, page: str) -> None:
    assert 'name="voice.service" checked' in stranger(house).get(page).text
    silent = {name: value for name, value in USUAL.items() if not name.startswith("voice.")}
    stranger(house).post(f"{page}/wishes", data=silent)
    with house.database.read() as session:
        assert people.customer(session, "c-1").refused == {(Channel.VOICE, about): "page" for about in ASKED}
        session.get_one(Customer, "c-1").phone = None
        assert "voice" not in people.customer(session, "c-1").reached_by


def test_saving_after_an_absence_leaves_the_summary_of_the_evening_at_its_hour(house: House, page: str) -> None:
    now, evening = house.clock.now(), house.clock.now() + timedelta(hours=9)
    with house.database.write() as session:
        session.get_one(Customer, "c-1").away_until = now - timedelta(days=3)
        to = {"recipient_kind": "customer", "recipient_id": "c-1", "state": "held", "created_at": now}
        session.add(Message(stage="digest", occurrence="2026-03-03", not_before=evening, **to))
    stranger(house).post(f"{page}/wishes", data=USUAL)
    with house.database.read() as session:
        assert session.scalars(select(Message.not_before).where(Message.stage == "digest")).all() == [evening]


def test_what_was_chosen_outlives_the_same_manifest_and_yields_to_a_changed_one(house: House, page: str) -> None:
    chosen = {**USUAL, "from": "22:30", "to": "07:00", "sundays": "on", "digest": "on", "language": "fr"}
    stranger(house).post(f"{page}/wishes", data={**chosen, "away_until": "2026-03-20"})
    said = house.client.get("/v1/customers/c-1").json()
    assert said["quiet_hours"] == {"from": "22:30", "to": "07:00", "sundays": True}
    assert (said["digest"], said["language"]) == ("daily", "fr")
    assert alice(house).away_until == datetime(2026, 3, 20, 23, tzinfo=UTC)
    assert said["contact_of"] == [{"device": "hp-1", "role": "owner"}]
    house.apply()
    assert (alice(house).quiet_from, alice(house).language) == ("22:30", "fr")
    answer = house.client.patch("/v1/customers/c-1", json={"digest": None, "away_until": None, "language": "en"})
    assert (answer.json()["digest"], answer.json()["away_until"], answer.json()["language"]) == (None, None, "en")
    assert alice(house).quiet_from == "22:30"


@pytest.mark.parametrize("wrong", [{"from": "late"}, {"language": "tlh"}, {"away_until": "soon"}])
def test_what_is_no_answer_is_refused(house: House, page: str, wrong: dict[str, str]) -> None:
    assert stranger(house).post(f"{page}/wishes", data={**USUAL, **wrong}).status_code == 422


def test_a_device_that_is_not_theirs_leaves_the_page_and_the_desk_hears_of_it(house: House, page: str) -> None:
    ticket = house.client.post("/v1/tickets", json={"device_id": "hp-1", "title": "Too hot"}).json()["id"]
    assert stranger(house).post(f"{page}/not-mine", data={"device": "hp-9"}).status_code == 404
    assert stranger(house).post(f"{page}/not-mine", data={"device": "hp-1"}).status_code == 303
    with house.database.read() as session:
        assert session.scalars(select(Disowned.customer_id)).all() == ["c-1"]
        wanted = session.scalars(select(Message).where(Message.stage == "call_wanted")).all()
        assert [(one.ticket_id, one.details["reason"]) for one in wanted] == [
            (ticket, "Alice Martin says that hp-1 is not theirs")
        ]
        assert (wanted[0].details["caller_name"], wanted[0].details["caller"]) == ("Alice Martin", "+33612345678")
    shown = stranger(house).get(page).text
    assert "1 rue de la Paix" not in shown
    assert f'action="{page}/not-mine"' not in shown


def test_where_nothing_is_open_the_desk_gets_a_ticket_that_asks_whose_it_is(house: House, page: str) -> None:
    stranger(house).post(f"{page}/not-mine", data={"device": "hp-1"})
    (ticket,) = house.client.get("/v1/tickets?device_id=hp-1").json()["items"]
    assert (ticket["title"]["en"], ticket["state"]) == ("Whose device is it?", "open")
    with house.database.read() as session:
        (wanted,) = session.scalars(select(Message)).all()
        assert (wanted.stage, wanted.ticket_id) == ("call_wanted", ticket["id"])


def test_a_slip_of_the_finger_is_taken_back(house: House, page: str) -> None:
    stranger(house).post(f"{page}/not-mine", data={"device": "hp-1"})
    shown = stranger(house).get(f"{page}?lang=en").text
    assert "It is mine after all" in shown
    assert f'action="{page}/not-mine"' not in shown
    assert stranger(house).post(f"{page}/mine", data={"device": "hp-1"}).status_code == 303
    assert f'action="{page}/not-mine"' in stranger(house).get(page).text
    with house.database.read() as session:
        assert session.scalars(select(Disowned.customer_id)).all() == []


def test_why_somebody_was_told_and_why_somebody_was_not(house: House) -> None:
    now = house.clock.now()
    with house.database.write() as session:
        session.add(Customer(id="c-8", name="Nina"))
        session.flush()
        session.get_one(Device, "hp-1").contacts = [{"customer": "c-8", "role": "neighbour"}]
        facts = {"opened_at": now, "onset": now, "updated_at": now, "cause": "fault", "severity": "major"}
        session.add(
            Ticket(id=1, device_id="hp-1", family="x", customer_id="c-1", state=TicketState.OPEN, title={}, **facts)
        )
        session.flush()
        to = {"recipient_kind": "customer", "recipient_id": "c-1", "not_before": now, "created_at": now}
        session.add(Message(id=1, ticket_id=1, stage="opening", state="suppressed", reason="the device is muted", **to))
    assert house.client.get("/v1/messages/1").json()["why"] == "Alice Martin was not told: the device is muted."
    told = house.client.get("/v1/messages/why", params={"ticket_id": 1, "customer_id": "c-1"}).json()
    assert [(one["id"], one["why"]) for one in told["messages"]] == [(1, told["why"])]
    other = house.client.get("/v1/messages/why", params={"ticket_id": 1, "customer_id": "c-8"}).json()
    assert other == {
        "why": "Nina was told nothing: as neighbour they are told of safety alone, and this is about service.",
        "messages": [],
    }
    assert house.client.get("/v1/messages/why", params={"ticket_id": 1, "customer_id": "x"}).status_code == 404
    assert "Alice Martin was not told: the device is muted." in house.browser().get("/tickets/1").text
