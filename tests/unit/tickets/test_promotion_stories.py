"""A rule is let further while it sees something: nothing that still fires stays behind in the shadow."""

from datetime import timedelta

import pytest

from api.manifests.rulebook import set_stage
from domain.faults import Stage
from domain.messages import MessageStage
from store.tables import Command, Device, Due, Fault
from tests.fakes.desk import LADDER, Desk


def let(desk: Desk, stage: Stage) -> None:
    with desk.write() as session:
        set_stage(session, "drift", stage, actor="agent", now=desk.now)
    desk.advance(seconds=1)


@pytest.fixture
def trial(desk: Desk) -> Desk:
    desk.rule("drift", stage="shadow")
    desk.fires("drift")
    return desk


def test_what_a_shadow_rule_sees_comes_before_people_once_it_is_live(trial: Desk) -> None:
    assert (trial.tickets(), trial.announced) == ([], [])
    let(trial, Stage.LIVE)
    assert trial.stages() == [MessageStage.OPENING]
    assert trial.rows(Fault)[0].stage == "live"


def test_agents_see_it_first_and_the_owner_once_the_rule_is_live(trial: Desk) -> None:
    let(trial, Stage.AGENTS_ONLY)
    assert (trial.ticket.agents_only, trial.announced) == (True, [])
    let(trial, Stage.LIVE)
    assert (len(trial.tickets()), trial.ticket.agents_only, trial.stages()) == (1, False, [MessageStage.OPENING])


def test_what_is_over_stays_in_the_record(trial: Desk) -> None:
    trial.clears("drift")
    let(trial, Stage.LIVE)
    assert (trial.tickets(), trial.announced) == ([], [])


def test_a_false_alarm_is_not_brought_up(trial: Desk) -> None:
    with trial.write() as session:
        session.get_one(Fault, 1).verdict = "false_alarm"
    let(trial, Stage.LIVE)
    assert trial.announced == []


def test_twice_or_taken_back_at_once_does_no_harm(trial: Desk) -> None:
    with trial.write() as session:
        set_stage(session, "drift", Stage.LIVE, actor="agent", now=trial.now)
        set_stage(session, "drift", Stage.SHADOW, actor="agent", now=trial.now)
    trial.advance(seconds=1)
    assert trial.announced == []
    let(trial, Stage.LIVE)
    trial.advance(minutes=1)
    assert trial.stages() == [MessageStage.OPENING]
    assert [row for row in trial.rows(Due) if row.kind == "promoted"] == []


def test_evidence_that_is_old_by_then_sends_no_command(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("drift", stage="shadow", playbook="restart-then-ask")
    desk.fires("drift", age=timedelta(hours=3))
    let(desk, Stage.LIVE)
    assert desk.rows(Command) == []
    assert len(desk.tickets()) == 1


def test_what_a_new_rule_finds_in_old_evidence_sends_no_command(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("drift", playbook="restart-then-ask")
    with desk.write() as session:
        session.get_one(Device, "hp-1").last_seen = desk.now - timedelta(hours=23)
    desk.fires("drift", age=timedelta(hours=23), received_at=desk.now - timedelta(hours=23))
    desk.advance(minutes=1)
    assert desk.rows(Command) == []
    assert len(desk.tickets()) == 1


def test_what_was_judged_a_false_alarm_does_not_come_back(desk: Desk) -> None:
    desk.rule("drift", stage="shadow")
    desk.fires("drift")
    with desk.write() as session:
        session.get_one(Fault, 1).verdict = "false_alarm"
    desk.flaps("drift")
    let(desk, Stage.LIVE)
    assert (desk.tickets(), desk.announced) == ([], [])
