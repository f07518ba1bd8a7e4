"""A reading log, a ledger and a clock that a test breaks as it likes."""

from collections.abc import Iterator, Sequence

from domain.errors import LeaseLost, LogUnavailable, StoreUnavailable
from domain.faults import Transition
from domain.telemetry import LogBatch
from rules.worker import Claim, Commit


class FakeLog:
    def __init__(self, entries: Sequence[LogBatch], *, partition: int = 0) -> None:
        self.entries, self.partition, self.away = list(entries), partition, False
        self.reads = 0

    def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
        self.reads += 1
        if self.away:
            raise LogUnavailable("no route to the log")
        if partition != self.partition:
            return []
        return [batch for batch in self.entries if batch.sequence > after][:max_entries]

    def since(self, partition: int, since_ms: int, *, up_to: int) -> Iterator[LogBatch]:
        if self.away:
            raise LogUnavailable("no route to the log")
        yield from (batch for batch in self.entries if batch.sequence <= up_to and partition == self.partition)


class FakeLedger:
    """What the database keeps, with switches for the ways in which it can fail."""

    def __init__(self, partitions: Sequence[int] = (0,)) -> None:
        self.partitions = list(partitions)
        self.epoch, self.owner = 0, ""
        self.announced: list[int] = []
        self.position: dict[int, int] = {}
        self.transitions: list[Transition] = []
        self.snapshots: dict[int, tuple[int, bytes]] = {}
        self.away = False
        self.commit_fails_before = self.commit_fails_after = False
        self.commits: list[tuple[int, int]] = []

    def claim(self, *, now_owner: str) -> Sequence[Claim]:
        self._check()
        if now_owner != self.owner:
            self.owner, self.epoch = now_owner, self.epoch + 1
        return [Claim(number, self.epoch, self.position.get(number, 0)) for number in self.partitions]

    def announce_anew(self, partition: int) -> None:
        self.announced.append(partition)

    def load_snapshot(self, partition: int) -> tuple[int, bytes] | None:
        self._check()
        return self.snapshots.get(partition)

    def save_snapshot(self, claim: Claim, *, position: int, state: bytes) -> None:
        self._check()
        self._fence(claim)
        self.snapshots[claim.partition] = (position, state)

    def commit(self, claim: Claim, *, position: int, transitions: Sequence[Transition]) -> None:
        self._check()
        self._fence(claim)
        if self.commit_fails_before:
            raise StoreUnavailable("died before the commit")
        self.position[claim.partition] = position
        self.transitions.extend(transitions)
        self.commits.append((position, len(transitions)))
        if self.commit_fails_after:
            raise StoreUnavailable("the connection broke after the commit")

    def commit_all(self, commits: Sequence[Commit]) -> None:
        for each in commits:
            self._fence(each.claim)
        for each in commits:
            self.commit(each.claim, position=each.position, transitions=each.transitions)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("database is locked")

    def _fence(self, claim: Claim) -> None:
        if claim.epoch != self.epoch:
            raise LeaseLost("another worker")


class Ticker:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
