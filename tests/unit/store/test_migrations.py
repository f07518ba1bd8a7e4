"""Migrations lead from any older database to the schema that the code expects, and lose nothing on the way."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from store import migration
from store.database import Database
from store.tables import Base, Verdict

FAULT = text(
    "INSERT INTO faults (id, rule, rule_version, stage, device_id, episode, state, flapping, severity, onset, fired_at,"
    " received_at, detected_at, resolved_at, evidence, superseded, verdict, verdict_by) VALUES (:id, 'r', 1, 'live',"
    " 'd', :id, 'resolved', 0, 'minor', :at, :at, :at, :at, :at, '{}', 0, :verdict, :by)"
)


def test_what_the_migrations_build_is_what_the_code_expects(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    migration.migrate(url)
    database = Database(url)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert migration.is_current(database)
    migration.migrate(url)
    database.close()


def test_verdicts_from_before_they_had_a_table_begin_the_history(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, "0001")
    database = Database(url)
    with database.engine.begin() as connection:
        for number, (verdict, by) in enumerate((("real", "agent"), ("false_alarm", "technician:t-1"), (None, None)), 1):
            connection.execute(FAULT, {"id": number, "at": "2026-03-02 09:00:00", "verdict": verdict, "by": by})
    migration.migrate(url)
    with database.read() as session:
        found = [(one.fault_id, one.verdict, one.source, one.by, one.at) for one in session.query(Verdict)]
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert found == [(1, "real", "agent", "agent", at), (2, "false_alarm", "technician", "technician:t-1", at)]
    database.close()
