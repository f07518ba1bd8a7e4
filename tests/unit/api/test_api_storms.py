"""Storms, windows, inhibitions and firmwares from outside: manifests, REST, pages, and who gets a message."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app import pipeline
from domain.faults import Severity, Transition, TransitionState
from domain.intake import Heard
from store.notes import SqlNotes
from store.tables import Fault, FirmwarePeriod, Inhibition, Message, RuleVersion, SandboxMessage
from tests.fakes.api_house import FLEET, House
from tests.fakes.api_story import Story

RULES = """
kind: rule
name: offline
product: heatpump-x
family: link
title: {en: No connection}
when: pressure < 0.1
stage: live
hold: 60s
storm: {by: [gateway], devices: 3, share: 0.5}
---
kind: rule
name: gateway-down
product: heatpump-x
when: pressure < 0
stage: live
hold: 0s
inhibits: [{rule: offline, on: below_gateway}, {family: cooling}]
active: [{days: mon-fri, from: "08:00", to: "20:00"}]
"""
HOMES = "".join(
    f"""
---
kind: customer
id: o-{n}
name: Owner {n}
phone: "+3361234560{n}"
quiet_hours: null
---
kind: device
id: d-{n}
product: heatpump-x
customer: o-{n}
gateway: gw-1
attributes: {{firmware: 2.0.{n % 2}}}
"""
    for n in range(5)
)


@pytest.fixture
def many(settled: House, tmp_path: Path) -> Iterator[Story]:
    """Five heat pumps behind a gateway."""
    house = settled.copy(tmp_path)
    house.apply(RULES + HOMES)
    yield Story(house)
    house.close()


def fires(story: Story, device: str, rule: str = "offline", state: TransitionState = TransitionState.FIRING) -> None:
    now = story.house.clock.now()
    step = Transition(rule, 1, device, 1, state, now, now, Severity.MINOR, now, evidence={"pressure": 0.0})
    with story.house.database.write() as session:
        pipeline.on_transitions(session, [step], now=now)
    story.settle()


def sent(story: Story) -> list[SandboxMessage]:
    with story.house.database.read() as session:
        return list(session.scalars(select(SandboxMessage)))


def storm(story: Story) -> int:
    for n in range(4):
        fires(story, f"d-{n}")
    story.advance(minutes=3)
    (parent,) = [row for row in story.house.client.get("/v1/tickets").json()["items"] if row["scope"]]
    return int(parent["id"])


def test_a_storm_is_one_ticket_with_children_on_rest_and_on_every_page(many: Story) -> None:
    parent = storm(many)
    client, browser = many.house.client, many.house.browser()
    ticket = client.get(f"/v1/tickets/{parent}").json()
    assert (ticket["device_id"], ticket["cause"], ticket["state"]) == ("gateway/gw-1", "storm", "pending_agent")
    assert [child["device_id"] for child in ticket["children"]] == [f"d-{n}" for n in range(4)]
    listed = client.get(f"/v1/tickets?parent_id={parent}").json()["items"]
    assert {row["parent_id"] for row in listed} == {parent}
    assert sent(many) == []
    for path in ("/", "/tickets"):
        page = browser.get(path).text
        assert "Gateway gw-1: No connection" in page
        assert "4 devices" in page
    assert "Owner 0" not in browser.get("/tickets").text, "children stand on their parent's page"
    page = browser.get(f"/tickets/{parent}").text
    assert "Its 4 devices" in page
    assert f'href="/tickets/{ticket["children"][0]["id"]}"' in page
    child = browser.get(f"/tickets/{ticket['children'][0]['id']}").text
    assert "Part of a wider fault" in child
    assert f'href="/tickets/{parent}"' in child


def test_closed_as_no_common_cause_the_owners_are_told_after_all(many: Story) -> None:
    parent = storm(many)
    moved = many.house.client.post(
        f"/v1/tickets/{parent}/transitions", json={"to": "closed", "reason": "not common cause"}
    )
    assert moved.status_code == 200
    many.advance(minutes=2)
    assert len({message.address for message in sent(many)}) == 4


def test_what_is_inhibited_says_so_and_is_told_when_the_source_is_gone(many: Story) -> None:
    fires(many, "d-0", "gateway-down")
    fires(many, "d-1")
    (fault,) = many.house.client.get("/v1/faults?rule=offline").json()["items"]
    assert (fault["state"], fault["ticket_id"]) == ("firing", None)
    assert fault["kept_back"] == f"fault {fault['inhibited_by']} inhibits it"
    assert "kept back" in many.house.browser().get("/devices/d-1").text
    fires(many, "d-0", "gateway-down", TransitionState.RESOLVED)
    many.advance(minutes=3)
    (fault,) = many.house.client.get("/v1/faults?rule=offline").json()["items"]
    assert (fault["inhibited_by"], fault["kept_back"]) == (None, None)
    assert many.house.client.get(f"/v1/tickets/{fault['ticket_id']}").json()["state"] == "pending_customer"


def test_a_message_that_waits_is_withheld_when_a_window_begins(many: Story) -> None:
    many.house.apply("kind: mute\nname: works\ngateway: gw-1\nstart: 2026-03-03T08:00\nduration: 3h\nreason: works")
    many.house.client.delete("/v1/mutes/works")
    fires(many, "d-1")
    many.house.apply("kind: mute\nname: works\ngateway: gw-1\nstart: 2026-03-03T08:00\nduration: 3h\nreason: works")
    many.advance(minutes=30)
    assert sent(many) == []
    many.advance(hours=2, minutes=45)
    assert [message.address for message in sent(many)] == ["+33612345601"]


def test_unstable_is_a_state_of_its_own_to_look_at(many: Story) -> None:
    fires(many, "d-0", "gateway-down")
    fires(many, "d-1", "gateway-down")
    fires(many, "d-0", "gateway-down", TransitionState.FLAPPING)
    client = many.house.client
    for query, devices in (("true", ["d-0"]), ("false", ["d-1"])):
        found = client.get(f"/v1/faults?flapping={query}").json()["items"]
        assert [(fault["device_id"], fault["state"]) for fault in found] == [(devices[0], "firing")]
    browser = many.house.browser()
    assert ">unstable<" in browser.get("/devices/d-0").text
    assert ">unstable<" in browser.get("/devices").text
    (ticket,) = client.get("/v1/tickets?device_id=d-0").json()["items"]
    assert ">unstable<" in browser.get(f"/tickets/{ticket['id']}").text
    assert ">unstable<" not in browser.get("/devices/d-1").text


def test_a_rule_brings_its_storm_its_hours_and_its_inhibitions_along(many: Story) -> None:
    with many.house.database.read() as session:
        version = session.get_one(RuleVersion, ("gateway-down", 1))
        assert version.active == [{"days": [0, 1, 2, 3, 4], "from": "08:00", "to": "20:00"}]
        assert session.get_one(RuleVersion, ("offline", 1)).storm["by"] == ["gateway"]
        aims = session.scalars(select(Inhibition).order_by(Inhibition.id)).all()
        assert [(aim.rule, aim.target_rule, aim.target_family, aim.reach) for aim in aims] == [
            ("gateway-down", "offline", None, "below_gateway"),
            ("gateway-down", None, "cooling", "device"),
        ]


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("inhibits: [{rule: offlien}]", "inhibits.0.rule", "no rule 'offlien'; did you mean offline?"),
        ("inhibits: [{family: lnk}]", "inhibits.0.family", "no rule of family 'lnk'"),
        ("inhibits: [{rule: r}]", "inhibits.0.rule", "would inhibit itself"),
        ("inhibits: offline", "inhibits", "is not a list"),
        ("inhibits: [{rule: offline, family: link}]", "inhibits.0.rule", "names both"),
        ("inhibits: [{rule: offline, on: site}]", "inhibits.0.on", "is not one of them"),
        ("active: [{from: '08:00', to: '08:00'}]", "active.0.to", "is where it begins, too"),
        ("active: [{days: mon-fry, from: '08:00', to: '20:00'}]", "active.0.days", "names no days"),
        ("active: [{from: 8h, to: '20:00'}]", "active.0.from", "is not a time of day"),
        ("storm: {devices: 1}", "storm.devices", "is not a whole number from 2"),
        ("storm: {share: 20}", "storm.share", "is no share"),
        ("storm: {by: gateway}", "storm.by", "is not a list of names"),
        ("storm: {gateway: 5}", "storm.gateway", "unknown key"),
    ],
)
def test_a_mistake_in_these_keys_is_named_with_its_cure(many: Story, text: str, key: str, problem: str) -> None:
    rule = f"kind: rule\nname: r\nproduct: heatpump-x\nwhen: pressure > 1\n{text}"
    answer = many.house.client.post("/v1/rules/validate", content=rule).json()
    (error,) = answer["errors"]
    assert error["key"] == key
    assert problem in f"{error['problem']}; {error['cure']}"
    assert error["line"] == 5


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("site: 2 rue X\nfor: 2h", "site", "no device stands at"),
        ("gateway: gw-9\nfor: 2h", "gateway", "no device is behind"),
        ("product: heatpump-y\nfor: 2h", "product", "no product"),
        ("rule: offlin\nfor: 2h", "rule", "no rule"),
        ("rule: offline\ndevice: d-1\nfor: 2h", "", "covers device and rule"),
        ("for: 2h", "", "covers nothing"),
        ("rule: offline\nstart: 2026-03-02T22:00", "", "is not whole"),
        ("rule: offline\nstart: 2026-03-02T22:00Z\nduration: 2h", "start", "without an offset"),
        (
            "rule: offline\nstart: 2026-03-02T22:00\nduration: 2h\nrrule: FREQ=MINUTELY",
            "rrule",
            "more often than daily",
        ),
        ("rule: offline\nstart: 2026-03-02T22:00\nduration: 2h\ntimezone: Paris", "timezone", "not a time zone"),
        ("rule: offline\nstart: 2026-03-02T22:00\nduration: 2h\nfor: 2h", "", "says two ends"),
        ("rule: offline\nuntil: 2026-03-01T00:00:00Z", "until", "is over"),
    ],
)
def test_a_mistake_in_a_mute_is_named_with_its_cure(many: Story, text: str, key: str, problem: str) -> None:
    answer = many.house.client.post("/v1/apply", content=f"kind: mute\n{text}")
    assert answer.status_code == 422, answer.text
    assert problem in answer.text
    assert answer.json()["errors"][0].get("key", "") == key


def test_a_window_is_declared_once_and_listed_with_its_end(many: Story) -> None:
    text = (
        "kind: mute\nname: sunday-night\nproduct: heatpump-x\nstart: 2026-03-01T22:00\nduration: 2h\n"
        "rrule: FREQ=WEEKLY;BYDAY=SU\ntimezone: Europe/Paris\nreason: updates"
    )
    many.house.apply(text)
    (again,) = many.house.client.post("/v1/apply", content=text).json()["items"]
    assert again["outcome"] == "unchanged"
    (shown,) = many.house.client.get("/v1/mutes").json()["items"]
    assert (shown["scope"], shown["value"], shown["until"]) == ("product", "heatpump-x", None)
    many.house.clock.advance(days=5, hours=13, minutes=30)
    assert many.house.client.get("/v1/mutes/sunday-night").json()["until"] == "2026-03-08T23:00:00Z"
    assert many.house.client.delete("/v1/mutes/sunday-night").status_code == 204
    assert many.house.client.get("/v1/mutes/sunday-night").status_code == 404


def test_firmware_is_noted_from_manifests_reports_and_deletion(many: Story) -> None:
    house, began = many.house, many.house.clock.now()
    house.clock.advance(days=2)
    SqlNotes(house.database).write(
        {"d-0": Heard(last_seen=1, reported={"firmware": "9"})}, [], now=house.clock.now()
    )  # fmt: skip
    house.apply("kind: device\nid: d-1\nproduct: heatpump-x\nattributes: {firmware: 3.0.0}")
    house.client.delete("/v1/devices/d-2")
    with house.database.read() as session:
        periods = session.scalars(select(FirmwarePeriod).order_by(FirmwarePeriod.id)).all()
        found = {(one.device_id, one.firmware): (one.since, one.until) for one in periods}
    later = began + timedelta(days=2)
    assert found["d-0", "2.0.0"] == (began, None), "a declared attribute wins over a reported one"
    assert found["d-1", "2.0.1"] == (began, later)
    assert found["d-1", "3.0.0"] == (later, None)
    assert found["d-2", "2.0.0"] == (began, later)


def test_the_firmwares_of_a_product_stand_beside_each_other(many: Story) -> None:
    many.house.clock.advance(days=10)
    many.settle()
    rows = many.house.client.get("/v1/firmwares?product=heatpump-x").json()["items"]
    figures = {row["firmware"]: (row["devices"], row["device_days"], row["worse"], row["enough"]) for row in rows}
    assert figures["2.0.0"] == (3, 30.0, False, False)
    assert many.house.client.get("/v1/firmwares?product=nothing").status_code == 404


def test_old_rules_keep_the_meaning_that_they_had(settled: House) -> None:
    assert "storm" not in FLEET
    with settled.database.read() as session:
        version = session.get_one(RuleVersion, ("compressor-overheat", 1))
        assert (version.storm["devices"], version.active, version.silence) == (5, [], {})
        assert session.scalars(select(Message)).all() == []
        assert session.scalars(select(Fault)).all() == []
