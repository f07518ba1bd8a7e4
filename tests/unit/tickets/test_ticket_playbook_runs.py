"""Playbooks at work: commands, verification, the customer, a visit; each step survives being late or repeated."""

from datetime import timedelta

import pytest

from domain.faults import Severity
from domain.messages import MessageStage, ReplyIntent
from domain.tickets import CommandState, TicketState
from store.tables import Command, Visit, WorkOrder
from tests.fakes.desk import LADDER, Desk
from tickets import service

AFTER_TRY, OPENING, RESOLVED = MessageStage.OPENING_AFTER_REMOTE_TRY, MessageStage.OPENING, MessageStage.RESOLVED


@pytest.fixture
def ladder(desk: Desk) -> Desk:
    """The owner is told only after a restart that did not help."""
    desk.playbook(LADDER)
    desk.rule("hot", family="cooling", playbook="restart-then-ask")
    desk.technician("t-1")
    return desk


def test_a_restart_that_helps_spares_the_owner_the_news(ladder: Desk) -> None:
    ladder.fires("hot")
    assert ladder.state is TicketState.PENDING_DEVICE
    ladder.device_answers("done")
    ladder.advance(minutes=3)
    ladder.clears("hot")
    ladder.advance(minutes=30)
    assert ladder.state is TicketState.CLOSED
    assert ladder.announced == []


def test_a_restart_that_does_not_help_is_told_with_what_was_tried(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    ladder.advance(minutes=16)
    (opening,) = ladder.announced
    assert (opening.stage, opening.details) == (AFTER_TRY, {"command": "restart"})
    assert ladder.state is TicketState.PENDING_CUSTOMER
    kinds = [kind for kind in ladder.story() if kind.startswith(("command", "verify"))]
    assert kinds == ["command_queued", "command_sent", "command_done", "verify_failed"]


def test_a_whole_story_from_fault_to_proof(ladder: Desk) -> None:
    ladder.fires("hot", severity=Severity.MAJOR)
    ladder.device_answers("done")
    ladder.advance(minutes=16)
    ladder.deliver()
    ladder.reply(ReplyIntent.SEND_SOMEONE, text="2")
    ladder.visit_move(service_of("accept"))
    ladder.advance(hours=1)
    for move in ("en_route", "arrive"):
        ladder.visit_move(service_of(move))
    ladder.visit_move(service_of("complete"), outcome="fixed", note="filter cleaned", verdict="real")
    assert ladder.state is TicketState.PENDING_DEVICE, "telemetry has not shown it yet"
    ladder.clears("hot")
    ladder.advance(minutes=11)
    assert ladder.state is TicketState.RESOLVED
    ladder.advance(minutes=21)
    assert (ladder.state, ladder.ticket.closed_by) == (TicketState.CLOSED, "telemetry")
    assert ladder.stages() == [
        AFTER_TRY,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CONFIRMED,
        MessageStage.ON_THE_WAY,
        RESOLVED,
    ]
    assert ladder.rows(WorkOrder)[0].state == "done"


@pytest.mark.parametrize("status", ["failed", "silence"])
def test_a_command_that_did_not_run_is_not_watched_nor_told_as_tried(ladder: Desk, status: str) -> None:
    ladder.fires("hot")
    if status == "silence":
        ladder.advance(minutes=6)
    else:
        ladder.device_answers(status)
    assert ladder.stages() == [OPENING]
    assert ladder.state is TicketState.PENDING_CUSTOMER


def test_an_answer_after_the_time_out_is_noted_and_moves_nothing(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.advance(minutes=6)
    before = ladder.ticket.step
    ladder.device_answers("done")
    ladder.device_answers("done")
    assert ladder.ticket.step == before
    assert ladder.story().count("command_answered_late") == 1
    assert ladder.rows(Command)[0].state == CommandState.TIMED_OUT


def test_an_outcome_told_twice_advances_once(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    step = ladder.ticket.step
    ladder.device_answers("done")
    ladder.device_answers("failed")
    ladder.do(service.on_command_outcome, ladder.rows(Command)[0])
    assert ladder.ticket.step == step


def test_an_answer_proves_that_the_command_was_sent(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    assert [kind for kind in ladder.story() if kind in {"command_sent", "command_done"}] == [
        "command_sent",
        "command_done",
    ]
    assert ladder.rows(Command)[0].sent_at == ladder.now


def test_a_product_without_that_command_goes_on_without_it(desk: Desk) -> None:
    desk.playbook({**LADDER, "steps": [{"command": "reboot"}, {"verify": {"for": "15m"}}, {"message": "customer"}]})
    desk.rule("hot", playbook="restart-then-ask")
    desk.fires("hot")
    assert "command_not_sent" in desk.story()
    assert desk.stages() == [OPENING]


def test_a_busy_device_gets_no_second_command(ladder: Desk) -> None:
    ladder.do(lambda session, now: [service.queue_command(session, "hp-1", "restart", asked_by="agent", now=now)][:0])
    ladder.fires("hot")
    assert len(ladder.rows(Command)) == 1
    assert ladder.state is TicketState.PENDING_CUSTOMER


def test_recovery_during_verification_ends_the_playbook(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    ladder.advance(minutes=10)
    ladder.clears("hot")
    ladder.advance(minutes=9)
    assert ladder.state is TicketState.PENDING_DEVICE, "the verification is over, the proof is not"
    ladder.advance(minutes=2)
    assert ladder.state is TicketState.RESOLVED
    ladder.advance(days=2)
    assert ladder.announced == []


def test_a_recovery_that_does_not_last_lets_the_playbook_go_on(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    ladder.advance(minutes=10)
    ladder.clears("hot")
    ladder.advance(minutes=6)
    ladder.fires("hot")
    ladder.advance(minutes=10)
    assert ladder.stages() == [AFTER_TRY]


def test_a_restart_that_did_not_last_is_not_tried_twice(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    ladder.clears("hot")
    ladder.advance(minutes=15)
    ladder.fires("hot")
    assert len(ladder.rows(Command)) == 1
    assert [(a.stage, a.occurrence) for a in ladder.announced] == [(AFTER_TRY, "1")]


def test_what_came_back_after_days_is_worth_another_restart(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.device_answers("done")
    ladder.clears("hot")
    ladder.advance(days=5)
    ladder.fires("hot")
    assert len(ladder.rows(Command)) == 2


def test_nobody_answers_so_the_next_step_comes(desk: Desk) -> None:
    steps = [{"message": {"to": "customer", "wait": "2h"}}, {"visit": {"skill": "refrigerant"}}]
    desk.playbook({"name": "ask-then-send", "steps": steps})
    desk.rule("hot", playbook="ask-then-send")
    desk.technician("t-1")
    desk.fires("hot")
    desk.advance(minutes=119)
    assert desk.state is TicketState.PENDING_CUSTOMER
    desk.advance(minutes=2)
    assert desk.state is TicketState.PENDING_VISIT
    assert desk.visit.state == "offered"


def test_an_answer_ends_the_waiting(desk: Desk) -> None:
    steps = [{"message": {"to": "customer", "wait": "2h"}}, {"visit": {"skill": "refrigerant"}}]
    desk.playbook({"name": "ask-then-send", "steps": steps})
    desk.rule("hot", playbook="ask-then-send")
    desk.technician("t-1")
    desk.fires("hot")
    desk.reply(ReplyIntent.CALL_ME)
    desk.advance(hours=5)
    assert desk.state is TicketState.PENDING_AGENT
    assert desk.rows(Visit) == []


def test_a_grave_fault_that_lasts_a_day_gets_a_visit_unasked(desk: Desk) -> None:
    desk.rule("grave", severity="major")
    desk.technician("t-1", skills=())
    desk.fires("grave", severity=Severity.MAJOR)
    desk.advance(hours=23)
    assert desk.rows(Visit) == []
    desk.advance(hours=1)
    assert desk.visit.state == "offered"
    assert desk.rows(WorkOrder)[0].asked_by == "playbook:default"


def test_a_light_fault_never_gets_one_unasked_until_it_becomes_grave(desk: Desk) -> None:
    desk.rule("grave", family="cooling", severity="major")
    desk.technician("t-1", skills=())
    desk.fires()
    desk.advance(hours=30)
    assert desk.rows(Visit) == []
    desk.fires("grave", severity=Severity.MAJOR)
    desk.advance(minutes=1)
    assert desk.visit.state == "offered", "the trouble has lasted longer than a day"


def test_a_grave_fault_that_was_old_news_sends_nobody_unasked(desk: Desk) -> None:
    desk.rule("grave", severity="major")
    desk.technician("t-1", skills=())
    desk.fires("grave", severity=Severity.MAJOR, age=timedelta(hours=30))
    desk.advance(days=3)
    assert desk.rows(WorkOrder) == []
    assert desk.state is TicketState.PENDING_AGENT
    desk.reply(ReplyIntent.SEND_SOMEONE)
    assert desk.visit.state == "offered", "their own wish counts, however old the evidence"


def test_old_news_does_not_get_a_visit_as_a_step_either(desk: Desk) -> None:
    desk.playbook({"name": "send", "steps": [{"visit": {}}]})
    desk.rule("hot", playbook="send")
    desk.technician("t-1", skills=())
    desk.fires("hot", age=timedelta(hours=30))
    assert desk.rows(WorkOrder) == []
    assert desk.state is TicketState.PENDING_AGENT


def test_fresh_news_beside_old_ones_brings_the_visit(desk: Desk) -> None:
    for rule in ("grave", "graver"):
        desk.rule(rule, family="cooling", severity="major")
    desk.technician("t-1", skills=())
    desk.fires("grave", severity=Severity.MAJOR, age=timedelta(hours=30))
    desk.fires("graver", severity=Severity.MAJOR)
    desk.advance(minutes=1)
    assert desk.visit.state == "offered", "it has lasted longer than a day"


def test_the_last_step_done_in_vain_goes_to_a_person(desk: Desk) -> None:
    desk.playbook({"name": "only-restart", "steps": [{"command": "restart"}, {"verify": {"for": "15m"}}]})
    desk.rule("hot", playbook="only-restart")
    desk.fires("hot")
    desk.device_answers("done")
    desk.advance(minutes=16)
    assert desk.state is TicketState.PENDING_AGENT


def test_late_steps_are_done_when_the_clock_is_back(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.sleep_through(hours=3)
    ladder.advance(minutes=0)
    assert ladder.rows(Command)[0].state == CommandState.TIMED_OUT
    assert ladder.stages() == [OPENING]


def test_a_playbook_that_was_removed_leaves_the_default(ladder: Desk) -> None:
    ladder.rule("orphan", playbook="gone")
    ladder.fires("orphan")
    assert ladder.stages() == [OPENING]
    assert ladder.state is TicketState.PENDING_CUSTOMER


def test_a_fault_that_outlives_the_visit_goes_to_a_person(ladder: Desk) -> None:
    ladder.fires("hot")
    ladder.reply(ReplyIntent.SEND_SOMEONE)
    for move in ("accept", "en_route", "arrive", "complete"):
        ladder.visit_move(service_of(move))
    assert ladder.state is TicketState.PENDING_DEVICE
    ladder.advance(hours=25)
    assert ladder.state is TicketState.PENDING_AGENT


def test_stale_news_while_muted_waits_for_the_end_of_the_mute(desk: Desk) -> None:
    desk.fires()
    desk.do(service.mute, "hp-1", until=desk.now + timedelta(hours=1), reason="noise")
    desk.withhold("muted")
    desk.advance(hours=2)
    assert desk.stages() == [OPENING, OPENING]


def service_of(move: str) -> object:
    from dispatch import service as dispatching

    return getattr(dispatching, move)
