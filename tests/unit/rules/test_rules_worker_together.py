"""What all partitions have in hand is committed in one transaction, and alone where one of them spoils it."""

from collections.abc import Sequence
from typing import Any

from domain.errors import LeaseLost, StoreUnavailable
from domain.telemetry import LogBatch
from rules.worker import Claim, Commit
from tests.unit.rules.rules_worker_fakes import FakeLedger, FakeLog
from tests.unit.rules.test_rules_worker import ONCE, STORY, House, run_steps


class Ledger(FakeLedger):
    """Counts what is committed together; `lost` has another owner by now."""

    def __init__(self) -> None:
        super().__init__(partitions=(0, 1))
        self.together: list[int] = []
        self.lost: int | None = None

    def commit_all(self, commits: Sequence[Commit]) -> None:
        self.together.append(len(commits))
        super().commit_all(commits)

    def _fence(self, claim: Claim) -> None:
        if claim.partition == self.lost:
            raise LeaseLost("another worker")
        super()._fence(claim)


class Everywhere(FakeLog):
    """The same in each partition."""

    def read(self, partition: int, **how: Any) -> Sequence[LogBatch]:  # type: ignore[override]
        return super().read(self.partition, **how)


def house_of(*entries: object) -> tuple[House, Ledger]:
    house, ledger = House(*entries), Ledger()  # type: ignore[arg-type]
    house.ledger, house.log = ledger, Everywhere(house.log.entries)
    return house, ledger


def test_several_partitions_are_committed_in_one_transaction() -> None:
    house, ledger = house_of(*STORY)
    run_steps(house.worker(), house)
    assert ledger.together == [2]
    assert sorted(house.told) == sorted(2 * ONCE)
    assert ledger.position == {0: 5, 1: 5}


def test_a_partition_that_is_lost_takes_no_other_along() -> None:
    house, ledger = house_of(*STORY)
    worker = house.worker()
    ledger.lost = 1
    worker.step()
    assert house.told == ONCE
    assert ledger.position == {0: 5}
    assert list(worker.positions()) == [0]


def test_a_commit_that_was_not_heard_of_is_not_repeated() -> None:
    house, ledger = house_of(*STORY)
    worker = house.worker()
    ledger.commit_fails_after = True
    worker.step()
    assert worker.outages() == ["store"]
    ledger.commit_fails_after = False
    run_steps(worker, house)
    # The first partition went through before the break; the second had not been tried.
    assert sorted(house.told) == sorted(2 * ONCE)


def test_a_database_that_is_away_loses_nothing() -> None:
    house, ledger = house_of(*STORY)
    worker = house.worker()
    worker.step()
    assert sorted(house.told) == sorted(2 * ONCE)

    def away(_commits: object) -> None:
        raise StoreUnavailable("away")

    house.add(STORY[3])
    ledger.commit_all = away  # type: ignore[method-assign, assignment]
    worker.step()
    assert len(house.told) == 6
    run_steps(worker, house)
    assert [name for name, _ in house.told[6:]] == ["resolved", "resolved"]
