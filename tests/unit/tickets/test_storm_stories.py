"""Storms told as stories: many devices, one parent for agents, and silence towards the owners."""

from datetime import timedelta

import pytest

from domain.clock import FakeClock
from domain.faults import EndReason, Severity
from domain.messages import MessageStage
from domain.tickets import TicketState
from store import due
from store.tables import Command, Device, Due, Message, Ticket, TimelineEntry, Visit
from tests.fakes.desk import LADDER, Desk
from tests.fakes.fleet import stand
from tickets import service
from tickets.service import move

OPENING, RESOLVED = MessageStage.OPENING, MessageStage.RESOLVED


@pytest.fixture
def stormy(desk: Desk) -> Desk:
    """A rule that waits a minute, and would restart devices before it tells their owners."""
    desk.playbook({**LADDER, "healthy_for": "0s"})
    desk.rule("offline", family="link", hold_s=60.0, playbook="restart-then-ask", title={"en": "No connection"})
    return desk


def parents(desk: Desk) -> list[Ticket]:
    return [ticket for ticket in desk.tickets() if ticket.scope]


def children(desk: Desk) -> list[Ticket]:
    return [ticket for ticket in desk.tickets() if ticket.parent_id]


def strike(desk: Desk, devices: list[str], *, rule: str = "offline", within: float = 10.0) -> None:
    for device in devices:
        desk.fires(rule, device=device)
        desk.clock.advance(seconds=within / len(devices))


def test_five_hundred_devices_behind_a_gateway_are_one_parent_and_no_message(stormy: Desk) -> None:
    devices = stand(stormy, 500, gateway="gw-1")
    strike(stormy, devices)
    stormy.advance(hours=1)
    (parent,) = parents(stormy)
    assert (parent.device_id, parent.family, parent.scope) == ("gateway/gw-1", "link", "gateway")
    assert (parent.state, parent.cause, parent.title["en"]) == ("pending_agent", "storm", "Gateway gw-1: No connection")
    assert {child.parent_id for child in stormy.tickets() if not child.scope} == {parent.id}
    assert (stormy.announced, stormy.rows(Message), stormy.rows(Command), stormy.rows(Visit)) == ([], [], [], [])


def test_danger_on_a_device_of_a_storm_waits_for_nobody(stormy: Desk) -> None:
    stormy.rule("gas", family="link", severity="safety")
    strike(stormy, stand(stormy, 6, gateway="gw-1"))
    stormy.advance(minutes=5)
    stormy.fires("gas", device="d-0", severity=Severity.SAFETY)
    stormy.advance(hours=1)
    (ticket,) = [one for one in stormy.tickets() if one.device_id == "d-0"]
    assert (ticket.parent_id, [one.stage for one in stormy.announced], len(children(stormy))) == (None, [OPENING], 5)


def test_the_last_one_that_does_not_recover_is_not_left_alone(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    strike(stormy, devices)
    stormy.advance(minutes=5)
    for device in devices[1:]:
        stormy.clears("offline", device=device)
    stormy.advance(hours=2)
    assert parents(stormy)[0].state in {TicketState.RESOLVED, TicketState.CLOSED}
    assert stormy.stages() == [OPENING]


def test_what_was_no_common_cause_lets_its_children_go_their_own_way(stormy: Desk) -> None:
    strike(stormy, stand(stormy, 6, gateway="gw-1"))
    stormy.advance(minutes=5)
    (parent,) = parents(stormy)
    stormy.clears("offline", device="d-0")
    stormy.do(move, parent.id, TicketState.CLOSED, actor="agent", reason="not common cause")
    stormy.advance(seconds=1)
    assert {command.device_id for command in stormy.rows(Command)} == {f"d-{n}" for n in range(1, 6)}
    for nth in range(5):
        stormy.device_answers("failed", nth=nth)
    assert stormy.stages() == [OPENING] * 5
    assert {message.state for message in stormy.rows(Message)} == {"ready"}, "they have waited long enough"


def test_children_recover_by_telemetry_and_the_last_takes_the_parent_with_it(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    strike(stormy, devices)
    stormy.advance(minutes=5)
    for device in devices:
        assert parents(stormy)[0].state == "pending_agent"
        stormy.clears("offline", device=device)
        stormy.advance(seconds=1)
    (parent,) = parents(stormy)
    assert (parent.state, parent.closed_by) == ("resolved", "telemetry")
    assert {child.state for child in children(stormy)} == {"resolved"}
    assert stormy.announced == []


@pytest.mark.parametrize(
    ("common", "scope"),
    [({"gateway": "gw-1"}, "gateway"), ({"address": "1 rue de la Paix"}, "site"), ({"firmware": "1.4.2"}, "firmware")],
)
def test_a_gateway_a_site_or_a_firmware_may_be_the_common_cause(stormy: Desk, common: dict, scope: str) -> None:
    strike(stormy, stand(stormy, 5, **common))
    stormy.advance(minutes=2)
    assert [parent.scope for parent in parents(stormy)] == [scope]


def test_an_attribute_of_the_makers_own_may_be(desk: Desk) -> None:
    desk.rule("offline", family="link", hold_s=60.0, storm={"by": ["region"], "devices": 3, "share": 0.5})
    stand(desk, 6, prefix="other", attributes={"region": "US"})
    strike(desk, stand(desk, 6, attributes={"region": "EU"})[:3])
    desk.advance(minutes=2)
    assert [parent.device_id for parent in parents(desk)] == ["region/heatpump/EU"]


def test_too_few_devices_are_no_storm(stormy: Desk) -> None:
    strike(stormy, stand(stormy, 40, gateway="gw-1")[:7])
    stormy.advance(minutes=2)
    assert parents(stormy) == []
    assert len(stormy.rows(Command)) == 7, "a fifth of forty would be eight"


def test_faults_further_apart_than_the_hold_are_no_storm(stormy: Desk) -> None:
    for device in stand(stormy, 8, gateway="gw-1"):
        stormy.fires("offline", device=device)
        stormy.advance(seconds=20)
    stormy.advance(minutes=2)
    assert parents(stormy) == []


def test_a_backlog_that_comes_in_one_lump_is_no_storm(stormy: Desk) -> None:
    for number, device in enumerate(stand(stormy, 8, gateway="gw-1")):
        stormy.fires("offline", device=device, age=timedelta(minutes=5 * number))
    stormy.advance(minutes=2)
    assert parents(stormy) == []


def test_other_families_do_not_count_together(stormy: Desk) -> None:
    stormy.rule("noise", hold_s=60.0)
    devices = stand(stormy, 8, gateway="gw-1")
    strike(stormy, devices[:4])
    strike(stormy, devices[4:], rule="noise")
    stormy.advance(minutes=2)
    assert parents(stormy) == []


def test_late_comers_join_while_the_parent_is_open(stormy: Desk) -> None:
    devices = stand(stormy, 9, gateway="gw-1")
    strike(stormy, devices[:6])
    stormy.advance(minutes=30)
    stormy.fires("offline", device=devices[7])
    stormy.advance(minutes=2)
    assert len(children(stormy)) == 7
    assert stormy.announced == []
    assert "child_joined" in stormy.story(parents(stormy)[0].id)


def test_a_rule_without_hold_waits_for_nobody(desk: Desk) -> None:
    desk.rule("offline", family="link", hold_s=0.0)
    strike(desk, stand(desk, 8, gateway="gw-1"))
    assert desk.stages() == [OPENING] * 8
    desk.advance(minutes=2)
    assert parents(desk) == []


def test_where_no_storm_is_possible_nothing_but_the_message_waits(stormy: Desk) -> None:
    stand(stormy, 4, gateway="gw-1")
    stormy.fires("offline", device="d-0")
    assert [command.name for command in stormy.rows(Command)] == ["restart"]


def test_what_endangers_people_is_never_held_for_others(desk: Desk) -> None:
    desk.rule("gas", hold_s=60.0, severity="safety")
    for device in stand(desk, 8, gateway="gw-1"):
        desk.fires("gas", device=device, severity=Severity.SAFETY)
    assert desk.stages() == [OPENING] * 8


def test_a_message_whose_hold_is_over_does_not_wait_a_second_time(desk: Desk) -> None:
    desk.rule("warm", hold_s=60.0)
    stand(desk, 8, gateway="gw-1")
    desk.fires("warm", device="d-0")
    assert desk.announced == []
    desk.advance(seconds=60)
    (message,) = desk.rows(Message)
    assert (message.state, message.not_before) == ("ready", desk.now)


def test_a_fault_that_goes_while_it_waits_tells_nobody(desk: Desk) -> None:
    desk.rule("warm", hold_s=60.0)
    stand(desk, 8, gateway="gw-1")
    desk.fires("warm", device="d-0")
    desk.advance(seconds=30)
    desk.clears("warm", device="d-0")
    desk.advance(hours=1)
    assert desk.rows(Message) == []
    assert desk.ticket.state in {"closed", "resolved"}


def test_the_same_transitions_twice_make_the_same_storm(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    for _ in range(2):
        for device in devices:
            stormy.fires("offline", device=device, episode=1)
    stormy.advance(minutes=2)
    for device in devices:
        stormy.fires("offline", device=device, episode=1)
    stormy.advance(minutes=2)
    assert (len(parents(stormy)), len(children(stormy))) == (1, 6)


def test_a_clock_that_slept_through_the_hold_decides_when_it_wakes(stormy: Desk) -> None:
    strike(stormy, stand(stormy, 6, gateway="gw-1"))
    stormy.sleep_through(hours=7)
    stormy.advance(seconds=0)
    assert (len(parents(stormy)), len(children(stormy)), stormy.announced) == (1, 6, [])


def test_a_clock_that_jumps_back_holds_longer_and_loses_nothing(stormy: Desk) -> None:
    strike(stormy, stand(stormy, 6, gateway="gw-1"))
    stormy.clock = FakeClock(stormy.now - timedelta(hours=1))
    stormy.advance(minutes=30)
    assert (parents(stormy), stormy.announced, stormy.rows(Command)) == ([], [], [])
    stormy.advance(minutes=40)
    assert (len(parents(stormy)), len(children(stormy))) == (1, 6)


def test_killed_at_each_decision_it_is_made_once(stormy: Desk) -> None:
    """Each appointment is done, and taken back as a kill would, before it is done for good."""
    strike(stormy, stand(stormy, 6, gateway="gw-1"))
    for parent_ends in (False, True):
        if parent_ends:
            (parent,) = parents(stormy)
            stormy.do(move, parent.id, TicketState.CLOSED, actor="agent", reason="not common cause")
        until = stormy.now + timedelta(minutes=2)
        while (row := stormy._next_due(until)) is not None:
            stormy.clock.advance(seconds=max(0.0, (row.due_at - stormy.now).total_seconds()))
            for killed in (True, False):
                with stormy.write() as session:
                    taken = due.take(session, row.id)
                    assert taken is not None
                    stormy.hand_on(session, service.on_due(session, taken, now=stormy.now))
                    session.flush()
                    if killed:
                        session.rollback()
    assert (len(parents(stormy)), len(children(stormy))) == (1, 6)
    assert sorted(command.device_id for command in stormy.rows(Command)) == [f"d-{n}" for n in range(6)]
    joined = [entry.ticket_id for entry in stormy.rows(TimelineEntry) if entry.kind == "joined"]
    assert len(joined) == len(set(joined)) == 6


def test_a_storm_that_comes_back_brings_its_parent_back(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    for _ in range(2):
        strike(stormy, devices)
        stormy.advance(minutes=5)
        for device in devices:
            stormy.clears("offline", device=device)
        stormy.advance(minutes=5)
    (parent,) = parents(stormy)
    assert (parent.reopened, parent.state, stormy.announced) == (1, "resolved", [])


def test_a_parent_that_an_agent_ended_stays_so(stormy: Desk) -> None:
    devices = stand(stormy, 12, gateway="gw-1")
    strike(stormy, devices[:6])
    stormy.advance(minutes=2)
    stormy.do(move, parents(stormy)[0].id, TicketState.CLOSED, actor="agent", reason="not common cause")
    stormy.advance(minutes=2)
    strike(stormy, devices[6:])
    stormy.advance(minutes=2)
    assert [parent.state for parent in parents(stormy)] == ["closed", "pending_agent"]


def test_a_device_that_is_deleted_leaves_the_storm(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    strike(stormy, devices)
    stormy.advance(minutes=2)
    for device in devices:
        stormy.clears("offline", device=device, reason=EndReason.DEVICE_DELETED)
    stormy.advance(minutes=1)
    assert {child.state for child in children(stormy)} == {"cancelled"}
    assert parents(stormy)[0].state in {"resolved", "closed"}


def test_the_gateways_own_fault_is_one_of_its_storm(stormy: Desk) -> None:
    devices = stand(stormy, 4, gateway="gw-1")
    stand(stormy, 1, prefix="gw")
    with stormy.write() as session:
        for device in devices:
            session.get_one(Device, device).gateway = "gw-0"
    strike(stormy, [*devices, "gw-0"])
    stormy.advance(minutes=2)
    assert [parent.device_id for parent in parents(stormy)] == ["gateway/gw-0"]


def test_a_storm_over_leaves_no_appointment_behind(stormy: Desk) -> None:
    devices = stand(stormy, 6, gateway="gw-1")
    strike(stormy, devices)
    stormy.advance(minutes=5)
    for device in devices:
        stormy.clears("offline", device=device)
    stormy.advance(days=30)
    assert stormy.rows(Due) == []
