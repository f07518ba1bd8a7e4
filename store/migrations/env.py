"""Alembic's entry: runs migrations on the given database."""

from alembic import context
from sqlalchemy import pool
from sqlalchemy.engine import create_engine

from store.tables import Base


def run() -> None:
    """Run on a live connection."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url  # noqa: S101 - store/migration.py sets it
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
