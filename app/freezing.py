"""Freezes the readings around each fault while the reading log still holds them: a task of the clock role.

The engine keeps nothing for this: a fault's row says that its samples are due, and they are read here, outside of any
transaction, at firing and once more at its end. A restart finds the same rows due.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.thinning import thin
from domain.clock import Clock, to_ms
from domain.errors import SourceError
from domain.faults import TransitionState
from domain.telemetry import Uplink, Value, partition_of
from rules.loader import rule_from_manifest
from rules.program import compile_rule
from store import leases
from store.database import Database
from store.tables import Fault, FaultSamples, RuleVersion

FREEZE_EVERY_S = 1.0
BEFORE, AFTER = 50, 50
"""How many readings of a metric are kept: the last ones up to firing, and of those to the end a thinned choice."""
LOOK_BACK = timedelta(minutes=30)
"""Before the onset, for what came before it."""
LONGEST = timedelta(days=1)
"""Beyond this neither side is looked at."""
LATE = timedelta(minutes=5)
"""A stamp runs ahead of the receive time by that much at most, and the log is searched by receive time."""
AT_ONCE = 500
"""A storm of faults is read in few passes over the log."""
WRITTEN_AT_ONCE = 20
DUTY = 10
"""Reading may take a tenth of the time at most: nobody waits for it, and whoever is to be told of a storm does."""
LEASE_S = 120.0
"""Longer than a round takes."""

log = structlog.get_logger()
Series = list[tuple[int, Value]]


class Readings(Protocol):
    """The part of the reading log that is used here."""

    def readings_of(self, *devices: str, partition: int, since: datetime) -> Iterator[Uplink]:
        """What devices of a partition sent since then, in order of arrival. Raises LogUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One fault whose samples are due."""

    fault_id: int
    device_id: str
    metrics: frozenset[str] | None
    """None: all that the device sends."""
    since: datetime
    received_since: datetime
    """Where to begin in the log, which is in order of receipt: an upload of a buffer came later than it happened."""
    fired_at: datetime
    until: datetime
    over: bool


def wanted(session: Session, *, now: datetime) -> list[Wanted]:
    """What is due, the longest waiting first, so many at a time."""
    query = select(Fault, FaultSamples.due_at).join(FaultSamples, FaultSamples.fault_id == Fault.id)
    due = query.where(FaultSamples.due_at <= now).order_by(FaultSamples.due_at, Fault.id).limit(AT_ONCE)
    metrics = cache(lambda rule, version: _metrics(session.get(RuleVersion, (rule, version))))
    return [_wanted(fault, metrics(fault.rule, fault.rule_version), now=now) for fault, _ in session.execute(due).all()]


def freeze(found: Wanted, uplinks: Iterable[Uplink]) -> tuple[dict[str, Series], dict[str, Series]]:
    """By metric: the last readings up to firing, and a thinned choice of those after it, extremes kept."""
    since, fired, until = to_ms(found.since), to_ms(found.fired_at), to_ms(found.until)
    points: dict[str, dict[int, Value]] = {}
    for uplink in uplinks:
        for sample in uplink.samples:
            for metric, value in sample.values.items() if since <= sample.event_time <= until else ():
                if found.metrics is None or metric in found.metrics:
                    # The same reading twice counts once: the first stays.
                    points.setdefault(metric, {}).setdefault(sample.event_time, value)
    series = {metric: sorted(by_time.items()) for metric, by_time in sorted(points.items())}
    before = {metric: [point for point in line if point[0] <= fired][-BEFORE:] for metric, line in series.items()}
    after = {metric: thin([point for point in line if point[0] > fired], AFTER) for metric, line in series.items()}
    return _filled(before), _filled(after)


class Freezer:
    """Does what is due."""

    def __init__(self, database: Database, clock: Clock, readings: Readings, *, partitions: int, owner: str) -> None:
        self._database, self._clock, self._readings, self._partitions = database, clock, readings, partitions
        self._owner, self._next = owner, 0.0

    def work(self) -> int:
        """Freeze what is due now, by one process at a time; how many. Raises LogUnavailable and StoreUnavailable: what
        is not frozen stays due.
        """
        began = time.monotonic()
        if began < self._next:
            return 0
        now = self._clock.now()
        with self._database.read() as session:
            found = wanted(session, now=now)
        if not found:
            return 0
        with self._database.write() as session:
            if not leases.hold(session, "freeze", owner=self._owner, seconds=LEASE_S):
                return 0
        for partition, group in self._by_partition(found).items():
            frozen = [(one, *freeze(one, uplinks)) for one, uplinks in self._read(partition, group)]
            for start in range(0, len(frozen), WRITTEN_AT_ONCE):
                with self._database.write() as session:
                    for one, before, after in frozen[start : start + WRITTEN_AT_ONCE]:
                        _keep(session, one, before, after)
        self._next = began + DUTY * (time.monotonic() - began)
        return len(found)

    def _by_partition(self, found: Sequence[Wanted]) -> dict[int, list[Wanted]]:
        groups: dict[int, list[Wanted]] = {}
        for one in found:
            groups.setdefault(partition_of(one.device_id, self._partitions), []).append(one)
        return groups

    def _read(self, partition: int, group: Sequence[Wanted]) -> Iterator[tuple[Wanted, Sequence[Uplink]]]:
        """Each with what its device sent, in one pass over the partition."""
        by_device: dict[str, list[Uplink]] = {one.device_id: [] for one in group}
        since = min(one.received_since for one in group)
        for uplink in self._readings.readings_of(*by_device, partition=partition, since=since):
            by_device[uplink.device_id].append(uplink)
        return ((one, by_device[one.device_id]) for one in group)


def _keep(session: Session, one: Wanted, before: Mapping[str, Series], after: Mapping[str, Series]) -> None:
    row = session.get(FaultSamples, one.fault_id, with_for_update=True)
    fault = session.get(Fault, one.fault_id)
    if row is None or fault is None:
        return
    # Once frozen, it stays: a later look may find less, when the log has forgotten.
    row.before = row.before or dict(before)
    row.after = dict(after) or row.after
    ended_meanwhile = (fault.state != TransitionState.FIRING) is not one.over
    if not ended_meanwhile:
        row.due_at = None if one.over else one.fired_at + LONGEST
        if row.due_at is not None and one.until >= row.due_at:
            row.due_at = None


def _wanted(fault: Fault, metrics: frozenset[str] | None, *, now: datetime) -> Wanted:
    since = max(min(fault.onset, fault.fired_at) - LOOK_BACK, fault.fired_at - LONGEST)
    over = fault.state != TransitionState.FIRING
    until = min(fault.resolved_at or now, fault.fired_at + LONGEST)
    delay = max(timedelta(), fault.received_at - fault.fired_at)
    until = max(until, fault.fired_at)
    return Wanted(fault.id, fault.device_id, metrics, since, since + delay - LATE, fault.fired_at, until, over)


def _metrics(version: RuleVersion | None) -> frozenset[str] | None:
    """Names that may be metrics, directly or through a signal; None for a rule that names none, such as silence."""
    if version is None:
        return None
    try:
        return compile_rule(rule_from_manifest(version.body)).metrics or None
    except (SourceError, ExceptionGroup) as exc:
        log.warning("rule unreadable; all metrics are kept", rule=version.name, detail=str(exc))
        return None


def _filled(series: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {metric: [list(point) for point in line] for metric, line in series.items() if line}
