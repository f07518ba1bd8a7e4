"""The figures say what happened, over how many, and by which definition."""

from datetime import timedelta
from typing import Any

import pytest

from domain.messages import ReplyIntent
from store.tables import Fault
from tests.fakes.desk import LADDER, MONDAY, Desk
from tickets import service
from tickets.figures import percentile


def figures(desk: Desk) -> dict[str, dict[str, Any]]:
    with desk.database.read() as session:
        until = desk.now + timedelta(seconds=1)
        return {figure["name"]: figure for figure in service.kpis(session, since=MONDAY, until=until)}


def test_nothing_happened_is_not_a_perfect_score(desk: Desk) -> None:
    found = figures(desk)
    assert found["proactive_rate"]["value"] is None
    assert {figure["n"] for figure in found.values()} == {0}
    assert all(figure["definition"] for figure in found.values())


def test_found_first_told_first_and_restored(desk: Desk) -> None:
    desk.fires()
    desk.advance(minutes=2)
    desk.deliver()
    desk.advance(minutes=8)
    desk.clears()
    found = figures(desk)
    assert (found["proactive_rate"]["value"], found["proactive_rate"]["n"]) == (1.0, 1)
    assert found["time_to_detect_median"]["value"] == 300.0
    assert found["time_to_notify_p90"]["value"] == 120.0
    assert found["time_to_restore_median"]["value"] == 900.0


def test_who_had_to_call_counts_against_us(desk: Desk) -> None:
    desk.fires()
    desk.reply(ReplyIntent.UNCLEAR, text="no hot water", customer="c-2")
    found = figures(desk)["proactive_rate"]
    assert (found["value"], found["n"]) == (0.5, 2)


def test_a_contact_before_the_detection_counts_against_us(desk: Desk) -> None:
    desk.do(service.open_by_hand, device_id="hp-1", title="cold", family="cooling", cause="customer", actor="agent")
    desk.advance(minutes=5)
    desk.fires()
    found = figures(desk)
    assert (found["proactive_rate"]["value"], found["proactive_rate"]["n"]) == (0.0, 1)
    assert found["lead_time_median"]["value"] == -300.0


def test_a_false_alarm_is_neither_found_nor_missed(desk: Desk) -> None:
    desk.fires()
    desk.fires(device="hp-2")
    desk.do(service.verdict, desk.rows(Fault)[0].id, "false_alarm", actor="agent")
    found = figures(desk)
    assert (found["false_alarm_rate"]["value"], found["false_alarm_rate"]["n"]) == (0.5, 2)
    assert found["proactive_rate"]["n"] == 1


def test_shadow_rules_do_not_count(desk: Desk) -> None:
    desk.rule("shadowy", stage="shadow")
    desk.fires("shadowy")
    assert figures(desk)["faults"]["value"] == 0


def test_a_remote_fix_spares_a_drive(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("hot", playbook="restart-then-ask")
    desk.fires("hot")
    desk.device_answers("done")
    desk.clears("hot")
    desk.advance(hours=1)
    found = figures(desk)
    assert (found["truck_rolls_avoided"]["value"], found["truck_rolls"]["value"]) == (1, 0)
    desk.fires("hot")
    assert figures(desk)["truck_rolls_avoided"]["value"] == 0, "it came back"


@pytest.mark.parametrize(("outcome", "rate"), [("fixed", 1.0), ("incomplete", 0.0)])
def test_first_time_fix(desk: Desk, outcome: str, rate: float) -> None:
    from dispatch import service as dispatching

    desk.technician("t-1", skills=())
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    for move in (dispatching.accept, dispatching.en_route, dispatching.arrive):
        desk.visit_move(move)
    desk.visit_move(dispatching.complete, outcome=outcome)
    found = figures(desk)
    assert (found["first_time_fix"]["value"], found["first_time_fix"]["n"]) == (rate, 1)
    assert found["truck_rolls"]["value"] == 1


def test_nearest_rank_percentile() -> None:
    assert percentile([5.0], 0.9) == 5.0
    assert percentile([float(i) for i in range(1, 11)], 0.9) == 9.0
    assert percentile([3.0, 1.0, 2.0], 0.9) == 3.0
