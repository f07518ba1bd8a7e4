"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import Database
from store.tables import Base


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite file with the current schema."""
    db = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(db.engine)
    yield db
    db.close()
