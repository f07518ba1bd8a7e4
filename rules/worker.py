"""The live loop of the rules role: reads its partitions of the log, evaluates, and commits what follows.

After a crash the state comes from a snapshot, and what was committed since is replayed with effects off. Transitions
and position are committed together, so each takes effect once whatever is killed. When the log or the database is away,
what is in hand is kept and tried again; nothing is skipped.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol

import structlog

from domain.errors import LeaseLost, LogUnavailable, StoreUnavailable
from domain.faults import Transition
from domain.telemetry import LogBatch, Uplink
from rules.partition import Claim, Engine, Partition, Poisoned, State

__all__ = ["Claim", "Commit", "Ledger", "Log", "Pace", "Worker"]


class Log(Protocol):
    """The reading log, one partition at a time."""

    def read(self, partition: int, *, after: int, max_entries: int, wait_s: float) -> Sequence[LogBatch]:
        """The batches that follow sequence `after`, in order; waits up to `wait_s` for the first. LogUnavailable."""
        ...

    def since(self, partition: int, since_ms: int, *, up_to: int) -> Iterator[LogBatch]:
        """What it still holds from a receive time on, or from before that, up to sequence `up_to`. LogUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """What one partition wants committed."""

    claim: Claim
    position: int
    transitions: Sequence[Transition]


class Ledger(Protocol):
    """Leases, positions, snapshots and effects. Every call may raise StoreUnavailable."""

    def claim(self, *, now_owner: str) -> Sequence[Claim]:
        """Take free partitions, renew those held, and tell which are `now_owner`'s."""
        ...

    def load_snapshot(self, partition: int) -> tuple[int, bytes] | None:
        """Position and state of the newest snapshot."""
        ...

    def announce_anew(self, partition: int) -> None:
        """Put the rules in force and the partition's devices into the log again: the state starts from nothing, and
        the log may be too young to hold when they came."""
        ...

    def save_snapshot(self, claim: Claim, *, position: int, state: bytes) -> None:
        """LeaseLost if the epoch is not the current one."""
        ...

    def commit(self, claim: Claim, *, position: int, transitions: Sequence[Transition]) -> None:
        """All or nothing, in one transaction. LeaseLost if the epoch is not the current one."""
        ...

    def commit_all(self, commits: Sequence[Commit]) -> None:
        """As `commit`, for several partitions in one transaction, which is much less work: all or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done, in seconds."""

    renew_s: float = 2.0
    commit_s: float = 1.0
    """The position alone, when there are no transitions."""
    snapshot_s: float = 60.0
    wait_s: float = 0.1
    """How long to wait for the log when there is nothing to do, over all partitions."""
    retry_s: float = 0.5
    max_batches: int = 100
    """How many log entries to evaluate at once."""
    gather_s: float = 0.0
    """While few entries come in, a step begins so long after the one before: many at once are much less work."""


@dataclass(slots=True)
class Counts:
    """What a worker has done since it started."""

    batches: int = 0
    samples: int = 0
    transitions: int = 0
    skipped: int = 0
    """Entries that could not be evaluated."""
    crashes: int = 0
    """Errors that nobody expected."""


class _Outage:
    """Says once that something is away, and once that it is back."""

    def __init__(self, what: str, logger: Any, monotonic: Callable[[], float]) -> None:
        self.what, self._logger, self._monotonic = what, logger, monotonic
        self.since: float | None = None

    def begin(self, exc: Exception) -> None:
        if self.since is None:
            self.since = self._monotonic()
            self._logger.warning(f"{self.what}_unavailable", detail=str(exc))

    def end(self) -> None:
        if self.since is not None:
            self._logger.warning(f"{self.what}_available_again", after_s=round(self._monotonic() - self.since, 1))
            self.since = None


class Worker(Generic[State]):
    """Owns some partitions at a time, by leases; several workers share the rest."""

    def __init__(
        self,
        engine: Engine[State],
        *,
        log: Log,
        ledger: Ledger,
        owner: str,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        survey: Callable[[int, State], None] | None = None,
    ) -> None:
        """`survey` is shown each live partition's state now and then, and may raise StoreUnavailable."""
        self._engine, self._log, self._ledger, self._owner = engine, log, ledger, owner
        self._pace, self._monotonic, self._survey = pace or Pace(), monotonic, survey
        self._logger: Any = structlog.get_logger("rules.worker").bind(owner=owner)
        self._partitions: dict[int, Partition[State]] = {}
        self._renewed_at: float | None = None
        self._log_outage = _Outage("log", self._logger, monotonic)
        self._store_outage = _Outage("store", self._logger, monotonic)
        self._idle, self._entries = False, 0
        self._failed: set[str] = set()
        """What was away, or failed, in this step."""
        self.counts = Counts()

    def positions(self) -> dict[int, int]:
        """How far each partition held has been evaluated."""
        return {number: partition.position for number, partition in self._partitions.items()}

    def outages(self) -> list[str]:
        """What is away right now: `log`, `store`."""
        return [each.what for each in (self._log_outage, self._store_outage) if each.since is not None]

    def run(self, stop: threading.Event) -> None:
        """Step until `stop` is set; then commit and snapshot what is in hand, as far as that works."""
        while not stop.is_set():
            began = self._monotonic()
            try:
                self.step()
            except Exception:
                self._logger.exception("worker_step_failed")
                self.counts.crashes += 1
                self._failed.add("step")
            if self._failed or not self._partitions:
                stop.wait(self._pace.retry_s)
            elif 0 < self._entries < self._pace.max_batches:
                stop.wait(max(0.0, began + self._pace.gather_s - self._monotonic()))
        self.close()

    def step(self) -> int:
        """Renew leases if due, read and evaluate once per partition, then commit; the number of batches evaluated."""
        self._failed.clear()
        done = self._entries = 0
        if self._renew():
            for partition in list(self._partitions.values()):
                if self._renew() and self._partitions.get(partition.claim.partition) is partition:
                    done += self._attend(partition, self._advance)
            self._commit_all()
        if "store" not in self._failed:
            self._store_outage.end()
        if "log" not in self._failed and self._partitions:
            self._log_outage.end()
        self._idle = done == 0
        self.counts.batches += done
        return done

    def _attend(self, partition: Partition[State], turn: Callable[[Partition[State]], int]) -> int:
        """One turn of one partition; what goes wrong in it concerns no other."""
        number = partition.claim.partition
        try:
            return turn(partition)
        except LeaseLost:
            self._drop(number)
            self._renewed_at = None
        except StoreUnavailable as exc:
            self._away(self._store_outage, exc)
        except LogUnavailable as exc:
            self._away(self._log_outage, exc)
        except Poisoned:
            # Reopened from the snapshot in the next step, and then evaluated with care up to here.
            self._logger.exception("evaluation_failed", partition=number)
        except Exception:
            # The last line of defence. What is in hand is tried again; else the state is rebuilt from the snapshot.
            self._logger.exception("partition_failed", partition=number)
            self.counts.crashes += 1
            self._failed.add("partition")
            if not partition.in_hand:
                partition.state = None
        return 0

    def _away(self, outage: _Outage, exc: Exception) -> None:
        outage.begin(exc)
        self._failed.add(outage.what)
        if outage is self._store_outage:
            # A commit may have gone through unheard: ask how far the database is before anything is tried again.
            self._renewed_at = None

    def _drop(self, number: int) -> None:
        self._logger.warning("lease_lost", partition=number)
        self._partitions.pop(number, None)

    def close(self) -> None:
        """Commit and snapshot, so that the next start has little to replay. Never raises for what may be away."""
        for number, partition in list(self._partitions.items()) if self._renew() else ():
            try:
                if partition.state is not None and partition.is_live:
                    self._commit(partition)
                    self._snapshot(partition)
            except (LeaseLost, StoreUnavailable) as exc:
                self._logger.warning("not_saved_at_stop", partition=number, detail=str(exc))
        self._partitions.clear()
        self._renewed_at = None

    def _renew(self) -> bool:
        """Whether leases and positions are known to be fresh; without them nothing is done."""
        now = self._monotonic()
        if self._renewed_at is not None and now - self._renewed_at < self._pace.renew_s:
            return True
        try:
            claims = {claim.partition: claim for claim in self._ledger.claim(now_owner=self._owner)}
        except StoreUnavailable as exc:
            self._away(self._store_outage, exc)
            return False
        self._renewed_at = now
        for number in self._partitions.keys() - claims.keys():
            self._drop(number)
        for number, claim in claims.items():
            held = self._partitions.get(number)
            if held is not None and held.claim.epoch == claim.epoch:
                held.learn(claim.committed_position)
            else:
                past = partial(self._past, number)
                self._partitions[number] = Partition(claim, self._engine, committed=claim.committed_position, past=past)
                self._logger.info("partition_taken", partition=number, position=claim.committed_position)
        return True

    def _advance(self, partition: Partition[State]) -> int:
        if partition.in_hand:
            self._commit(partition)
        if partition.state is None:
            self._open(partition)
        wait_s = self._pace.wait_s / len(self._partitions) if self._idle else 0.0
        batches = self._log.read(
            partition.claim.partition, after=partition.position, max_entries=self._pace.max_batches, wait_s=wait_s
        )
        if batches:
            skipped = len(partition.skipped)
            partition.evaluate(batches)
            self.counts.skipped += len(partition.skipped) - skipped
            self._entries += sum(len(batch.entries) for batch in batches)
            self.counts.samples += sum(len(e.samples) for b in batches for e in b.entries if isinstance(e, Uplink))
        now = self._monotonic()
        if not partition.in_hand and now - partition.committed_at >= self._pace.commit_s:
            self._commit(partition)
        if now - partition.snapshot_at >= self._pace.snapshot_s:
            self._snapshot(partition)
        if self._survey is not None and partition.state is not None and partition.is_live:
            self._survey(partition.claim.partition, partition.state)
        return len(batches)

    def _past(self, number: int, since_ms: int, up_to: int) -> Iterator[LogBatch]:
        """What the log holds of a partition; leases are renewed meanwhile."""
        for batch in self._log.since(number, since_ms, up_to=up_to):
            self._renew()
            yield batch

    def _open(self, partition: Partition[State]) -> None:
        number = partition.claim.partition
        found = self._ledger.load_snapshot(number)
        state, position = self._engine.new_state(), 0
        if found is not None:
            try:
                state, position = self._engine.load(found[1]), found[0]
            except Exception:
                # A newer version's, or a broken disk: what the log still holds is replayed.
                self._logger.exception("snapshot_unreadable", partition=number, position=found[0])
        if position == 0:
            self._ledger.announce_anew(number)
        partition.open(state, position=position)
        partition.snapshot_at = partition.committed_at = self._monotonic()

    def _commit_all(self) -> None:
        """What all partitions have in hand, in one transaction; if that fails for one of them, in one for each."""
        together = [each for each in self._partitions.values() if each.in_hand and each.position > each.committed]
        if not together or "store" in self._failed:
            return
        if len(together) > 1:
            try:
                self._ledger.commit_all([_wish_of(partition) for partition in together])
            except StoreUnavailable as exc:
                self._away(self._store_outage, exc)
                return
            except Exception as exc:  # noqa: BLE001 - whose it is shows when each is committed alone
                self._logger.warning("not_committed_together", detail=repr(exc))
            else:
                for partition in together:
                    self._committed(partition)
                return
        for partition in together:
            self._attend(partition, self._commit)

    def _commit(self, partition: Partition[State]) -> int:
        """Transitions in hand and the position, or the position alone; nothing where neither is new."""
        if partition.position > partition.committed:
            wish = _wish_of(partition)
            self._ledger.commit(wish.claim, position=wish.position, transitions=wish.transitions)
            self._committed(partition)
        return 0

    def _committed(self, partition: Partition[State]) -> None:
        self.counts.transitions += len(partition.in_hand)
        partition.in_hand.clear()
        partition.committed, partition.committed_at = partition.position, self._monotonic()

    def _snapshot(self, partition: Partition[State]) -> None:
        """Only of what is committed: a snapshot never runs ahead of its effects."""
        if partition.state is None or not partition.is_live or partition.position == partition.snapshot_position:
            return
        self._commit(partition)
        state = self._engine.dump(partition.state)
        self._ledger.save_snapshot(partition.claim, position=partition.position, state=state)
        partition.snapshot_position, partition.snapshot_at = partition.position, self._monotonic()


def _wish_of(partition: Partition[Any]) -> Commit:
    return Commit(partition.claim, partition.position, tuple(partition.in_hand))
