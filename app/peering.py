"""Peers across partitions: workers say what their devices are at, the clock role sums it up into every partition."""

from collections import defaultdict
from datetime import timedelta

import numpy as np

from domain.clock import Clock, to_ms
from domain.telemetry import LogEntry
from rules.signals.peers import EVERY_MS, Share, merged, summaries
from rules.state import State
from rules.survey import survey
from store import leases, peer_shares
from store.control import Append
from store.database import Database
from store.peer_shares import GroupShare

POINTS = 501
"""So many values a partition tells of a group; of more, so many quantiles."""
STALE = timedelta(minutes=3)
"""What a partition said longer ago is not counted: its worker is gone."""
SUM_UP_EVERY_S = 1.0
"""How often to look whether a new minute has begun."""
LEASE, LEASE_S = "peers", 30.0


class Surveyor:
    """In the rules role: tells each minute what a partition's devices are at."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._told: dict[int, int] = {}

    def look(self, partition: int, state: State) -> None:
        """Once a minute and partition, if any rule asks for peers. Raises StoreUnavailable."""
        now = self._clock.now()
        minute = to_ms(now) // EVERY_MS
        asked = any(track.past.beyond.subjects for track in state.tracks.values())
        if not asked or self._told.get(partition) == minute:
            return
        found = survey(state, at=to_ms(now), points=POINTS)
        shares = [
            GroupShare(subject, group, share.n, share.points.tolist())
            for subject, groups in found.items()
            for group, share in groups.items()
        ]
        with self._database.write() as session:
            peer_shares.put(session, partition, shares, at=now)
        self._told[partition] = minute


class SummingUp:
    """In the clock role: each minute one summary of each group, into every partition."""

    def __init__(self, database: Database, clock: Clock, append: Append, *, partitions: int, owner: str) -> None:
        self._database, self._clock, self._append, self._partitions = database, clock, append, partitions
        self._owner = owner
        self._minute: int | None = None

    def sum_up(self) -> None:
        """At most once a minute, by one process. Raises StoreUnavailable, LogUnavailable: then it is tried again."""
        now = self._clock.now()
        minute = to_ms(now) // EVERY_MS
        if minute == self._minute:
            return
        with self._database.read() as session:
            told = peer_shares.since(session, now - STALE)
        if told and self._ours():
            entries = combined(told, at=minute * EVERY_MS)
            self._append(dict.fromkeys(range(self._partitions), entries), msg_id=f"peers-{minute}")
        self._minute = minute

    def _ours(self) -> bool:
        with self._database.write() as session:
            return leases.hold(session, LEASE, owner=self._owner, seconds=LEASE_S)


def combined(told: list[GroupShare], *, at: int) -> list[LogEntry]:
    """The log entries of one minute, of what all partitions said."""
    parts: dict[str, dict[str, list[Share]]] = defaultdict(lambda: defaultdict(list))
    for one in told:
        parts[one.subject][one.group].append(Share(one.n, np.array(one.points, dtype=np.float64)))
    return [
        entry
        for subject, groups in sorted(parts.items())
        for entry in summaries(subject, {group: merged(shares) for group, shares in groups.items()}, at=at)
    ]
