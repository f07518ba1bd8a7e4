"""From fault to ticket and back: correlation, recovery and relapse, told as stories."""

from datetime import timedelta

import pytest

from domain.faults import EndReason, Severity
from domain.messages import MessageStage, ReplyIntent
from domain.tickets import TicketState
from store.tables import Due, Fault, Visit
from tests.fakes.desk import LADDER, Desk

OPENING, RESOLVED, RELAPSED = MessageStage.OPENING, MessageStage.RESOLVED, MessageStage.RELAPSED


def test_a_fault_opens_a_ticket_and_its_owner_is_told(desk: Desk) -> None:
    desk.fires()
    ticket = desk.ticket
    assert (ticket.device_id, ticket.family, ticket.customer_id) == ("hp-1", "cooling", "c-1")
    assert ticket.title == {"en": "Compressor too hot"}
    assert desk.state is TicketState.PENDING_CUSTOMER
    assert desk.stages() == [OPENING]
    assert desk.story() == ["ticket_opened", "onset", "fault_fired", "ticket_pending_customer"]
    assert {"fault.firing", "ticket.opened", "ticket.pending_customer", "message.planned"} <= set(desk.feed())


def test_the_evidence_is_frozen_with_the_rule_as_it_was(desk: Desk) -> None:
    desk.fires()
    (fault,) = desk.rows(Fault)
    assert fault.evidence == {"when": "temp > 95", "values": {"temp": 97.5}}
    assert (fault.stage, fault.ticket_id, fault.rule_version) == ("live", desk.ticket.id, 1)


def test_the_same_transition_twice_changes_nothing(desk: Desk) -> None:
    desk.fires()
    before = (len(desk.entries()), len(desk.feed()), desk.stages())
    desk.fires(episode=1)
    assert (len(desk.entries()), len(desk.feed()), desk.stages()) == before
    desk.clears()
    after = (len(desk.entries()), len(desk.feed()), desk.stages())
    desk.clears()
    assert (len(desk.entries()), len(desk.feed()), desk.stages()) == after


def test_two_rules_of_one_family_share_one_ticket(desk: Desk) -> None:
    desk.rule("pressure-low", family="cooling", severity="critical")
    desk.fires()
    desk.fires("pressure-low", severity=Severity.CRITICAL)
    assert desk.ticket.severity == "critical"
    assert desk.stages() == [OPENING]
    assert "severity_raised" in desk.story()
    desk.clears()
    assert desk.state is TicketState.PENDING_CUSTOMER, "the other fault is still there"
    desk.clears("pressure-low")
    assert desk.state is TicketState.RESOLVED


def test_other_families_and_devices_have_tickets_of_their_own(desk: Desk) -> None:
    desk.rule("noise", family="noise")
    desk.fires()
    desk.fires("noise")
    desk.fires(device="hp-2")
    assert len(desk.tickets()) == 3


def test_healthy_telemetry_resolves_and_says_so_to_who_was_told_then_closes(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.advance(minutes=30)
    desk.clears()
    assert desk.state is TicketState.RESOLVED
    assert desk.stages() == [OPENING, RESOLVED]
    desk.advance(hours=25)
    assert desk.state is TicketState.CLOSED
    assert desk.ticket.closed_by == "telemetry"
    assert desk.stages() == [OPENING, RESOLVED], "nothing is said on closing"


def test_who_was_never_told_hears_nothing_of_the_recovery(desk: Desk) -> None:
    desk.fires()
    desk.withhold("opted_out")
    desk.clears()
    assert desk.state is TicketState.RESOLVED
    assert desk.stages() == [OPENING]


def test_it_has_to_stay_healthy_as_long_as_the_playbook_says(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.deliver()
    desk.clears("patient-rule")
    desk.advance(minutes=9)
    assert desk.state is TicketState.PENDING_CUSTOMER
    desk.fires("patient-rule")
    desk.advance(hours=2)
    assert desk.state is TicketState.PENDING_CUSTOMER, "a new fault cancels the proof"
    desk.clears("patient-rule")
    desk.advance(minutes=11)
    assert desk.state is TicketState.RESOLVED
    assert desk.stages() == [OPENING, RESOLVED]


def test_a_device_that_falls_silent_proves_nothing(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.heard()
    desk.clears("patient-rule")
    desk.advance(hours=2)
    assert desk.state is TicketState.PENDING_CUSTOMER
    desk.heard()
    desk.advance(hours=1)
    assert desk.state is TicketState.RESOLVED


def test_a_device_silent_for_a_day_goes_to_a_person(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.heard()
    desk.clears("patient-rule")
    desk.advance(days=2)
    assert desk.state is TicketState.PENDING_AGENT


def test_what_was_missed_while_the_clock_was_down_is_made_up_for(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m", "close_after": "1h"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.clears("patient-rule")
    desk.sleep_through(hours=5)
    desk.advance(minutes=0)
    assert desk.state is TicketState.RESOLVED
    desk.sleep_through(hours=5)
    desk.advance(minutes=0)
    assert desk.state is TicketState.CLOSED


def test_a_relapse_brings_the_ticket_back_and_tells_those_who_knew(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.clears()
    desk.deliver()
    desk.advance(days=3)
    desk.fires()
    assert desk.ticket.reopened == 1
    assert (desk.announced[-1].stage, desk.announced[-1].occurrence) == (RELAPSED, "1")
    desk.deliver()
    desk.clears()
    assert (desk.announced[-1].stage, desk.announced[-1].occurrence) == (RESOLVED, "1")
    assert desk.ticket.resolved_at == desk.now
    desk.advance(hours=1)
    desk.fires()
    assert (desk.announced[-1].stage, desk.announced[-1].occurrence) == (RELAPSED, "2")


def test_a_relapse_of_what_nobody_knew_of_is_news(desk: Desk) -> None:
    desk.fires()
    desk.withhold("no_longer_true")
    desk.clears()
    desk.fires()
    assert [(a.stage, a.occurrence) for a in desk.announced] == [(OPENING, ""), (OPENING, "1")]


def test_a_relapse_while_the_first_message_still_waits_adds_none(desk: Desk) -> None:
    desk.fires()
    desk.clears()
    desk.fires()
    assert desk.stages().count(OPENING) == 1
    assert RELAPSED not in desk.stages()


def test_after_a_month_it_is_new_trouble(desk: Desk) -> None:
    desk.fires()
    desk.clears()
    desk.advance(days=31)
    desk.fires()
    assert [ticket.state for ticket in desk.tickets()] == ["closed", "pending_customer"]


def test_a_fault_withheld_while_it_was_away_is_told_when_it_is_back(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", playbook="patient")
    desk.fires("patient-rule")
    desk.clears("patient-rule")
    desk.withhold("no_longer_true")
    desk.advance(minutes=5)
    desk.fires("patient-rule")
    assert desk.stages() == [OPENING, OPENING]
    desk.deliver()
    desk.clears("patient-rule")
    desk.advance(minutes=1)
    desk.fires("patient-rule")
    assert desk.stages() == [OPENING, OPENING], "they know by now"


@pytest.mark.parametrize("stage", ["shadow", "draft", "retired"])
def test_a_rule_that_is_not_live_only_keeps_the_record(desk: Desk, stage: str) -> None:
    desk.rule("quiet", stage=stage)
    desk.fires("quiet")
    desk.clears("quiet")
    assert desk.tickets() == []
    assert [(fault.stage, fault.state) for fault in desk.rows(Fault)] == [(stage, "resolved")]


def test_a_rule_for_agents_opens_a_ticket_that_tells_and_commands_nobody(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("hint", family="cooling", stage="agents_only", playbook="restart-then-ask")
    desk.fires("hint")
    assert (desk.ticket.agents_only, desk.state) == (True, TicketState.OPEN)
    assert desk.announced == []
    desk.fires()
    assert desk.ticket.agents_only is False, "a live rule has found it, too"
    assert (desk.ticket.rule, desk.stages()) == ("overheat", [OPENING])


def test_past_episodes_of_a_buffer_stand_in_the_record_alone(desk: Desk) -> None:
    desk.fires(superseded=True)
    desk.clears(superseded=True)
    assert desk.tickets() == []
    desk.fires()
    assert len(desk.rows(Fault)) == 2
    assert desk.stages() == [OPENING]


def test_old_evidence_opens_a_ticket_but_sends_no_command(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("overheat-2", playbook="restart-then-ask")
    desk.fires("overheat-2", age=timedelta(hours=3))
    assert "command_not_sent" in desk.story()
    assert desk.state is TicketState.PENDING_AGENT


@pytest.mark.parametrize("reason", [EndReason.RULE_RETIRED, EndReason.NOT_APPLICABLE])
def test_an_end_that_proves_nothing_goes_to_a_person_and_tells_nobody(desk: Desk, reason: EndReason) -> None:
    desk.fires()
    desk.deliver()
    desk.clears(reason=reason)
    assert desk.state is TicketState.PENDING_AGENT
    assert desk.stages() == [OPENING]


def test_a_device_that_is_gone_takes_its_ticket_with_it(desk: Desk) -> None:
    desk.technician("t-1")
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    desk.clears(reason=EndReason.DEVICE_DELETED)
    assert desk.state is TicketState.CANCELLED
    assert RESOLVED not in desk.stages()
    assert desk.rows(Visit)[0].state == "cancelled"
    assert {row.kind for row in desk.rows(Due)} == set()


def test_a_flapping_fault_is_told_once_as_such(desk: Desk) -> None:
    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("chatter", playbook="patient")
    desk.fires("chatter")
    desk.deliver()
    for _ in range(3):
        desk.clears("chatter")
        desk.advance(minutes=1)
        desk.fires("chatter")
    desk.flaps("chatter")
    desk.flaps("chatter")
    assert desk.stages() == [OPENING, MessageStage.UNSTABLE]
    assert desk.rows(Fault)[-1].flapping


def test_an_episode_that_flaps_after_its_end_is_firing_again(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.clears()
    assert desk.state is TicketState.RESOLVED
    desk.flaps()
    assert (desk.ticket.reopened, desk.state) == (1, TicketState.PENDING_CUSTOMER)
    desk.clears()
    assert desk.state is TicketState.RESOLVED


def test_a_device_without_an_owner_goes_to_a_person(desk: Desk) -> None:
    desk.fires(device="unowned")
    assert (desk.ticket.customer_id, desk.state) == (None, TicketState.PENDING_AGENT)


def test_a_muted_device_is_left_alone_until_the_mute_ends(desk: Desk) -> None:
    from tickets.service import mute

    desk.do(mute, "hp-1", until=desk.now + timedelta(hours=2), reason="being serviced")
    desk.fires()
    assert desk.tickets() == []
    desk.rule("noise")
    desk.fires("noise")
    desk.clears("noise")
    desk.advance(hours=3)
    assert (desk.ticket.rule, desk.stages()) == ("overheat", [OPENING])


def test_a_mute_in_the_middle_holds_the_playbook_still(desk: Desk) -> None:
    from tickets.service import mute, unmute

    desk.playbook(LADDER)
    desk.rule("overheat-2", playbook="restart-then-ask")
    desk.fires("overheat-2")
    desk.device_answers("done")
    desk.do(mute, "hp-1", until=desk.now + timedelta(hours=8), reason="being serviced")
    desk.advance(hours=2)
    assert (desk.state, desk.announced) == (TicketState.PENDING_DEVICE, [])
    desk.do(unmute, "hp-1")
    desk.advance(hours=7)
    assert (desk.state, desk.stages()) == (TicketState.PENDING_CUSTOMER, [MessageStage.OPENING_AFTER_REMOTE_TRY])


def test_a_false_alarm_that_was_real_after_all_takes_the_proof_of_health_back(desk: Desk) -> None:
    from tickets.service import verdict

    desk.playbook({"name": "patient", "healthy_for": "10m"})
    desk.rule("patient-rule", family="cooling", playbook="patient")
    desk.fires("patient-rule")
    desk.fires()
    overheat = desk.rows(Fault)[-1].id
    desk.do(verdict, overheat, "false_alarm", actor="agent")
    desk.clears("patient-rule")
    assert desk.ticket.healthy_since == desk.now
    desk.do(verdict, overheat, "real", actor="agent")
    desk.advance(minutes=20)
    assert (desk.ticket.healthy_since, desk.state) == (None, TicketState.PENDING_CUSTOMER)
