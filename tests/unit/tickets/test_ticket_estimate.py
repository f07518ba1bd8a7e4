"""What rules would have caused: tickets, messages and visits from episodes and playbooks alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.faults import Severity
from tickets.estimate import Cost, Firing, Terms, estimate
from tickets.playbooks import DEFAULT, Playbook, parse_playbook

T0 = datetime(2026, 3, 3, tzinfo=UTC)
END = T0 + timedelta(days=90)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def firing(begin: float, end: float | None, rule: str = "hot", device: str = "a", **more: Any) -> Firing:
    """An episode, in hours."""
    severity = more.pop("severity", Severity.MINOR)
    return Firing(rule, device, at(begin), at(begin), None if end is None else at(end), severity, **more)


def terms(playbook: Playbook = DEFAULT, *, family: str = "cooling", hold_s: float = 0, **more: Any) -> Terms:
    return Terms(family, playbook, timedelta(seconds=hold_s), **more)


def cost(firings: list[Firing], one: Terms | None = None, *, until: datetime = END) -> Cost:
    return estimate(firings, {"hot": one or terms()}, until=until)["hot"]


def test_the_default_playbook_tells_the_owner_twice() -> None:
    assert cost([firing(0, 1)]) == Cost(tickets=1, messages=2)


def test_while_it_lasts_there_is_no_good_news() -> None:
    assert cost([firing(0, None)]) == Cost(tickets=1, messages=1)


def test_what_begins_while_the_ticket_is_open_joins_it_whatever_rule_found_it() -> None:
    both = {"hot": terms(), "loud": terms()}
    found = estimate([firing(0, 4), firing(1, 2, "loud"), firing(3, 6, "loud")], both, until=END)
    assert found == {"hot": Cost(tickets=1, messages=2), "loud": Cost(attached=2)}


def test_rules_of_different_families_and_devices_open_tickets_of_their_own() -> None:
    found = estimate(
        [firing(0, 4), firing(1, 2, "loud"), firing(1, 2, device="b")],
        {"hot": terms(), "loud": terms(family="noise")},
        until=END,
    )
    assert (found["hot"].tickets, found["loud"].tickets) == (2, 1)


def test_a_relapse_within_thirty_days_reopens_and_later_it_is_new() -> None:
    month = 30 * 24
    assert cost([firing(0, 1), firing(month, month + 1)]) == Cost(tickets=1, reopened=1, messages=4)
    assert cost([firing(0, 1), firing(month + 2, month + 3)]).tickets == 2


def test_healthy_for_keeps_the_ticket_open_between_episodes() -> None:
    playbook = parse_playbook({"healthy_for": "2h"})
    assert cost([firing(0, 1), firing(2, 3)], terms(playbook)) == Cost(tickets=1, attached=1, messages=2)


def test_a_fault_that_is_gone_before_hold_is_over_is_not_told() -> None:
    assert cost([firing(0, 0.01)], terms(hold_s=60)) == Cost(tickets=1)


def test_a_remote_fix_that_recovers_before_its_check_tells_nobody() -> None:
    playbook = parse_playbook({"steps": [{"command": "restart"}, {"verify": {"for": "15m"}}, {"message": "customer"}]})
    assert cost([firing(0, 0.2)], terms(playbook)) == Cost(tickets=1, commands=1)
    assert cost([firing(0, 1)], terms(playbook)) == Cost(tickets=1, commands=1, messages=2)


def test_a_visit_is_asked_for_when_nobody_answered_in_time() -> None:
    playbook = parse_playbook({"steps": [{"message": {"wait": "2h"}}, {"visit": {}}]})
    assert cost([firing(0, 1)], terms(playbook)).visits == 0
    assert cost([firing(0, 3)], terms(playbook)).visits == 1


def test_a_major_fault_that_lasts_a_day_gets_one_visit() -> None:
    assert cost([firing(0, 25, severity=Severity.MAJOR)]).visits == 1
    assert cost([firing(0, 23, severity=Severity.MAJOR)]).visits == 0
    assert cost([firing(0, 99)]).visits == 0


def test_what_would_come_after_the_last_reading_is_not_counted() -> None:
    assert cost([firing(0, None, severity=Severity.MAJOR)], until=at(23)).visits == 0


def test_old_evidence_opens_a_ticket_and_contacts_nobody() -> None:
    assert cost([firing(0, 30, stale=True, severity=Severity.MAJOR)]) == Cost(tickets=1)


def test_agents_only_reaches_no_customer() -> None:
    assert cost([firing(0, 30, severity=Severity.MAJOR)], terms(agents_only=True)) == Cost(tickets=1)


def test_flapping_is_told_once() -> None:
    assert cost([firing(0, 5, flapping=True)]).messages == 3


SPANS = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 200), st.sampled_from("ab"), st.sampled_from(["hot", "loud"])),
    max_size=30,
)


@given(SPANS, st.sampled_from([{}, {"healthy_for": "2h"}, {"steps": [{"message": {"wait": "1h"}}, {"visit": {}}]}]))
def test_every_episode_is_counted_once_and_nothing_without_a_ticket(
    spans: list[tuple[int, int, str, str]], playbook: dict[str, Any]
) -> None:
    both = {rule: terms(parse_playbook(playbook)) for rule in ("hot", "loud")}
    firings = [firing(begin, begin + length, rule, device) for begin, length, device, rule in spans]
    found = estimate(firings, both, until=END).values()
    assert sum(one.tickets + one.attached + one.reopened for one in found) == len(spans)
    for one in found:
        assert one.visits <= one.tickets + one.reopened
        assert one.messages <= 2 * (one.tickets + one.reopened)


def test_a_rule_without_episodes_costs_nothing() -> None:
    assert cost([]) == Cost()
    with pytest.raises(KeyError):
        estimate([firing(0, 1, "unknown")], {"hot": terms()}, until=END)
