"""What each process says of itself: a file that needs no server, and a row for other machines."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import structlog
from sqlalchemy import delete

from domain.errors import StoreUnavailable
from store.database import Database
from store.tables import RoleReport

EVERY_S = 1.0
STALE_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """One process at one moment. `trouble` is one line on what it waits for."""

    role: str
    instance: str
    pid: int
    at: float
    ready: bool
    trouble: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether it reported lately."""
        return time.time() - self.at < STALE_S


class Reporter:
    """Tells, once a second, how a role is: to a file always, to the database while it can be reached."""

    def __init__(
        self, role: str, instance: str, *, folder: Path, database: Database, probe: Callable[[], Mapping[str, Any]]
    ) -> None:
        self.role, self.instance, self._database, self._probe = role, instance, database, probe
        self._path = folder / f"{role}-{os.getpid()}.json"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._database_trouble: str | None = None
        self._failed = False

    def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=3)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                report = self._report()
                self._to_file(report)
                self._to_database(report)
            except Exception:
                # A probe that fails must not make a living process look dead for good.
                if not self._failed:
                    log.exception("report failed")
                self._failed = True
            else:
                self._failed = False
            self._stop.wait(EVERY_S)

    def _report(self) -> Report:
        detail = dict(self._probe())
        trouble = detail.pop("trouble", None) or self._database_trouble
        ready = bool(detail.pop("ready", True))
        return Report(self.role, self.instance, os.getpid(), time.time(), ready, trouble, detail)

    def _to_file(self, report: Report) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(asdict(report)))
        part.replace(self._path)

    def _to_database(self, report: Report) -> None:
        try:
            with self._database.write() as session:
                session.merge(RoleReport(**asdict(report)))
                session.execute(delete(RoleReport).where(RoleReport.at < time.time() - 60))
        except StoreUnavailable as exc:
            if self._database_trouble is None:
                log.warning("database unavailable", detail=str(exc))
            self._database_trouble = "database unavailable; waiting for it"
        else:
            if self._database_trouble is not None:
                log.warning("database back")
            self._database_trouble = None


def read_folder(folder: Path) -> Sequence[Report]:
    """Reports of processes on this machine that still run."""
    reports = []
    for path in sorted(folder.glob("*.json")):
        try:
            report = Report(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # replaced or removed while we read: the next look sees it
        if psutil.pid_exists(report.pid):
            reports.append(report)
        else:
            path.unlink(missing_ok=True)
    return reports
