"""The live loop around the real engine: whatever is killed when, the record is the one of a run without trouble."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from structlog.testing import capture_logs

import rules.engine
from domain.faults import Transition
from domain.telemetry import DeviceChanged, LogBatch, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.engine import State
from rules.worker import Pace, Worker
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog, Ticker

START = 1_772_442_000_000
HOT = {
    "kind": "rule",
    "name": "hot",
    "signals": {"mean": {"op": "mean", "of": "celsius", "over": "3m"}},
    "when": "celsius > limit AND mean > 80",
    "for": "1m",
}
SILENT = {"kind": "rule", "name": "silent", "signals": {"quiet": {"op": "silence"}}, "when": "quiet > 150"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def story(seed: int) -> list[LogBatch]:
    """Three devices over an hour, a minute apart more or less; one stops speaking for a while."""
    random = Random(seed)
    groups: list[tuple[LogEntry, ...]] = [
        tuple(DeviceChanged(f"pump-{number}", "pump", {"limit": 88 + number}, START) for number in range(3))
    ]
    groups += [(RuleActivated(str(rule["name"]), 1, "live", rule),) for rule in (HOT, SILENT)]
    for minute in range(60):
        at = START + minute * 60_000
        for number in range(3):
            if number or not 20 < minute < 26:
                celsius = 85 + 8 * random.random()
                groups.append((Uplink(f"pump-{number}", at + number, (Sample(at + number, {"celsius": celsius}),)),))
        groups.append(tuple(Tick(at + second * 1000, "listener-1") for second in range(1, 60)))
    return [LogBatch(3 * index + 1, group) for index, group in enumerate(groups)]


class House:
    """Workers that come and go over one log and one ledger."""

    def __init__(self, batches: Sequence[LogBatch]) -> None:
        self.log, self.ledger, self.ticker, self.started = FakeLog(batches), FakeLedger(), Ticker(), 0

    def worker(self, *, max_batches: int = 100) -> Worker[State]:
        self.started += 1
        pace = Pace(retry_s=0.0, wait_s=0.0, snapshot_s=0.7, max_batches=max_batches)
        return Worker(
            rules.engine,
            log=self.log,
            ledger=self.ledger,
            owner=f"worker-{self.started}",
            pace=pace,
            monotonic=self.ticker,
        )

    def run(self, worker: Worker[State]) -> None:
        while worker.step():
            self.ticker.now += 0.4


def undisturbed(batches: Sequence[LogBatch]) -> list[Transition]:
    house = House(batches)
    house.run(house.worker())
    return house.ledger.transitions


def test_the_story_holds_faults_of_both_rules() -> None:
    told = undisturbed(story(1))
    assert {transition.rule for transition in told} == {"hot", "silent"}
    assert len(told) > 6


@pytest.mark.parametrize("seed", range(6))
def test_workers_killed_at_random_moments_leave_the_same_record(seed: int) -> None:
    random, batches = Random(seed), story(seed)
    house = House(batches)
    for _ in range(8):
        worker = house.worker(max_batches=random.randint(1, 25))
        for _ in range(random.randint(1, 6)):
            house.ledger.commit_fails_before = random.random() < 0.15
            house.ledger.commit_fails_after = random.random() < 0.15
            worker.step()
            house.ticker.now += random.random()
    house.ledger.commit_fails_before = house.ledger.commit_fails_after = False
    house.run(house.worker())
    assert house.ledger.transitions == undisturbed(batches)
    assert house.ledger.snapshots, "some of it must have started from a snapshot"
