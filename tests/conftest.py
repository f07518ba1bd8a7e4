"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from store.database import Database
from store.tables import Base

# How long an example takes says more of the machine than of the code.
settings.register_profile("prevenant", deadline=None)
settings.load_profile("prevenant")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite file with the current schema."""
    db = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(db.engine)
    yield db
    db.close()
