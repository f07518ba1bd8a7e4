"""One input, one answer: live, replayed after a kill, in shadow and in the back-test, random rules say the same.

`PREVENANT_REFERENCE_ROUNDS` and `_SEED` look further, as in the comparison with the naive reference.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

import rules.engine
from domain.faults import Transition
from domain.telemetry import LogBatch, LogEntry
from rules.backtest import to_line
from rules.worker import Pace, Worker
from tests.unit.rules.reference_files import backtest_lines
from tests.unit.rules.reference_live import log_entries
from tests.unit.rules.reference_strategies import Case, cases
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog, Ticker

ROUNDS = int(os.environ.get("PREVENANT_REFERENCE_ROUNDS", "2"))
SEED = int(os.environ.get("PREVENANT_REFERENCE_SEED", "1"))
SETTINGS = settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def lines(transitions: Sequence[Transition]) -> list[dict[str, Any]]:
    ordered = sorted(transitions, key=lambda one: (one.at, one.rule, one.device_id, one.episode))
    return [to_line(one) for one in ordered]


def evaluated(entries: Sequence[LogEntry]) -> tuple[list[Transition], list[Transition]]:
    """What one look at everything says, and what the end of a recording lets go of beside that."""
    state, found = rules.engine.observe(rules.engine.new_state(), entries)
    return found, rules.engine.flush(state)


def killed_again_and_again(entries: Sequence[LogEntry], random: Random) -> list[Transition]:
    """What reaches the record when workers die at random moments, around commits too, and others go on."""
    log, ledger, ticker = FakeLog(_batches(entries, random)), FakeLedger(), Ticker()

    def worker(number: int) -> Worker[Any]:
        pace = Pace(retry_s=0.0, wait_s=0.0, snapshot_s=0.7, max_batches=random.randint(1, 12))
        return Worker(rules.engine, log=log, ledger=ledger, owner=f"w{number}", pace=pace, monotonic=ticker)

    for number in range(6):
        mortal = worker(number)
        for _ in range(random.randint(1, 4)):
            ledger.commit_fails_before, ledger.commit_fails_after = random.random() < 0.2, random.random() < 0.2
            mortal.step()
            ticker.now += random.random()
    ledger.commit_fails_before = ledger.commit_fails_after = False
    last = worker(6)
    while last.step():
        ticker.now += 0.4
    return ledger.transitions


def _batches(entries: Sequence[LogEntry], random: Random) -> list[LogBatch]:
    found, at, sequence = list[LogBatch](), 0, 0
    while at < len(entries):
        size = random.randint(1, 9)
        sequence += random.randint(1, 3)
        found.append(LogBatch(sequence, tuple(entries[at : at + size])))
        at += size
    return found


def backtested(case: Case) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return backtest_lines(case, Path(folder))


def test_live_replay_shadow_and_the_back_test_give_the_same_transitions() -> None:
    told = 0

    @SETTINGS
    @given(case=cases(4), chance=st.integers(0, 2**32))
    def agree(case: Case, chance: int) -> None:
        nonlocal told
        live = list(log_entries(case))
        found, left = evaluated(live)
        told += len(found)
        assert lines([*found, *left]) == backtested(case)
        assert lines(evaluated(list(log_entries(case, stage="shadow")))[0]) == lines(found)
        assert lines(killed_again_and_again(live, Random(chance))) == lines(found)

    for offset in range(ROUNDS):
        seed(1000 * SEED + offset)(agree)()
    assert told > 50 * ROUNDS
