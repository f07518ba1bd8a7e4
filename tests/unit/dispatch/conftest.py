"""The desk of every story about visits."""

from collections.abc import Iterator

import pytest

from store.database import Database
from tests.fakes.desk import Desk, new_database, wiped


@pytest.fixture(scope="module")
def desk_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One file for the stories of a module."""
    database = new_database(tmp_path_factory.mktemp("desk"))
    yield database
    database.close()


@pytest.fixture
def desk(desk_database: Database) -> Desk:
    """A heat pump with an owner, and one live rule; nobody has said anything yet."""
    return Desk(wiped(desk_database))
