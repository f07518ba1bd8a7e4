"""Brings a database to the current schema (Alembic)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from domain.errors import StoreUnavailable
from store.database import Database


def migrate(url: str) -> None:
    """Apply what is missing; safe to repeat."""
    command.upgrade(_config(url), "head")


def is_current(database: Database) -> bool:
    """Whether the schema is the one that this code expects."""
    head = ScriptDirectory.from_config(_config(database.url)).get_current_head()
    try:
        with database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() == head
    except OperationalError as exc:
        raise StoreUnavailable(str(exc.orig)) from exc


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
