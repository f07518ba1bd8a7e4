"""A fleet that falls silent is one fault: nobody hears "your device is offline" a thousand times."""

from datetime import timedelta

import pytest

from domain.tickets import TicketState
from store.tables import Device, DeviceValue, Message, Ticket
from tests.fakes.desk import Desk
from tests.fakes.fleet import stand
from tickets.service import move

LIMIT = timedelta(minutes=10)


@pytest.fixture(params=[0.0, 60.0])
def fleet(desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Twenty devices that report each minute; after ten of silence a rule finds them offline, with or without hold."""
    desk.rule("offline", family="link", hold_s=request.param, silence={"quiet_for": ""}, title={"en": "Offline"})
    stand(desk, 20)
    return desk


def heard(desk: Desk, devices: range, *, ago: timedelta = timedelta()) -> None:
    with desk.write() as session:
        for number in devices:
            at = desk.now - ago - timedelta(seconds=3 * number)
            session.get_one(Device, f"d-{number}").last_seen = at


def falls_silent(desk: Desk, number: int, *, rule: str = "offline") -> None:
    desk.fires(rule, device=f"d-{number}", evidence={"quiet_for": LIMIT.total_seconds()})


def parents(desk: Desk) -> list[Ticket]:
    return [ticket for ticket in desk.tickets() if ticket.scope]


def test_the_first_of_a_silent_fleet_is_held_though_the_others_have_not_fired_yet(fleet: Desk) -> None:
    heard(fleet, range(20), ago=LIMIT - timedelta(seconds=60))
    falls_silent(fleet, 19)
    fleet.advance(minutes=2)
    (parent,) = parents(fleet)
    assert (parent.scope, parent.device_id, parent.cause) == ("fleet", "fleet/heatpump", "fleet")
    assert (parent.state, parent.title["en"]) == ("pending_agent", "All of heatpump: Offline")
    assert (fleet.announced, fleet.rows(Message)) == ([], [])


def test_when_they_come_back_nobody_is_told(fleet: Desk) -> None:
    heard(fleet, range(20), ago=LIMIT)
    for number in range(20):
        falls_silent(fleet, number)
        fleet.advance(seconds=3)
    fleet.advance(hours=3)
    assert len(parents(fleet)) == 1
    for number in range(20):
        heard(fleet, range(number, number + 1))
        fleet.clears("offline", device=f"d-{number}")
        fleet.advance(seconds=3)
    assert (parents(fleet)[0].state, fleet.announced) == ("resolved", [])


def test_one_that_stays_silent_when_the_fleet_is_back_is_told_in_the_end(fleet: Desk) -> None:
    heard(fleet, range(20), ago=LIMIT)
    for number in range(20):
        falls_silent(fleet, number)
    fleet.advance(hours=2)
    for number in range(19):
        fleet.clears("offline", device=f"d-{number}")
    heard(fleet, range(19))
    fleet.advance(minutes=5)
    assert (parents(fleet)[0].state, fleet.announced) == ("pending_agent", []), "stragglers have a while"
    for _ in range(6):
        heard(fleet, range(19))
        fleet.advance(minutes=5)
    assert parents(fleet)[0].state == "resolved"
    assert {
        fleet.tickets()[index].device_id
        for index in range(21)
        if fleet.tickets()[index].state not in {"resolved", "closed"}
    } == {"d-19"}
    assert len(fleet.announced) == 1


def test_a_few_that_are_silent_in_a_living_fleet_are_told(fleet: Desk) -> None:
    heard(fleet, range(20))
    heard(fleet, range(3), ago=LIMIT)
    for number in range(3):
        falls_silent(fleet, number)
    fleet.advance(minutes=2)
    assert (parents(fleet), len(fleet.announced)) == ([], 3)


def test_a_gateway_that_falls_silent_takes_only_its_own_with_it(fleet: Desk) -> None:
    with fleet.write() as session:
        for number in range(8):
            session.get_one(Device, f"d-{number}").gateway = "gw-1"
    heard(fleet, range(20))
    heard(fleet, range(8), ago=LIMIT)
    falls_silent(fleet, 7)
    fleet.advance(minutes=2)
    assert [(parent.scope, parent.device_id) for parent in parents(fleet)] == [("gateway", "gateway/gw-1")]
    assert fleet.announced == []


def test_devices_long_out_of_use_are_no_reason_to_keep_quiet(fleet: Desk) -> None:
    heard(fleet, range(10, 20), ago=timedelta(days=30))
    heard(fleet, range(10))
    heard(fleet, range(1), ago=LIMIT)
    falls_silent(fleet, 0)
    fleet.advance(minutes=2)
    assert (parents(fleet), len(fleet.announced)) == ([], 1)


def test_a_house_with_two_devices_has_no_fleet(desk: Desk) -> None:
    desk.rule("offline", family="link", silence={"quiet_for": ""})
    desk.fires("offline")
    desk.fires("offline", device="hp-2")
    assert len(desk.announced) == 2


def test_the_silence_of_a_metric_is_judged_by_that_metric(desk: Desk) -> None:
    desk.rule("no-power-value", family="meter", silence={"quiet_for": "power"})
    stand(desk, 20)
    heard(desk, range(20))
    with desk.write() as session:
        for number in range(20):
            at = desk.now - (LIMIT if number < 2 else timedelta(seconds=number))
            session.add(DeviceValue(device_id=f"d-{number}", metric="power", value={"v": 1}, event_time=at))
    falls_silent(desk, 0, rule="no-power-value")
    desk.advance(minutes=1)
    assert (parents(desk), len(desk.announced)) == ([], 1)
    with desk.write() as session:
        for number in range(20):
            session.get_one(DeviceValue, (f"d-{number}", "power")).event_time = desk.now - LIMIT
    falls_silent(desk, 1, rule="no-power-value")
    desk.advance(minutes=1)
    assert (len(parents(desk)), len(desk.announced)) == (1, 1)


def test_an_agent_may_let_all_of_them_be_told(fleet: Desk) -> None:
    heard(fleet, range(20), ago=LIMIT)
    for number in range(20):
        falls_silent(fleet, number)
    fleet.advance(minutes=2)
    fleet.do(move, parents(fleet)[0].id, TicketState.CLOSED, actor="agent", reason="their line is cut for good")
    fleet.advance(minutes=1)
    assert len(fleet.announced) == 20
