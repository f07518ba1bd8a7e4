"""Inhibition told as stories: what follows from another fault stands in the record and contacts nobody meanwhile."""

import pytest

from domain.faults import TransitionState
from domain.messages import MessageStage, Refusal
from domain.tickets import TicketState
from store.tables import Fault
from tests.fakes.desk import LADDER, Desk
from tests.fakes.fleet import stand
from tickets.quiet import of_ticket
from tickets.service import verdict

OPENING = MessageStage.OPENING


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """No power inhibits overheating on the same device, and all of family `link` below the gateway."""
    desk.rule("no-power", family="power", inhibits=[("overheat", None, "device"), (None, "link", "below_gateway")])
    desk.rule("offline", family="link")
    return desk


def fault(desk: Desk, rule: str, device: str = "hp-1") -> Fault:
    return [found for found in desk.rows(Fault) if (found.rule, found.device_id) == (rule, device)][-1]


def test_while_the_source_fires_the_target_is_recorded_and_contacts_nobody(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    assert [ticket.rule for ticket in desk.tickets()] == ["no-power"]
    target = fault(desk, "overheat")
    assert (target.state, target.ticket_id) == ("firing", None)
    assert target.inhibited_by == fault(desk, "no-power").id
    assert target.kept_back == f"fault {target.inhibited_by} inhibits it"


def test_the_target_comes_before_people_when_the_source_clears(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    desk.advance(minutes=20)
    desk.clears("no-power")
    desk.advance(seconds=1)
    assert [ticket.rule for ticket in desk.tickets()] == ["no-power", "overheat"]
    assert desk.stages() == [OPENING, MessageStage.RESOLVED, OPENING]
    assert (fault(desk, "overheat").inhibited_by, fault(desk, "overheat").kept_back) == (None, None)


def test_a_target_that_came_and_went_meanwhile_says_nothing(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    desk.clears("overheat")
    desk.clears("no-power")
    desk.advance(days=1)
    assert [ticket.rule for ticket in desk.tickets()] == ["no-power"]
    assert fault(desk, "overheat").inhibited_by is not None, "the record says why nobody heard of it"


def test_evidence_that_grew_old_meanwhile_moves_nobody(desk: Desk) -> None:
    desk.heard()
    desk.fires("no-power")
    desk.fires("overheat")
    desk.advance(hours=3)
    desk.clears("no-power")
    desk.advance(seconds=1)
    ticket = desk.tickets()[-1]
    assert (ticket.rule, ticket.state) == ("overheat", "pending_agent")
    assert fault(desk, "overheat").late_evidence_s == 3 * 3600


def test_a_device_heard_meanwhile_still_has_the_fault(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    desk.advance(hours=3)
    desk.heard()
    desk.clears("no-power")
    desk.advance(seconds=1)
    assert desk.tickets()[-1].state == "pending_customer"


def test_another_device_is_not_inhibited(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat", device="hp-2")
    assert len(desk.tickets()) == 2


@pytest.mark.parametrize(("source", "below"), [("gw-0", True), ("d-0", True), ("hp-1", False)])
def test_below_a_gateway_means_all_that_share_it(desk: Desk, source: str, below: bool) -> None:
    stand(desk, 1, prefix="gw")
    stand(desk, 3, gateway="gw-0")
    desk.fires("no-power", device=source)
    desk.fires("offline", device="d-1")
    desk.fires("overheat", device="d-1")
    rules = [ticket.rule for ticket in desk.tickets()]
    assert rules == (["no-power", "overheat"] if below else ["no-power", "offline", "overheat"])


def test_a_source_that_comes_later_holds_the_playbook_of_what_is_known(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("hot", playbook="restart-then-ask")
    desk.rule("dead", inhibits=[("hot", None, "device")])
    desk.fires("hot")
    desk.device_answers("done")
    desk.fires("dead")
    assert "inhibited" in desk.story(1)
    desk.advance(hours=5)
    (ticket, _) = desk.tickets()
    assert (ticket.state, desk.stages()) == ("pending_device", [OPENING]), "only the source has spoken"
    desk.clears("dead")
    desk.advance(seconds=1)
    assert desk.tickets()[0].state == "pending_customer"


def test_a_message_withheld_meanwhile_is_told_after_all(desk: Desk) -> None:
    desk.fires("overheat")
    desk.fires("no-power")
    with desk.write() as session:
        kept = of_ticket(session, desk.tickets()[0], desk.now)
    assert kept is not None
    assert kept.until is None
    desk.withhold(Refusal.KEPT_BACK)
    desk.clears("no-power")
    desk.advance(seconds=1)
    assert [announce.ticket_id for announce in desk.announced] == [1, 2, 1]


def test_two_sources_have_to_clear(desk: Desk) -> None:
    desk.rule("flood", inhibits=[(None, "cooling", "device")])
    desk.fires("no-power")
    desk.fires("flood")
    desk.fires("overheat")
    desk.clears("no-power")
    desk.advance(minutes=1)
    assert fault(desk, "overheat").inhibited_by == fault(desk, "flood").id
    desk.clears("flood")
    desk.advance(minutes=1)
    assert desk.tickets()[-1].rule == "overheat"


def test_rules_that_inhibit_each_other_never_silence_both(desk: Desk) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        desk.rule(name, inhibits=[(other, None, "device")])
    for name in ("a", "b", "c"):
        desk.fires(name)
    assert [ticket.rule for ticket in desk.tickets()] == ["a"]
    assert fault(desk, "a").inhibited_by is None
    desk.clears("a")
    desk.advance(minutes=1)
    assert [ticket.rule for ticket in desk.tickets()] == ["a", "b"]


def test_a_shadow_rule_inhibits_nobody(desk: Desk) -> None:
    desk.rule("trial", stage="shadow", inhibits=[("overheat", None, "device")])
    desk.fires("trial")
    desk.fires("overheat")
    assert desk.state is TicketState.PENDING_CUSTOMER


def test_a_false_alarm_inhibits_nobody_any_more(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    desk.do(verdict, fault(desk, "no-power").id, "false_alarm", actor="agent")
    desk.advance(seconds=1)
    assert desk.tickets()[-1].rule == "overheat"


def test_the_same_transitions_twice_release_once(desk: Desk) -> None:
    desk.fires("no-power")
    desk.fires("overheat")
    desk.fires("no-power", episode=1)
    for _ in range(2):
        desk.clears("no-power", episode=1)
        desk.advance(seconds=1)
    assert len(desk.tickets()) == 2
    assert desk.stages().count(OPENING) == 2


def test_a_source_that_flaps_inhibits_again(desk: Desk) -> None:
    desk.fires("no-power")
    desk.clears("no-power")
    desk.transition(TransitionState.FLAPPING, "no-power", "hp-1", at=desk.now)
    desk.fires("overheat")
    assert fault(desk, "overheat").inhibited_by is not None


def test_a_second_fault_wakes_a_ticket_whose_first_is_inhibited(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("pump-stuck", family="cooling", playbook="restart-then-ask")
    desk.fires("no-power")
    desk.fires("overheat")
    desk.fires("pump-stuck")
    assert desk.tickets()[-1].rule == "pump-stuck"
    assert fault(desk, "overheat").ticket_id is None
    desk.clears("no-power")
    desk.advance(seconds=1)
    assert fault(desk, "overheat").ticket_id == fault(desk, "pump-stuck").ticket_id


def test_of_two_that_inhibit_each_other_one_speaks_when_a_third_is_gone(desk: Desk) -> None:
    desk.rule("a", inhibits=[("b", None, "device")])
    desk.rule("b", inhibits=[("a", None, "device")])
    desk.rule("x", inhibits=[("a", None, "device")])
    for name in ("x", "a", "b"):
        desk.fires(name)
    assert [ticket.rule for ticket in desk.tickets()] == ["x"]
    desk.clears("x")
    desk.advance(minutes=1)
    assert [ticket.rule for ticket in desk.tickets()] == ["x", "a"]
