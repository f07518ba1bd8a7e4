"""The clock role: does what is due, and moves control entries into the log.

APScheduler only ticks: due times are rows.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import delete

from app.pipeline import on_due
from domain.clock import Clock
from domain.errors import HistoryUnavailable, LogUnavailable, StoreUnavailable
from store import control, due, leases
from store.control import Append, Waiting
from store.database import Database
from store.tables import Event

DUE_EVERY_S, CONTROL_EVERY_S, PRUNE_EVERY_S = 0.2, 0.1, 600.0
CONTROL_LEASE_S = 60.0
"""Longer than one round of draining takes."""
EVENTS_KEPT = timedelta(days=7)
RETRY_AFTER = timedelta(minutes=5)
DAILY = ("firmware",)
"""Kinds of appointments that come each day."""

_OUTAGES = {StoreUnavailable: "database", LogUnavailable: "reading log", HistoryUnavailable: "telemetry history"}

log = structlog.get_logger()

Task = tuple[str, float, Callable[[], object]]
"""Name, seconds between two calls, and what to do."""


class Clockwork:
    """Ticks until stopped; several may run, each piece of work is done by one."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        append: Append,
        *,
        partitions: int,
        owner: str,
        tasks: Sequence[Task] = (),
    ) -> None:
        """`tasks`: what else is to be done again and again."""
        self._database, self._clock, self._append, self._partitions = database, clock, append, partitions
        self._owner, self._tasks = owner, tasks
        self._trouble: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop`."""
        scheduler = BackgroundScheduler(
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}, timezone="UTC"
        )
        for name, seconds, work in (
            ("due", DUE_EVERY_S, self.do_due),
            ("control", CONTROL_EVERY_S, self.drain_control),
            ("prune", PRUNE_EVERY_S, self.prune),
            *self._tasks,
        ):
            at_once = datetime.now(UTC)
            scheduler.add_job(
                self._guarded, "interval", seconds=seconds, args=(name, work), id=name, next_run_time=at_once
            )
        scheduler.start()
        stop.wait()
        scheduler.shutdown(wait=True)

    def report(self) -> Mapping[str, Any]:
        """For status."""
        return {"ready": True, "trouble": "; ".join(self._trouble.values()) or None}

    def do_due(self) -> None:
        """Everything whose time has come, one by one, each in its own transaction."""
        while True:
            now = self._clock.now()
            with self._database.read() as session:
                row = due.oldest(session, now=now)
            if row is None:
                return
            try:
                with self._database.write() as session:
                    on_due(session, row.id, now=now)
            except (StoreUnavailable, LogUnavailable):
                raise
            except Exception:
                log.exception("appointment failed; trying again later", kind=row.kind, ref=row.ref)
                with self._database.write() as session:
                    due.schedule(session, row.kind, row.ref, at=now + RETRY_AFTER, **row.detail)

    def drain_control(self) -> None:
        """Control entries into the log, by one process at a time, in order."""
        with self._database.read() as session:
            if not control.waiting(session, limit=1):
                return
        with self._database.write() as session:
            if not leases.hold(session, "control", owner=self._owner, seconds=CONTROL_LEASE_S):
                return
        control.drain(self._waiting, self._append, self._published, partitions=self._partitions)

    def prune(self) -> None:
        """Forget old events of the feed; see that what is done daily has its appointment."""
        with self._database.write() as session:
            for kind in DAILY:
                due.ensure(session, kind, "daily", at=self._clock.now())
            session.execute(delete(Event).where(Event.at < self._clock.now() - EVENTS_KEPT))

    def _waiting(self) -> list[Waiting]:
        with self._database.read() as session:
            return list(control.waiting(session, limit=500))

    def _published(self, items: Sequence[tuple[Waiting, Mapping[int, int]]]) -> None:
        with self._database.write() as session:
            control.published(session, items)

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        """Top of the loop: what fails is tried again at the next tick, and said once."""
        try:
            work()
        except tuple(_OUTAGES) as exc:
            what = _OUTAGES[type(exc)]
            if name not in self._trouble:
                log.warning(f"{what} unavailable", task=name, detail=str(exc))
            self._trouble[name] = f"{what} unavailable; {name} waits"
        except Exception:
            log.exception("task failed", task=name)
            self._trouble[name] = f"{name} failed; see the log"
        else:
            if self._trouble.pop(name, None):
                log.warning("works again", task=name)
