"""Hours and maintenance windows told as stories: evaluation goes on, and nobody is contacted until they allow it."""

from datetime import timedelta
from typing import Any

import pytest

from domain.messages import MessageStage
from domain.tickets import TicketState
from store.tables import Command, Device, Fault, Mute
from tests.fakes.desk import LADDER, Desk
from tickets.quiet import look_again, of_ticket

OPENING, RESOLVED = MessageStage.OPENING, MessageStage.RESOLVED
WORKING = [{"days": [0, 1, 2, 3, 4], "from": "10:00", "to": "18:00"}]
"""The desk opens on a Monday at 9:00 UTC, which is 10:00 in Paris."""


def window(desk: Desk, scope: str, value: str, **columns: Any) -> None:
    facts = {"start": "2026-03-02T08:00", "timezone": "UTC", "duration_s": 4 * 3600.0, "rrule": None, **columns}
    with desk.write() as session:
        session.add(Mute(name="service", scope=scope, value=value, **facts))


@pytest.fixture
def working(desk: Desk) -> Desk:
    desk.rule("by-day", active=WORKING)
    return desk


def test_outside_its_hours_a_rule_keeps_the_record_alone(working: Desk) -> None:
    working.fires("by-day")
    (fault,) = working.rows(Fault)
    assert (fault.state, fault.ticket_id, fault.kept_back) == ("firing", None, "outside the hours of its rule")
    assert (working.tickets(), working.announced) == ([], [])


def test_what_still_fires_when_the_hours_begin_comes_before_people_then(working: Desk) -> None:
    working.fires("by-day")
    working.advance(minutes=59)
    assert working.tickets() == []
    working.advance(minutes=2)
    assert (working.stages(), working.ticket.opened_at) == ([OPENING], working.now - timedelta(minutes=1))


def test_what_came_and_went_outside_the_hours_says_nothing(working: Desk) -> None:
    working.fires("by-day")
    working.advance(minutes=30)
    working.clears("by-day")
    working.advance(days=2)
    assert (working.tickets(), working.announced) == ([], [])


def test_hours_are_those_of_the_site(working: Desk) -> None:
    with working.write() as session:
        session.get_one(Device, "hp-1").timezone = "Europe/Paris"
    working.fires("by-day")
    working.fires("by-day", device="hp-2")
    assert [ticket.device_id for ticket in working.tickets()] == ["hp-1"]


def test_a_weekend_lasts_until_monday(working: Desk) -> None:
    working.advance(days=4, hours=10)
    working.fires("by-day")
    working.advance(days=2, hours=14)
    assert working.tickets() == []
    working.advance(hours=2)
    assert working.stages() == [OPENING]


def test_a_playbook_rests_outside_the_hours_of_its_rule(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("by-day", active=[{"days": [0], "from": "08:00", "to": "09:10"}], playbook="restart-then-ask")
    desk.fires("by-day")
    desk.device_answers("done")
    desk.advance(hours=12)
    assert (desk.state, desk.announced) == (TicketState.PENDING_DEVICE, [])
    desk.advance(days=7)
    assert desk.stages() == [OPENING]


def test_a_message_waits_for_the_hours_too(desk: Desk) -> None:
    desk.rule("by-day", active=[{"days": [0], "from": "08:00", "to": "09:10"}])
    desk.fires("by-day")
    desk.advance(minutes=20)
    with desk.write() as session:
        kept = of_ticket(session, desk.ticket, desk.now)
    assert kept is not None
    assert kept.until == desk.now + timedelta(days=6, hours=22, minutes=40)


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("device", "hp-1"),
        ("site", "1 rue de la Paix"),
        ("gateway", "gw-1"),
        ("product", "heatpump"),
        ("rule", "overheat"),
    ],
)
def test_a_window_over_a_device_a_site_a_gateway_a_product_or_a_rule_keeps_all_quiet(
    desk: Desk, scope: str, value: str
) -> None:
    with desk.write() as session:
        device = session.get_one(Device, "hp-1")
        device.gateway, device.address = "gw-1", "1 rue de la Paix"
    window(desk, scope, value)
    desk.fires()
    desk.advance(hours=2, minutes=59)
    assert desk.tickets() == []
    assert desk.rows(Fault)[0].kept_back == "maintenance window service"
    desk.advance(minutes=2)
    assert desk.stages() == [OPENING]


def test_a_window_elsewhere_keeps_nobody_quiet(desk: Desk) -> None:
    window(desk, "gateway", "gw-9")
    desk.fires()
    assert desk.stages() == [OPENING]


def test_a_window_that_comes_again_covers_each_of_its_turns(desk: Desk) -> None:
    window(desk, "product", "heatpump", start="2026-03-01T22:00", rrule="FREQ=WEEKLY;BYDAY=SU", duration_s=7200.0)
    desk.advance(days=6, hours=13, minutes=30)
    desk.fires()
    assert desk.tickets() == []
    desk.advance(hours=2)
    assert desk.stages() == [OPENING]


def test_in_the_middle_of_a_story_a_window_holds_it_still(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("hot", playbook="restart-then-ask")
    window(desk, "device", "hp-1", start="2026-03-02T09:10")
    desk.fires("hot")
    desk.device_answers("done")
    desk.advance(hours=4)
    assert (desk.state, desk.announced) == (TicketState.PENDING_DEVICE, [])
    desk.advance(minutes=11)
    assert desk.stages() == [MessageStage.OPENING_AFTER_REMOTE_TRY]


def test_no_word_of_recovery_for_what_nobody_heard_of(desk: Desk) -> None:
    window(desk, "device", "hp-1")
    desk.fires()
    desk.clears()
    desk.advance(days=1)
    assert (desk.announced, desk.tickets(), desk.rows(Command)) == ([], [], [])


def test_good_news_of_what_was_told_before_is_still_told(desk: Desk) -> None:
    window(desk, "device", "hp-1", start="2026-03-02T09:30")
    desk.fires()
    desk.deliver()
    desk.advance(hours=1)
    desk.clears()
    assert desk.stages() == [OPENING, RESOLVED]


def test_a_window_lifted_early_lets_people_hear_at_once(desk: Desk) -> None:
    window(desk, "product", "heatpump", duration_s=10 * 86_400.0)
    desk.fires()
    desk.advance(hours=1)
    with desk.write() as session:
        session.delete(session.get_one(Mute, "service"))
        session.flush()
        look_again(session, now=desk.now)
    desk.advance(seconds=1)
    assert desk.stages() == [OPENING]


def test_old_evidence_that_a_window_kept_back_moves_nobody(desk: Desk) -> None:
    desk.heard()
    window(desk, "product", "heatpump", duration_s=10 * 3600.0)
    desk.fires()
    desk.advance(hours=10)
    assert (desk.state, desk.ticket.rule) == (TicketState.PENDING_AGENT, "overheat")


def test_the_clock_role_asleep_through_the_end_makes_up_for_it(working: Desk) -> None:
    working.fires("by-day")
    working.sleep_through(hours=4)
    working.advance(seconds=0)
    assert working.stages() == [OPENING]
    working.fires("by-day", episode=1)
    working.advance(days=1)
    assert working.stages() == [OPENING]
