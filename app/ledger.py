"""The rules worker's ledger in SQL: leases with an epoch, positions, snapshots, and the one transaction of a commit."""

import math
import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.pipeline import on_transitions
from domain.clock import Clock
from domain.errors import LeaseLost
from domain.faults import Transition
from rules.worker import Claim, Commit
from store import announcements
from store.database import Database
from store.leases import is_gone
from store.tables import PartitionLease, RoleReport, Snapshot

LEASE_S = 6.0
"""A worker that died is replaced within 10 s: its lease runs out after this."""
KEPT_SNAPSHOTS = 2


class SqlLedger:
    """Implements `rules.worker.Ledger`."""

    def __init__(self, database: Database, clock: Clock, *, partitions: int, owner: str) -> None:
        self._database, self._clock, self._partitions, self._owner = database, clock, partitions, owner

    def claim(self, *, now_owner: str) -> Sequence[Claim]:
        """Renew what is ours, take free partitions up to an even share, give back what is above it.

        Each take raises the epoch. A worker that died leaves its partitions free once its lease has run out.
        """
        with self._database.write() as session:
            now = time.time()
            rows = self._rows(session)
            for row in rows:
                if row.owner is not None and (row.lease_until < now or is_gone(row.owner)):
                    row.owner = None
            workers = {row.owner for row in rows if row.owner} | {now_owner}
            others = session.scalars(select(RoleReport.instance).where(_reports_rules(now)))
            workers |= {instance for instance in others if not is_gone(instance)}
            share = math.ceil(len(rows) / len(workers))
            held = [row for row in rows if row.owner == now_owner]
            for row in held[share:]:
                row.owner, row.lease_until = None, 0.0
            free = [row for row in rows if row.owner is None]
            for row in free[: max(0, share - len(held))]:
                row.owner, row.epoch = now_owner, row.epoch + 1
                held.append(row)
            for row in held[:share]:
                row.lease_until = now + LEASE_S
            return [Claim(row.partition, row.epoch, row.position) for row in held[:share]]

    def release(self) -> None:
        """Give all partitions back, so that another worker need not wait."""
        with self._database.write() as session:
            session.execute(
                update(PartitionLease).where(PartitionLease.owner == self._owner).values(owner=None, lease_until=0.0)
            )

    def load_snapshot(self, partition: int) -> tuple[int, bytes] | None:
        """The newest snapshot: (position, state)."""
        query = select(Snapshot).where(Snapshot.partition == partition).order_by(Snapshot.position.desc()).limit(1)
        with self._database.read() as session:
            row = session.scalar(query)
            return (row.position, row.state) if row else None

    def announce_anew(self, partition: int) -> None:
        """Control entries for every rule in force, and for the devices of this partition."""
        with self._database.write() as session:
            announcements.announce_anew(session, partition, partitions=self._partitions)

    def save_snapshot(self, claim: Claim, *, position: int, state: bytes) -> None:
        """Keep `state` as of `position`, and one generation before it."""
        with self._database.write() as session:
            self._fence(session, claim)
            session.merge(Snapshot(partition=claim.partition, position=position, state=state, at=self._clock.now()))
            session.flush()
            here = Snapshot.partition == claim.partition
            kept = select(Snapshot.position).where(here).order_by(Snapshot.position.desc()).limit(KEPT_SNAPSHOTS)
            oldest = session.scalar(select(func.min(kept.subquery().c.position)))
            session.execute(delete(Snapshot).where(here, Snapshot.position < oldest))

    def commit(self, claim: Claim, *, position: int, transitions: Sequence[Transition]) -> None:
        """Transitions with all that follows from them, and the position, or nothing. Raises LeaseLost."""
        self.commit_all([Commit(claim, position, transitions)])

    def commit_all(self, commits: Sequence[Commit]) -> None:
        """As `commit`, several partitions in one transaction."""
        with self._database.write() as session:
            for each in sorted(commits, key=lambda each: each.claim.partition):
                self._fence(session, each.claim, position=each.position)
            transitions = [step for each in commits for step in each.transitions]
            on_transitions(session, transitions, now=self._clock.now())

    def _fence(self, session: Session, claim: Claim, *, position: int | None = None) -> None:
        values = {"lease_until": time.time() + LEASE_S} | ({} if position is None else {"position": position})
        ours = (
            PartitionLease.partition == claim.partition,
            PartitionLease.owner == self._owner,
            PartitionLease.epoch == claim.epoch,
        )
        found = session.execute(update(PartitionLease).where(*ours).values(values).returning(PartitionLease.partition))
        if not found.all():
            raise LeaseLost(f"partition {claim.partition}, epoch {claim.epoch}")

    def _rows(self, session: Session) -> Sequence[PartitionLease]:
        """All partitions, locked for us, those that nobody has seen yet created."""
        query = select(PartitionLease).order_by(PartitionLease.partition).with_for_update()
        known = {row.partition for row in session.scalars(query)}
        session.add_all(PartitionLease(partition=p) for p in range(self._partitions) if p not in known)
        session.flush()
        return session.scalars(query).all()


def _reports_rules(now: float) -> ColumnElement[bool]:
    return (RoleReport.role == "rules") & (RoleReport.at > now - LEASE_S)
