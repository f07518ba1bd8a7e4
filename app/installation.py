"""What must stand before any role runs: folders, schema, admin token, and one clock for all."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.settings import Settings, admin_token
from domain.clock import SimulatedClock, iso, parse_clock, parse_iso
from store import meta
from store.database import Database
from store.migration import migrate


@dataclass(frozen=True, slots=True)
class Installation:
    """What `serve` hands to every role."""

    admin_token: str
    first_run: bool
    clock_spec: str


def prepare(settings: Settings) -> Installation:
    """Create what is missing. Running it again changes nothing."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    token, fresh = admin_token(settings)
    migrate(settings.database)
    database = Database(settings.database)
    try:
        first = fresh
        with database.write() as session:
            if meta.get(session, "installed_at") is None:
                meta.put(session, "installed_at", iso(datetime.now(UTC)))
                first = True
        return Installation(token, first, settle_clock(settings.clock, database))
    finally:
        database.close()


def settle_clock(spec: str, database: Database) -> str:
    """`PREVENANT_CLOCK` with its origin: the first process decides it, so that all agree and a restart goes on."""
    if not spec or "@" in spec:
        return spec
    with database.write() as session:
        origin = parse_iso(meta.settle(session, f"clock_origin {spec}", iso(datetime.now(UTC))))
    clock = parse_clock(spec, origin=origin)
    return clock.spec() if isinstance(clock, SimulatedClock) else ""
