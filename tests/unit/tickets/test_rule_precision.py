"""How far a rule can be trusted, which rules are noise, and what a shadow rule would have done."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.faults import STAGE_MOVES, Severity, Stage
from store.tables import Fault, Ticket
from tests.fakes.desk import LADDER, Desk
from tickets import service
from tickets.precision import DOUBTFUL_BELOW, JUDGED_OVER, Tally, noise


def tally(desk: Desk, rule: str = "overheat") -> Tally:
    with desk.database.read() as session:
        return service.tallies(session, now=desk.now)[rule]


def episode(desk: Desk, verdict: str | None = None, *, rule: str = "overheat", device: str = "hp-1") -> None:
    desk.fires(rule, device=device)
    if verdict:
        desk.do(service.verdict, desk.rows(Fault)[-1].id, verdict, actor="agent")
    desk.clears(rule, device=device)
    desk.advance(hours=1)


def test_precision_counts_verdicts_in_force(desk: Desk) -> None:
    for verdict in ("real", "false_alarm", "real", None):
        episode(desk, verdict)
    found = tally(desk)
    assert (found.real, found.false, found.unknown, found.precision) == (2, 1, 1, 2 / 3)
    desk.do(service.verdict, desk.rows(Fault)[0].id, "false_alarm", actor="agent")
    assert (tally(desk).real, tally(desk).false) == (1, 2)
    desk.do(service.verdict, desk.rows(Fault)[0].id, "real", actor="customer:c-1")
    assert (tally(desk).real, tally(desk).false) == (1, 2), "a lighter word changes nothing"


def test_old_verdicts_are_forgotten_and_superseded_episodes_never_count(desk: Desk) -> None:
    episode(desk, "real")
    desk.advance(days=JUDGED_OVER.days)
    desk.fires(superseded=True)
    with desk.database.read() as session:
        assert service.tallies(session, now=desk.now) == {}


def test_rules_are_told_apart(desk: Desk) -> None:
    desk.rule("drift")
    episode(desk, "real")
    episode(desk, "false_alarm", rule="drift", device="hp-2")
    with desk.database.read() as session:
        assert service.tallies(session, now=desk.now, rules=["drift"]).keys() == {"drift"}
    assert (tally(desk).false, tally(desk, "drift").false) == (0, 1)


def test_a_rule_that_is_mostly_wrong_is_named_but_not_on_four_verdicts(desk: Desk) -> None:
    for _ in range(4):
        episode(desk, "false_alarm")
        desk.advance(days=1)
    assert noise(tally(desk)) is None
    episode(desk, "false_alarm")
    found = noise(tally(desk))
    assert found is not None
    assert found.reason == "5 of 5 judged faults were false alarms"
    assert "shadow" in found.cure


def test_a_chattering_rule_is_named_with_its_rate(desk: Desk) -> None:
    for _ in range(12):
        episode(desk)
    found = noise(tally(desk))
    assert found is not None
    assert found.reason == "12.0 episodes per day on each device that has any"
    assert "`for`" in found.cure


def test_a_flapping_rule_is_named(desk: Desk) -> None:
    for _ in range(6):
        desk.fires()
        desk.flaps()
        desk.clears()
        desk.advance(hours=23)
    found = noise(tally(desk))
    assert found is not None
    assert found.reason == "6 of 6 episodes flapped"


@given(st.builds(Tally, real=st.integers(0, 40), false=st.integers(0, 40)))
def test_more_real_faults_never_make_a_rule_noisy(found: Tally) -> None:
    if noise(found) is None:
        assert noise(replace(found, real=found.real + 1)) is None
    else:
        assert found.interval.high < DOUBTFUL_BELOW


def test_the_table_of_stages_is_closed_and_leads_nowhere_final() -> None:
    assert STAGE_MOVES.keys() == set(Stage)
    assert all(STAGE_MOVES[stage] and stage not in STAGE_MOVES[stage] for stage in Stage)
    assert all(Stage.RETIRED in STAGE_MOVES[stage] for stage in Stage if stage is not Stage.RETIRED)


def test_a_shadow_rule_writes_down_what_it_would_have_done(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("early", stage="shadow", playbook=LADDER["name"], severity="major")
    desk.fires("early", severity=Severity.MAJOR)
    assert desk.rows(Fault)[0].would == {
        "ticket": "open",
        "ticket_id": None,
        "command": "restart",
        "tell": {"customer_id": "c-1", "channel": "sms", "when": "if the steps before had not helped"},
        "visit": {"skill": "refrigerant", "when": "had it lasted 24 h"},
        "not": None,
    }
    assert desk.rows(Ticket) == []
    assert desk.announced == []


def test_a_shadow_rule_knows_what_it_would_have_joined(desk: Desk) -> None:
    desk.rule("early", stage="shadow", family="cooling")
    desk.fires()
    desk.fires("early")
    joined = desk.rows(Fault)[-1].would
    assert (joined["ticket"], joined["ticket_id"], joined["tell"]) == ("attach", desk.ticket.id, None)
    desk.clears()
    desk.clears("early")
    desk.fires("early")
    assert desk.rows(Fault)[-1].would["ticket"] == "reopen"
    assert desk.ticket.reopened == 0


@pytest.mark.parametrize(("how", "reason"), [("muted", "the device is muted"), ("stale", "stale evidence")])
def test_a_shadow_rule_says_why_nobody_would_have_heard(desk: Desk, how: str, reason: str) -> None:
    desk.rule("early", stage="shadow")
    if how == "muted":
        desk.do(service.mute, "hp-1", until=desk.now + timedelta(hours=1), reason="service")
    desk.fires("early", age=timedelta(hours=2) if how == "stale" else timedelta())
    found = desk.rows(Fault)[0].would
    assert (found["not"], found["tell"], found["command"]) == (reason, None, None)


def test_a_live_rule_does_and_writes_nothing_down(desk: Desk) -> None:
    desk.fires()
    assert desk.rows(Fault)[0].would is None
