"""A rule that comes into force late knows what one that was always there would know."""

import os
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

import rules.engine
from domain.faults import Transition, TransitionState
from domain.telemetry import LogBatch, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.worker import Pace, Worker
from tests.unit.rules.reference_live import log_entries
from tests.unit.rules.reference_strategies import Case, cases
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog, Ticker

ROUNDS = int(os.environ.get("PREVENANT_REFERENCE_ROUNDS", "3"))
SEED = int(os.environ.get("PREVENANT_REFERENCE_SEED", "1"))
SETTINGS = settings(
    max_examples=8, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
NOON = 1_772_452_800_000
APART = ("lateness", "flapping")
Step = tuple[str, str, int, str, Any, Any]


def step(one: Transition, *, less: int = 0) -> Step:
    return one.rule, one.device_id, one.episode - less, str(one.state), one.at, one.onset


def observed(state: rules.engine.State, entries: Sequence[LogEntry]) -> list[Transition]:
    return rules.engine.observe(state, entries)[1]


def always_there(before: Sequence[LogEntry], after: Sequence[LogEntry], late: set[str]) -> list[Step]:
    """What rules `late` would tell had they been in force all along: what was open at the cut, and what came after.
    Episodes that were over by then do not count."""
    state = rules.engine.new_state()
    open_: dict[tuple[str, str], list[Transition]] = {}
    over: dict[tuple[str, str], int] = {}
    for one in observed(state, before):
        key = one.rule, one.device_id
        if one.state is TransitionState.RESOLVED:
            over[key] = one.episode
            open_.pop(key, None)
        else:
            open_.setdefault(key, []).append(one)
            over[key] = one.episode - 1
    told = [one for all_ in open_.values() for one in all_] + observed(state, after)
    return sorted(step(one, less=over.get((one.rule, one.device_id), 0)) for one in told if one.rule in late)


def came_late(before: Sequence[LogEntry], after: Sequence[LogEntry], late: Sequence[RuleActivated]) -> list[Step]:
    state = rules.engine.new_state()
    names = {entry.name for entry in late}
    past = [entry for entry in before if not (isinstance(entry, RuleActivated) and entry.name in names)]
    observed(state, past)
    told: list[Transition] = []
    for entry in late:
        told += observed(state, [entry])
        for name in rules.engine.cold(state):
            told += rules.engine.warm(state, name, [past])
    told += observed(state, after)
    return sorted(step(one) for one in told if one.rule in names)


def test_a_rule_that_looked_back_goes_on_as_if_it_had_always_been_there() -> None:
    told = 0

    @SETTINGS
    @given(case=cases(4), chance=st.integers(0, 2**32))
    def agree(case: Case, chance: int) -> None:
        nonlocal told
        random = Random(chance)
        # What waits for its turn in a lane that others share is not taken apart, and an episode that was over before
        # the rule was there is not reopened as flapping: docs/rule-semantics.md.
        plain = [{key: value for key, value in rule.items() if key not in APART} for rule in case.rules]
        entries = list(log_entries(replace(case, rules=tuple(plain))))
        control = len(case.rules) + len(case.attributes or {})
        cut = random.randint(control, len(entries))
        late = [one for one in entries if isinstance(one, RuleActivated) and random.random() < 0.6]
        expected = always_there(entries[:cut], entries[cut:], {one.name for one in late})
        assert came_late(entries[:cut], entries[cut:], late) == expected
        told += len(expected)

    for offset in range(ROUNDS):
        seed(1000 * SEED + offset)(agree)()
    assert told > 20 * ROUNDS


HOT = {"kind": "rule", "name": "hot", "when": "celsius > 90", "for": "5m"}


def hot_for_an_hour() -> list[LogEntry]:
    entries: list[LogEntry] = []
    for minute in range(60):
        at = NOON + minute * 60_000
        entries.append(Uplink("pump-7", at, (Sample(at, {"celsius": 80.0 if minute < 50 else 95.0}),)))
        entries.append(Tick(at + 1000, "l", covers_ms=60_000))
    return entries


def run(*groups: Sequence[LogEntry]) -> list[Transition]:
    """A worker over a log that holds the groups, to its end."""
    ledger, ticker = FakeLedger(), Ticker()
    log = FakeLog([LogBatch(10 * (n + 1), tuple(group)) for n, group in enumerate(groups)])
    pace = Pace(retry_s=0.0, wait_s=0.0)
    worker = Worker(rules.engine, log=log, ledger=ledger, owner="w", pace=pace, monotonic=ticker)
    with capture_logs():
        while worker.step():
            ticker.now += 0.4
    return ledger.transitions


def test_a_new_rule_notices_at_once_what_has_been_wrong_for_long() -> None:
    (fired,) = run(hot_for_an_hour(), [RuleActivated("hot", 1, "live", HOT)])
    assert (str(fired.state), fired.episode, fired.evidence["celsius"]) == ("firing", 1, 95.0)
    assert (fired.at - fired.onset).total_seconds() == 300


def test_a_new_version_that_asks_something_else_looks_at_the_latest_samples_anew() -> None:
    looser = {**HOT, "when": "celsius > 99"}
    first = [RuleActivated("hot", 1, "live", looser)]
    (fired,) = run(first, hot_for_an_hour(), [RuleActivated("hot", 2, "live", HOT)])
    assert (fired.version, str(fired.state), fired.episode) == (2, "firing", 1)


@pytest.mark.parametrize(("before", "after"), [("0s", "5s"), ("5s", "0s")])
def test_a_version_that_waits_differently_goes_on_with_full_windows(before: str, after: str) -> None:
    rule = {**HOT, "signals": {"recent": {"op": "count", "of": "celsius", "over": "30m"}}, "when": "recent >= 25"}
    later = [
        Uplink("pump-7", NOON + minute * 60_000, (Sample(NOON + minute * 60_000, {"celsius": 80.0}),))
        for minute in range(60, 65)
    ]
    told = run(
        [RuleActivated("hot", 1, "live", {**rule, "lateness": before})],
        hot_for_an_hour(),
        [RuleActivated("hot", 2, "live", {**rule, "lateness": after})],
        later,
    )
    assert [(str(one.state), one.episode) for one in told] == [("firing", 1)]


def test_what_is_over_stays_untold() -> None:
    back = Uplink("pump-7", NOON + 3_600_000, (Sample(NOON + 3_600_000, {"celsius": 70.0}),))
    assert run([*hot_for_an_hour(), back], [RuleActivated("hot", 1, "live", HOT)]) == []


def test_what_cannot_be_evaluated_leaves_a_rule_without_its_past_and_in_force() -> None:
    class Broken(FakeLog):
        def since(self, partition: int, since_ms: int, *, up_to: int):  # type: ignore[no-untyped-def]
            raise ZeroDivisionError("a disk of sand")

    entries = hot_for_an_hour()
    log = Broken([LogBatch(1, tuple(entries[:110])), LogBatch(2, (RuleActivated("hot", 1, "live", HOT),))])
    log.entries.append(LogBatch(3, tuple(entries[110:])))
    ledger, ticker = FakeLedger(), Ticker()
    worker = Worker(
        rules.engine, log=log, ledger=ledger, owner="w", pace=Pace(retry_s=0.0, wait_s=0.0), monotonic=ticker
    )
    with capture_logs() as said:
        while worker.step():
            ticker.now += 0.4
    assert "rule_starts_without_past" in [entry["event"] for entry in said]
    assert ledger.transitions == []
    assert worker.positions() == {0: 3}
