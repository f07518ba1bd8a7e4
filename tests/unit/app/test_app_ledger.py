"""The rules worker's ledger: shares, take-over, and the fence that keeps a slow worker from committing."""

import os
import socket
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from app.ledger import LEASE_S, SqlLedger
from domain.clock import FakeClock
from domain.errors import LeaseLost
from domain.telemetry import DeviceChanged, RuleActivated, partition_of
from store import control
from store.database import Database
from store.leases import hold, is_gone
from store.tables import Device, PartitionLease, RoleReport, Rule, RuleVersion

CLOCK = FakeClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
ALICE, BOB = "rules@elsewhere:1", "rules@elsewhere:2"


def ledger(database: Database, owner: str, partitions: int = 4) -> SqlLedger:
    return SqlLedger(database, CLOCK, partitions=partitions, owner=owner)


def let_leases_run_out(database: Database) -> None:
    with database.write() as session:
        session.execute(update(PartitionLease).values(lease_until=time.time() - 1))


def test_the_first_worker_takes_all(database: Database) -> None:
    claims = ledger(database, ALICE).claim(now_owner=ALICE)
    assert [(claim.partition, claim.epoch, claim.committed_position) for claim in claims] == [
        (p, 1, 0) for p in range(4)
    ]


def test_two_workers_that_report_share_evenly(database: Database) -> None:
    alice, bob = ledger(database, ALICE), ledger(database, BOB)
    alice.claim(now_owner=ALICE)
    with database.write() as session:
        session.add(RoleReport(instance=BOB, role="rules", pid=2, at=time.time()))
    assert len(alice.claim(now_owner=ALICE)) == 2
    assert len(bob.claim(now_owner=BOB)) == 2


def test_what_a_dead_worker_held_is_taken_with_a_higher_epoch(database: Database) -> None:
    ledger(database, ALICE).claim(now_owner=ALICE)
    let_leases_run_out(database)
    assert {claim.epoch for claim in ledger(database, BOB).claim(now_owner=BOB)} == {2}
    assert LEASE_S < 10


def test_a_worker_of_this_machine_that_is_gone_is_not_waited_for(database: Database) -> None:
    gone = f"rules@{socket.gethostname()}:{2**22 - 1}"
    assert is_gone(gone)
    assert not is_gone(f"rules@{socket.gethostname()}:{os.getpid()}")
    ledger(database, gone).claim(now_owner=gone)
    assert len(ledger(database, BOB).claim(now_owner=BOB)) == 4


def test_a_commit_under_an_old_epoch_is_refused_and_moves_nothing(database: Database) -> None:
    alice, bob = ledger(database, ALICE), ledger(database, BOB)
    old = alice.claim(now_owner=ALICE)[0]
    alice.commit(old, position=5, transitions=())
    let_leases_run_out(database)
    new = bob.claim(now_owner=BOB)[0]
    assert new.committed_position == 5
    with pytest.raises(LeaseLost):
        alice.commit(old, position=9, transitions=())
    with pytest.raises(LeaseLost):
        alice.save_snapshot(old, position=9, state=b"old")
    assert bob.claim(now_owner=BOB)[0].committed_position == 5


def test_two_snapshots_are_kept_and_the_newest_is_loaded(database: Database) -> None:
    alice = ledger(database, ALICE)
    claim = alice.claim(now_owner=ALICE)[0]
    assert alice.load_snapshot(0) is None
    for position in (1, 2, 3):
        alice.save_snapshot(claim, position=position, state=b"at %d" % position)
    assert alice.load_snapshot(0) == (3, b"at 3")
    with database.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM snapshots").scalar() == 2


def test_released_partitions_are_free_at_once(database: Database) -> None:
    alice = ledger(database, ALICE)
    alice.claim(now_owner=ALICE)
    alice.release()
    assert len(ledger(database, BOB).claim(now_owner=BOB)) == 4


def test_a_named_lease_passes_on_when_its_holder_is_gone(database: Database) -> None:
    gone, alive = f"clock@{socket.gethostname()}:{2**22 - 1}", f"clock@{socket.gethostname()}:{os.getpid()}"
    with database.write() as session:
        assert hold(session, "control", owner=gone, seconds=60)
        assert hold(session, "control", owner=alive, seconds=60)
        assert not hold(session, "control", owner=ALICE, seconds=60)


def test_an_empty_start_announces_rules_in_force_and_the_partitions_devices(database: Database) -> None:
    registered = datetime(2026, 3, 1, tzinfo=UTC)
    body = {"name": "hot", "when": "temp > 1"}
    with database.write() as session:
        session.add(Rule(name="hot", stage="live", version=2))
        session.add(
            RuleVersion(name="hot", version=2, body=body, family="hot", severity="minor", created_at=registered)
        )
        session.add(Rule(name="old", stage="retired", version=1))
        session.add_all(Device(id=f"d-{n}", registered_at=registered, announced=True) for n in range(20))
    ledger(database, ALICE).announce_anew(3)
    with database.read() as session:
        entries = [item.entry for item in control.waiting(session)]
    assert entries[0] == RuleActivated("hot", 2, "live", body)
    devices = [entry.device_id for entry in entries[1:] if isinstance(entry, DeviceChanged)]
    assert devices == [f"d-{n}" for n in range(20) if partition_of(f"d-{n}", 4) == 3]
