"""The live loop, attacked at each point where a process can die or a neighbour can be away."""

import json
import threading
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.faults import Severity, Transition, TransitionState
from domain.telemetry import LogBatch, LogEntry, Sample, Uplink
from rules.worker import Pace, Worker
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog, Ticker


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the worker says."""
    with capture_logs() as entries:
        yield entries


EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


def uplink(minute: int, celsius: float, device: str = "pump-7") -> Uplink:
    at = minute * 60_000
    return Uplink(device, at, (Sample(at, {"celsius": celsius}),))


def batches(*entries: LogEntry, start: int = 1) -> list[LogBatch]:
    return [LogBatch(start + index, (entry,)) for index, entry in enumerate(entries)]


class ThresholdEngine:
    """Above 90 fires, below resolves; counts what it has seen; -273 cannot be evaluated and spoils the state."""

    def __init__(self) -> None:
        self.evaluated = 0

    def new_state(self) -> dict[str, Any]:
        return {"seen": 0, "episode": {}, "hot": {}}

    def observe(self, state: dict[str, Any], entries: Sequence[LogEntry]) -> tuple[dict[str, Any], list[Transition]]:
        found = []
        for entry in entries:
            assert isinstance(entry, Uplink)
            self.evaluated += 1
            state["seen"] += 1
            celsius = entry.samples[0].values["celsius"]
            assert isinstance(celsius, float | int)
            if celsius == -273:
                state["seen"] += 1000
                raise ZeroDivisionError("poison")
            device, hot = entry.device_id, celsius > 90
            if hot != state["hot"].get(device, False):
                state["hot"][device] = hot
                state["episode"][device] = state["episode"].get(device, 0) + hot
                found.append(_transition(entry, state["episode"][device], hot=hot))
        return state, found

    def cold(self, state: dict[str, Any]) -> dict[str, int]:
        return {}

    def warm(self, state: dict[str, Any], name: str, past: Iterable[Sequence[LogEntry]]) -> list[Transition]:
        raise AssertionError("no rule came into force")

    def dump(self, state: dict[str, Any]) -> bytes:
        return json.dumps(state).encode()

    def load(self, data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(data)
        return found


def _transition(entry: Uplink, episode: int, *, hot: bool) -> Transition:
    at = EPOCH + timedelta(milliseconds=entry.received_at)
    state = TransitionState.FIRING if hot else TransitionState.RESOLVED
    return Transition("hot", 1, entry.device_id, episode, state, at, at, Severity.MAJOR, at)


class House:
    """One log and one ledger, and workers that come and go."""

    def __init__(self, *entries: LogEntry) -> None:
        self.log, self.ledger, self.ticker = FakeLog(batches(*entries)), FakeLedger(), Ticker()
        self.engine = ThresholdEngine()
        self._started = 0

    def worker(self, **pace: float) -> Worker[dict[str, Any]]:
        self._started += 1
        self.engine = ThresholdEngine()
        settings = Pace(**{"retry_s": 0.0, "wait_s": 0.0, **pace})  # type: ignore[arg-type]
        return Worker(
            self.engine,
            log=self.log,
            ledger=self.ledger,
            owner=f"worker-{self._started}",
            pace=settings,
            monotonic=self.ticker,
        )

    def add(self, *entries: LogEntry) -> None:
        self.log.entries += batches(*entries, start=len(self.log.entries) + 1)

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(str(each.state), each.episode) for each in self.ledger.transitions]


def run_steps(worker: Worker[dict[str, Any]], house: House, *, steps: int = 4, seconds: float = 0.6) -> None:
    for _ in range(steps):
        worker.step()
        house.ticker.now += seconds


STORY = (uplink(0, 80), uplink(1, 95), uplink(2, 96), uplink(3, 80), uplink(4, 99))
ONCE = [("firing", 1), ("resolved", 1), ("firing", 2)]


def test_transitions_are_committed_with_the_position() -> None:
    house = House(*STORY)
    run_steps(house.worker(), house)
    assert house.told == ONCE
    assert house.ledger.commits == [(5, 3)]


def test_the_position_alone_is_committed_at_most_once_a_second() -> None:
    house = House()
    worker = house.worker()
    for minute in range(20):
        house.add(uplink(minute, 20))
        worker.step()
        house.ticker.now += 0.25
    assert 4 <= len(house.ledger.commits) <= 6
    assert all(count == 0 for _, count in house.ledger.commits)


@pytest.mark.parametrize("died", ["before", "after"])
def test_killed_around_the_commit_the_next_worker_tells_all_exactly_once(died: str) -> None:
    house = House(*STORY)
    setattr(house.ledger, f"commit_fails_{died}", True)
    house.worker().step()
    house.ledger.commit_fails_before = house.ledger.commit_fails_after = False
    run_steps(house.worker(), house)
    assert house.told == ONCE


def test_a_commit_that_went_through_unheard_is_not_repeated_by_the_same_worker() -> None:
    house = House(*STORY)
    worker = house.worker()
    house.ledger.commit_fails_after = True
    worker.step()
    house.ledger.commit_fails_after = False
    run_steps(worker, house)
    assert house.told == ONCE


def test_what_is_in_hand_is_committed_when_the_database_is_back() -> None:
    house = House(*STORY)
    worker = house.worker()
    house.ledger.commit_fails_before = True
    run_steps(worker, house)
    assert house.told == []
    house.ledger.commit_fails_before = False
    run_steps(worker, house)
    assert house.told == ONCE
    assert house.engine.evaluated == len(STORY)


@pytest.mark.parametrize("killed_at", range(6))
def test_a_restart_at_any_entry_tells_nothing_twice_and_loses_nothing(killed_at: int) -> None:
    house = House()
    for entry in STORY[:killed_at]:
        house.add(entry)
    run_steps(house.worker(snapshot_s=0.5), house)
    for entry in STORY[killed_at:]:
        house.add(entry)
    run_steps(house.worker(), house)
    assert house.told == ONCE


def test_a_snapshot_older_than_the_position_is_replayed_with_effects_off() -> None:
    house = House(*STORY[:3])
    first = house.worker(snapshot_s=0.5)
    run_steps(first, house, steps=2)
    position, _ = house.ledger.snapshots[0]
    assert position == 3
    house.ledger.snapshots[0] = (1, b'{"seen": 1, "episode": {}, "hot": {}}')
    house.add(*STORY[3:])
    worker = house.worker()
    run_steps(worker, house)
    assert house.told == ONCE
    assert house.engine.evaluated == 4, "replayed from the entry after the snapshot"


def test_replaying_in_small_bites_stays_silent_until_the_committed_position() -> None:
    house = House(*STORY)
    house.ledger.position[0] = 4
    worker = house.worker(max_batches=1)
    for expected in ([], [], [], [], [("firing", 2)]):
        worker.step()
        assert house.told == expected


def test_an_unreadable_snapshot_costs_a_replay_and_nothing_else() -> None:
    house = House(*STORY)
    house.ledger.snapshots[0], house.ledger.position[0] = (3, b"not a snapshot"), 3
    with capture_logs() as logs:
        run_steps(house.worker(), house)
    assert house.told == ONCE[1:]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["snapshot_unreadable"]


def test_a_worker_whose_lease_was_taken_commits_nothing_and_lets_go() -> None:
    house = House(*STORY[:1])
    slow, fast = house.worker(), house.worker()
    slow.step()
    fast.step()
    house.add(*STORY[1:])
    slow.step()
    assert house.told == []
    assert slow.positions() == {}
    fast.step()
    assert house.told == ONCE


def test_a_partition_that_comes_back_under_a_new_epoch_starts_from_its_snapshot() -> None:
    house = House(*STORY[:2])
    worker = house.worker(renew_s=0.1)
    run_steps(worker, house, steps=2)
    other = house.worker()
    house.add(*STORY[2:4])
    run_steps(other, house, steps=2)
    house.ledger.owner = "nobody"
    house.add(*STORY[4:])
    run_steps(worker, house)
    assert house.told == ONCE


def test_a_partition_that_is_not_claimed_any_more_is_dropped() -> None:
    house = House(*STORY)
    worker = house.worker()
    worker.step()
    house.ledger.partitions = []
    house.ticker.now += 5
    worker.step()
    assert worker.positions() == {}


@pytest.mark.parametrize("what", ["log", "store"])
def test_an_outage_is_said_once_and_its_end_once_and_nothing_is_lost(what: str) -> None:
    house = House(*STORY[:2])
    worker = house.worker()
    with capture_logs() as logs:
        worker.step()
        broken: FakeLog | FakeLedger = house.log if what == "log" else house.ledger
        broken.away = True
        house.add(*STORY[2:])
        run_steps(worker, house, steps=40)
        assert worker.outages() == [what]
        broken.away = False
        house.ticker.now += 5
        run_steps(worker, house)
    assert worker.outages() == []
    assert house.told == ONCE
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert warnings == [f"{what}_unavailable", f"{what}_available_again"]


def test_commits_that_fail_while_claims_work_are_no_flood() -> None:
    house = House(*STORY)
    worker = house.worker(renew_s=0.1)
    house.ledger.commit_fails_before = True
    with capture_logs() as logs:
        run_steps(worker, house, steps=30)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["store_unavailable"]


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("max_batches", [1, 2, 100])
def test_an_entry_that_cannot_be_evaluated_is_left_out_and_the_rest_goes_on(place: int, max_batches: int) -> None:
    entries = list(STORY)
    entries.insert(place, uplink(place, -273, "bad-1"))
    house = House(*entries)
    worker = house.worker(max_batches=max_batches)
    with capture_logs() as logs:
        run_steps(worker, house, steps=20)
    assert house.told == ONCE
    assert worker.counts.skipped == 1
    skipped = [entry for entry in logs if entry["event"] == "entry_skipped"]
    assert [(entry["sequence"], entry["device_id"]) for entry in skipped] == [(place + 1, "bad-1")]


def test_the_spoilt_state_is_not_used_after_a_poisonous_entry() -> None:
    house = House(uplink(0, 20), uplink(1, -273), uplink(2, 20))
    worker = house.worker()
    run_steps(worker, house)
    worker.close()
    assert json.loads(house.ledger.snapshots[0][1])["seen"] == 2


def test_a_poisonous_entry_inside_a_batch_takes_only_itself_along() -> None:
    house = House()
    house.log.entries = [LogBatch(7, (*STORY[:2], uplink(1, -273), *STORY[2:]))]
    run_steps(house.worker(), house)
    assert house.told == ONCE


def test_after_a_restart_a_poisonous_entry_that_was_passed_stays_passed() -> None:
    house = House(*STORY[:2], uplink(1, -273), *STORY[2:])
    run_steps(house.worker(), house)
    run_steps(house.worker(), house)
    assert house.told == ONCE


def test_an_error_that_nobody_expected_in_one_partition_leaves_the_others_at_work() -> None:
    house = House(*STORY)
    house.ledger.partitions = [0, 1]
    read = house.log.read

    class HalfBroken(FakeLog):
        def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
            if partition == 1:
                raise RuntimeError("a bug")
            return read(partition, after=after, max_entries=max_entries, wait_s=wait_s)

    house.log = HalfBroken(house.log.entries)
    worker = house.worker()
    with capture_logs() as logs:
        run_steps(worker, house)
    assert house.told == ONCE
    assert worker.counts.crashes == 4
    assert {entry["event"] for entry in logs if entry["log_level"] == "error"} == {"partition_failed"}


def test_stopping_commits_and_snapshots_what_is_in_hand() -> None:
    house = House()
    worker = house.worker()
    worker.step()
    house.add(uplink(0, 20))
    worker.step()
    assert house.ledger.position == {}, "too soon for a position alone"
    worker.close()
    assert house.ledger.position == {0: 1}
    assert house.ledger.snapshots[0][0] == 1


def test_stopping_without_a_database_raises_nothing() -> None:
    house = House(*STORY)
    worker = house.worker()
    house.ledger.commit_fails_before = True
    worker.step()
    house.ledger.away = True
    worker.close()
    assert house.told == []


def test_run_ends_when_it_is_told_to() -> None:
    house = House(*STORY)
    worker, stop = house.worker(), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    for _ in range(500):
        if house.told == ONCE:
            break
        stop.wait(0.01)
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert house.ledger.snapshots[0][0] == 5
