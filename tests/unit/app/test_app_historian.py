"""The clock role's historian: one writer per partition, whoever runs; upkeep once an hour."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import historian
from app.historian import Historian
from domain.clock import FakeClock, to_ms
from domain.telemetry import Sample, Tick, Uplink, partition_of
from store import leases, meta
from store.database import Database
from store.history import History
from store.history_upkeep import Upkeep
from store.log_memory import MemoryLog

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Office:
    """A log, a history, and as many historians as wanted."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock, self.log = database, FakeClock(START), MemoryLog()
        self.history = History(str(folder / "history"))

    def historian(self, owner: str = "clock@elsewhere:1") -> Historian:
        history = History(self.history.url)
        return Historian(self.database, self.clock, self.log, history, partitions=2, owner=owner, keep_days=400)

    def send(self, number: int) -> None:
        at = to_ms(START) + number
        entries = [Uplink("a", at, (Sample(at, {"n": float(number)}),))]
        self.log.append({partition_of("a", 2): entries, 1 - partition_of("a", 2): [Tick(at, "l")]}, msg_id=str(number))

    def stored(self) -> list[float]:
        found = self.history.readings("a", None, since=START, until=START + timedelta(days=1), at_most=99)
        assert found is not None
        return found.sort("ts")["number"].to_list()


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


def test_a_clean_stop_leaves_nothing_in_hand_and_the_next_goes_on_at_once(office: Office) -> None:
    first, second = office.historian(), office.historian("clock@elsewhere:2")
    office.send(0)
    first.write()
    second.write()
    assert (first.report()["history_partitions"], second.report()["history_partitions"]) == (2, 0)
    first.close()
    assert office.stored() == [0.0]
    third = office.historian("clock@elsewhere:3")
    office.send(1)
    third.write()
    third.close()
    assert office.stored() == [0.0, 1.0]


def test_whose_lease_ran_out_unnoticed_is_refused_and_loses_nothing(office: Office) -> None:
    slow, quick = office.historian(), office.historian("clock@elsewhere:2")
    office.send(0)
    slow.write()
    with office.database.write() as session:
        for partition in range(2):
            leases.hold(session, f"history-{partition}of2", owner="clock@elsewhere:1", seconds=-1)
    quick.write()
    quick.close()
    slow.close()
    assert office.stored() == [0.0]


def test_a_history_far_behind_is_trouble(office: Office) -> None:
    one = office.historian()
    office.send(0)
    one.write()
    assert one.report()["trouble"] is None
    office.clock.advance(hours=2)
    assert "behind" in one.report()["trouble"]


def test_upkeep_is_done_once_an_hour_whoever_does_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    def counted(*_: object, keep_days: int, **__: object) -> Upkeep:
        rounds.append(keep_days)
        return Upkeep()

    monkeypatch.setattr(historian, "keep_up", counted)
    for owner in ("clock@elsewhere:1", "clock@elsewhere:2"):
        office.historian(owner).keep_up()
    assert rounds == [400]
    with office.database.write() as session:
        meta.put(session, "history_kept_up_at", "1.0")
    office.historian("clock@elsewhere:1").keep_up()
    assert rounds == [400, 400]


def test_real_upkeep_leaves_every_reading(office: Office) -> None:
    for number in range(3):
        office.send(number)
        one = office.historian()
        one.write()
        one.close()
    office.clock.advance(days=1)
    office.historian().keep_up()
    with office.history.table() as table:
        assert len(table.file_uris()) == 1
    assert office.stored() == [0.0, 1.0, 2.0]
