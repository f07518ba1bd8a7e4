"""Readings around a fault, kept while the log still has them: bounded, once, and again after a restart."""

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.freezing import AFTER, BEFORE, LONGEST, Freezer
from domain.clock import to_ms
from domain.errors import LogUnavailable
from domain.telemetry import Sample, Uplink, partition_of
from store.database import Database
from store.log_memory import MemoryLog
from store.tables import FaultSamples
from tests.fakes.desk import Desk, new_database

PARTITIONS = 4


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = new_database(tmp_path)
    yield found
    found.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def sends(desk: Desk, log: MemoryLog, *, minutes: range, device: str = "hp-1", **metrics: float) -> None:
    """One reading a minute, at so many minutes from now."""
    for minute in minutes:
        at = to_ms(desk.now + timedelta(minutes=minute))
        values = {name: value + minute for name, value in metrics.items()}
        uplink = Uplink(device, at, (Sample(at, values),))
        log.append({partition_of(device, PARTITIONS): [uplink]}, msg_id=f"{device}-{at}-{sorted(metrics)}")


def freezer(desk: Desk, log: MemoryLog, owner: str = "clock@here:1") -> Freezer:
    return Freezer(desk.database, desk.clock, log, partitions=PARTITIONS, owner=owner)


def frozen(desk: Desk) -> FaultSamples:
    (row,) = desk.rows(FaultSamples)
    found: FaultSamples = row
    return found


def test_the_last_readings_before_a_fault_are_kept_and_no_others(desk: Desk, log: MemoryLog) -> None:
    sends(desk, log, minutes=range(-200, 1), temp=100.0, fan=1.0)
    sends(desk, log, minutes=range(-3, 1), device="hp-2", temp=0.0)
    desk.fires()
    assert freezer(desk, log).work() == 1
    row = frozen(desk)
    line = row.before["temp"]
    start, end = to_ms(desk.now - timedelta(minutes=35)), to_ms(desk.now)
    assert (line[0], line[-1], len(line)) == ([start, 65.0], [end, 100.0], 36), "half an hour before the onset"
    assert row.after == {}
    assert row.due_at == desk.now + LONGEST


def test_a_fast_device_is_bounded(desk: Desk, log: MemoryLog) -> None:
    for second in range(-400, 1):
        at = to_ms(desk.now + timedelta(seconds=second))
        log.append(
            {partition_of("hp-1", PARTITIONS): [Uplink("hp-1", at, (Sample(at, {"temp": 1.0}),))]}, msg_id=f"{at}"
        )
    desk.fires()
    freezer(desk, log).work()
    assert len(frozen(desk).before["temp"]) == BEFORE


def test_what_came_after_is_kept_at_the_end_with_its_extremes(desk: Desk, log: MemoryLog) -> None:
    sends(desk, log, minutes=range(-5, 1), temp=100.0)
    desk.fires()
    freezer(desk, log).work()
    before = frozen(desk).before
    sends(desk, log, minutes=range(1, 400), temp=100.0)
    desk.advance(minutes=400)
    log.append(
        {
            partition_of("hp-1", PARTITIONS): [
                Uplink("hp-1", to_ms(desk.now), (Sample(to_ms(desk.now), {"temp": -7.0}),))
            ]
        },
        msg_id="last",
    )
    desk.clears()
    assert freezer(desk, log).work() == 1
    row = frozen(desk)
    values = [value for _, value in row.after["temp"]]
    assert len(values) <= AFTER
    assert {values[0], max(values), values[-1]} == {101.0, 499.0, -7.0}
    assert (row.before, row.due_at) == (before, None)
    assert freezer(desk, log).work() == 0, "it is done"


def test_a_log_that_is_away_leaves_it_due(desk: Desk, log: MemoryLog) -> None:
    desk.fires()

    class Away(MemoryLog):
        def readings_of(self, *args: object, **more: object) -> Iterator[Uplink]:
            raise LogUnavailable("away")

    with pytest.raises(LogUnavailable):
        freezer(desk, Away()).work()
    sends(desk, log, minutes=range(-2, 1), temp=1.0)
    assert freezer(desk, log).work() == 1
    assert frozen(desk).before["temp"]


def test_an_episode_that_ends_while_it_is_frozen_is_looked_at_again(desk: Desk, log: MemoryLog) -> None:
    sends(desk, log, minutes=range(-2, 1), temp=1.0)
    desk.fires()

    class EndsMeanwhile(MemoryLog):
        def readings_of(self, *args: object, **more: object) -> Iterator[Uplink]:
            desk.clears()
            return iter(())

    freezer(desk, EndsMeanwhile()).work()
    assert frozen(desk).due_at is not None
    assert freezer(desk, log).work() == 1
    assert (frozen(desk).due_at, bool(frozen(desk).before)) == (None, True)


def test_two_clocks_do_not_freeze_the_same_at_once(desk: Desk, log: MemoryLog) -> None:
    desk.fires()
    first = f"clock@{socket.gethostname()}:{os.getpid()}"
    assert freezer(desk, log, owner=first).work() == 1
    desk.clears()
    assert freezer(desk, log, owner="clock@elsewhere:9").work() == 0
    assert freezer(desk, log, owner=first).work() == 1


def test_a_buffer_that_came_late_is_found_and_past_episodes_are_left_alone(desk: Desk, log: MemoryLog) -> None:
    ago = timedelta(days=3)
    samples = tuple(Sample(to_ms(desk.now - ago + timedelta(minutes=m)), {"temp": float(m)}) for m in range(-20, 1))
    log.append({partition_of("hp-1", PARTITIONS): [Uplink("hp-1", to_ms(desk.now), samples)]}, msg_id="buffer")
    desk.fires(superseded=True, age=ago)
    desk.fires(age=ago)
    assert freezer(desk, log).work() == 1
    assert [value for _, value in frozen(desk).before["temp"]] == [float(m) for m in range(-20, 1)]


def test_a_storm_is_frozen_in_one_pass_over_each_partition(desk: Desk) -> None:
    asked: list[int] = []

    class Counting(MemoryLog):
        def readings_of(self, *devices: str, partition: int, **more: object) -> Iterator[Uplink]:
            asked.append(partition)
            return super().readings_of(*devices, partition=partition, **more)  # type: ignore[arg-type]

    log, devices = Counting(), [f"d-{number}" for number in range(40)]
    for device in devices:
        desk.fires(device=device)
        sends(desk, log, minutes=range(-2, 1), device=device, temp=7.0)
    assert freezer(desk, log).work() == len(devices)
    assert sorted(asked) == list(range(PARTITIONS))
    assert all(len(row.before["temp"]) == 3 for row in desk.rows(FaultSamples))
