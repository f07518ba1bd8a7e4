"""`prevenant apply`: manifests into the database, and a word when every engine has the rules."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from api.manifests import Applied, apply
from app.installation import settle_clock
from app.settings import Settings
from domain.clock import parse_clock
from domain.errors import ConfigError, SourceError
from rules.documents import Document, read_documents
from store.database import Database
from store.migration import is_current
from store.tables import ControlEntry, PartitionLease

WAIT_S = 30.0


def apply_files(settings: Settings, paths: Sequence[Path], *, dry_run: bool, say: Callable[[str], object]) -> int:
    """Read, check and store; all errors together, and nothing is stored when there is one."""
    documents = [document for path in paths for document in _read(path)]
    if not documents:
        raise SourceError("no manifests here", cure="name .yaml, .yml or .json files, or a folder of them")
    if not settings.database_url and not (settings.data_dir / "prevenant.db").exists():
        raise ConfigError(
            f"no database in {settings.data_dir.absolute()}; "
            "run this in the folder of prevenant serve, or set PREVENANT_DATA_DIR"
        )
    database = Database(settings.database)
    try:
        if not is_current(database):
            raise ConfigError("the database has no current schema; run prevenant serve or prevenant migrate first")
        clock = parse_clock(settle_clock(settings.clock, database))
        with database.write() as session:
            done = apply(session, documents, now=clock.now(), dry_run=dry_run)
            if dry_run:
                session.rollback()
        for item in done:
            say(f"{item.outcome:<9} {item.kind} {item.name}" + (f"  ({item.note})" if item.note else ""))
        if dry_run:
            say("only checked: nothing was stored")
        elif any(item.outcome != "unchanged" for item in done):
            _wait(database, done, say)
    finally:
        database.close()
    return 0


def _read(path: Path) -> Iterable[Document]:
    if not path.exists():
        raise SourceError("no such file or folder", file=str(path))
    files = sorted(p for p in path.rglob("*") if p.suffix in {".yaml", ".yml", ".json"}) if path.is_dir() else [path]
    for file in files:
        for document in read_documents(file):
            # A scenario is the simulator's, and lies beside the manifests that it needs.
            if document.kind != "scenario":
                yield document


def _wait(database: Database, done: Sequence[Applied], say: Callable[[str], object]) -> None:
    """Wait until the log holds the changes and every engine has read that far."""
    rules = [item for item in done if item.kind == "rule" and item.outcome != "unchanged" and item.evaluated]
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        state = _state(database)
        if state == "idle":
            break
        if state == "taken":
            say(f"in force: every engine has the {len(rules)} changed rule(s)" if rules else "in force")
            return
        time.sleep(0.1)
    say("stored; takes effect when prevenant runs")


def _state(database: Database) -> str:
    """idle: no engine runs · waiting · taken"""
    with database.read() as session:
        now = datetime.now(UTC).timestamp()
        leases = {row.partition: row for row in session.scalars(select(PartitionLease))}
        if not leases or all(row.lease_until < now - 10 for row in leases.values()):
            return "idle"
        newest: dict[int, int] = {}
        for row in session.scalars(select(ControlEntry).order_by(ControlEntry.id.desc()).limit(500)):
            if row.published is None:
                return "waiting"
            for partition, sequence in row.published.items():
                newest[int(partition)] = max(newest.get(int(partition), 0), sequence)
        behind = [p for p, sequence in newest.items() if p in leases and leases[p].position < sequence]
        return "waiting" if behind else "taken"
