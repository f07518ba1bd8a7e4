"""Peers in different partitions: what workers tell of their devices comes back as one summary for all."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.peering import STALE, SummingUp, Surveyor
from domain.clock import FakeClock, to_ms
from domain.errors import LogUnavailable, StoreUnavailable
from domain.telemetry import DeviceChanged, LogBatch, LogEntry, PeerSummary, RuleActivated, Sample, Uplink
from rules import engine
from rules.state import State
from rules.worker import Worker
from store.database import Database
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog, Ticker

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
BODY = {
    "kind": "rule",
    "name": "odd",
    "when": "s > 4",
    "signals": {"s": {"op": "peers", "of": "temp", "by": ["model"], "stat": "zscore"}},
}
RULE = RuleActivated("odd", 1, "live", BODY)


class Recorder:
    """A log that remembers what it was offered under which message id, and may be away."""

    def __init__(self) -> None:
        self.told: dict[str, dict[int, list[LogEntry]]] = {}
        self.away = False

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> Mapping[int, int]:
        if self.away:
            raise LogUnavailable("away")
        self.told[msg_id] = {partition: list(entries) for partition, entries in batches.items()}
        return dict.fromkeys(batches, 1)


def fleet(partition: int, values: Sequence[float], *, model: str = "X1") -> list[LogEntry]:
    entries: list[LogEntry] = []
    for number, value in enumerate(values):
        name = f"d{partition}-{number}"
        entries.append(DeviceChanged(name, "pump", {"model": model}, 0))
        entries.append(reading(name, value, at=START))
    return entries


def reading(device_id: str, value: float, *, at: datetime) -> Uplink:
    return Uplink(device_id, to_ms(at), (Sample(to_ms(at), {"temp": value}),))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START + timedelta(seconds=30))


def test_a_device_is_odd_among_peers_of_all_partitions(database: Database, clock: FakeClock) -> None:
    log, surveyor = Recorder(), Surveyor(database, clock)
    states: list[State] = []
    for partition, values in ((0, [20.0, 20.1, 20.2, 19.9]), (1, [20.0, 19.8, 20.3, 20.1, 20.2])):
        state, _ = engine.observe(engine.new_state(), [RULE, *fleet(partition, values)])
        surveyor.look(partition, state)
        states.append(state)
    SummingUp(database, clock, log.append, partitions=2, owner="clock@here:1").sum_up()
    (told,) = log.told.values()
    assert told[0] == told[1]
    begin, summary = told[0]
    assert isinstance(begin, PeerSummary)
    assert isinstance(summary, PeerSummary)
    assert (begin.group, begin.n, summary.n, summary.median) == ("", 0, 9, 20.1)
    for state, name in zip(states, ("d0-0", "d1-0"), strict=True):
        _, found = engine.observe(state, [*told[0], reading(name, 95.0, at=START + timedelta(minutes=1))])
        assert [one.device_id for one in found] == [name]


def test_a_partition_is_asked_once_a_minute_and_summed_up_once_a_minute(database: Database, clock: FakeClock) -> None:
    log, surveyor = Recorder(), Surveyor(database, clock)
    state, _ = engine.observe(engine.new_state(), [RULE, *fleet(0, np.linspace(20, 21, 12).tolist())])
    clocks = [SummingUp(database, clock, log.append, partitions=1, owner=f"clock@there:{n}") for n in (1, 2)]
    for _ in range(150):
        surveyor.look(0, state)
        for one in clocks:
            one.sum_up()
        clock.advance(seconds=1)
    assert len(log.told) == 3


def test_a_log_that_is_away_gets_the_summary_later(database: Database, clock: FakeClock) -> None:
    log = Recorder()
    state, _ = engine.observe(engine.new_state(), [RULE, *fleet(0, [20.0] * 9)])
    Surveyor(database, clock).look(0, state)
    one = SummingUp(database, clock, log.append, partitions=1, owner="clock@here:1")
    log.away = True
    with pytest.raises(LogUnavailable):
        one.sum_up()
    log.away = False
    one.sum_up()
    assert len(log.told) == 1


def test_what_a_partition_said_too_long_ago_is_not_counted(database: Database, clock: FakeClock) -> None:
    log = Recorder()
    state, _ = engine.observe(engine.new_state(), [RULE, *fleet(0, [20.0] * 9)])
    Surveyor(database, clock).look(0, state)
    clock.advance(seconds=STALE.total_seconds() + 1)
    SummingUp(database, clock, log.append, partitions=1, owner="clock@here:1").sum_up()
    assert not log.told


def test_a_worker_shows_its_live_state_and_lives_with_a_database_that_is_away() -> None:
    log = FakeLog([LogBatch(1, (RULE, *fleet(0, [20.0])))])
    shown: list[int] = []
    away = [True]

    def survey(partition: int, state: State) -> None:
        if away[0]:
            raise StoreUnavailable("away")
        shown.append(partition)

    ticker = Ticker()
    worker = Worker(engine, log=log, ledger=FakeLedger(), owner="w", monotonic=ticker, survey=survey)
    worker.step()
    assert worker.outages() == ["store"]
    away[0] = False
    worker.step()
    assert shown == [0]
    assert worker.outages() == []
