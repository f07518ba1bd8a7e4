"""`prevenant run ROLE`: one process, from start to clean stop."""

import signal
import threading
import time

import structlog

from app import logs
from app.house import House, instance_name
from app.installation import settle_clock
from app.reports import Reporter
from app.settings import Role, Settings
from app.wiring import build
from domain.clock import parse_clock
from domain.errors import ConfigError, StoreUnavailable
from store.database import Database
from store.migration import is_current

log = structlog.get_logger()


def run_role(role: Role, settings: Settings) -> int:
    """Run until SIGINT or SIGTERM."""
    logs.configure(role, level=settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    database = Database(settings.database)
    try:
        _await_schema(database, stop)
        clock = parse_clock(settle_clock(settings.clock, database))
        house = House(settings, database, clock, instance_name(role))
        part = build(role, house)
        reporter = Reporter(role, house.instance, folder=settings.data_dir / "run", database=database, probe=part.probe)
        reporter.start()
        try:
            part.run(stop)
        finally:
            reporter.stop()
    finally:
        database.close()
    return 0


def _await_schema(database: Database, stop: threading.Event) -> None:
    """A database that is away is waited for; one with another schema is a mistake to be told."""
    said = False
    while not stop.is_set():
        try:
            if not is_current(database):
                raise ConfigError("the database has no current schema; run prevenant migrate first")
        except StoreUnavailable as exc:
            if not said:
                log.warning("database unavailable", detail=str(exc))
                said = True
            time.sleep(0.5)
        else:
            return
