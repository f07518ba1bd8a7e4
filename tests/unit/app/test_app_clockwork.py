"""The clock role: one appointment that fails holds up no other; control entries reach the log once, in order."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app import clockwork, pipeline
from app.clockwork import Clockwork
from domain.clock import FakeClock
from domain.errors import LogUnavailable
from domain.telemetry import DeviceChanged, LogEntry, RuleRetired
from store import control, due
from store.database import Database
from store.tables import Device, Due

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Recorder:
    """A log that remembers what it was offered, and may be away."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, LogEntry]] = []
        self.away = False

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> Mapping[int, int]:
        if self.away:
            raise LogUnavailable("away")
        self.entries += [(partition, entry) for partition, entries in batches.items() for entry in entries]
        return dict.fromkeys(batches, len(self.entries))


@pytest.fixture
def log() -> Recorder:
    return Recorder()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def role(database: Database, clock: FakeClock, log: Recorder) -> Clockwork:
    return Clockwork(database, clock, log.append, partitions=2, owner="clock@here:1")


def test_an_appointment_that_fails_comes_again_later_and_the_next_is_kept(
    database: Database, clock: FakeClock, role: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    def handle(session: Any, row: Due, *, now: datetime) -> list[Any]:
        if row.ref == "bad":
            raise RuntimeError("our own mistake")
        kept.append(row.ref)
        return []

    monkeypatch.setattr(pipeline.service, "on_due", handle)
    with database.write() as session:
        due.schedule(session, "close", "bad", at=START)
        due.schedule(session, "close", "good", at=START + timedelta(seconds=1))
    clock.advance(seconds=2)
    role.do_due()
    assert kept == ["good"]
    with database.read() as session:
        (row,) = session.scalars(select(Due)).all()
        assert (row.ref, row.due_at) == ("bad", clock.now() + clockwork.RETRY_AFTER)


def test_nothing_is_done_before_its_time(database: Database, role: Clockwork) -> None:
    with database.write() as session:
        due.schedule(session, "close", 1, at=START + timedelta(seconds=1))
    role.do_due()
    with database.read() as session:
        assert len(session.scalars(select(Due)).all()) == 1


def test_control_entries_reach_the_log_in_order_and_once(database: Database, role: Clockwork, log: Recorder) -> None:
    changed = DeviceChanged("d-1", "boiler", {}, 0)
    with database.write() as session:
        session.add(Device(id="d-1", registered_at=START))
        control.enqueue(session, changed, device_id="d-1")
        control.enqueue(session, RuleRetired("hot"))
    log.away = True
    with pytest.raises(LogUnavailable):
        role.drain_control()
    log.away = False
    role.drain_control()
    role.drain_control()
    assert [entry for _, entry in log.entries] == [changed, RuleRetired("hot"), RuleRetired("hot")]
    with database.read() as session:
        assert session.get_one(Device, "d-1").announced
        assert control.waiting(session) == []
