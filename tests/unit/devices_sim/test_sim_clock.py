"""The simulator reads the same clock as every role."""

from datetime import UTC, datetime, timedelta

import pytest

from devices_sim.clock import StoryClock, read_clock
from domain.clock import SimulatedClock, parse_clock


def test_it_reads_what_the_product_writes() -> None:
    theirs = SimulatedClock(datetime(2026, 3, 2, 8, tzinfo=UTC), 300, datetime.now(UTC) - timedelta(seconds=20))
    ours = read_clock(theirs.spec())
    assert abs(ours.now() - theirs.now()) < timedelta(seconds=30)  # 0.1 real seconds
    assert ours.now() > theirs.start + timedelta(minutes=99)


def test_empty_means_real_time() -> None:
    assert abs(read_clock("").now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_without_an_origin_the_day_begins_now() -> None:
    spec = "2026-03-02T09:00:00+01:00*60"
    assert abs(read_clock(spec).now() - parse_clock(spec).now()) < timedelta(seconds=30)


def test_real_waiting_is_shorter_than_simulated() -> None:
    clock = StoryClock(datetime(2026, 3, 2, tzinfo=UTC), 100, datetime.now(UTC))
    assert 0.5 < clock.real_seconds_until(clock.now() + timedelta(seconds=100)) <= 1.0
    assert clock.real_seconds_until(clock.now() - timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    "spec", ["soon", "2026-03-02T08:00:00*300", "2026-03-02T08:00:00Z*fast", "2026-03-02T08:00:00Z*0"]
)
def test_a_wrong_clock_says_so(spec: str) -> None:
    with pytest.raises(ValueError, match="clock"):
        read_clock(spec)
