"""The desk of every story about tickets."""

import pytest

from store.database import Database
from tests.fakes.desk import Desk


@pytest.fixture
def desk(database: Database) -> Desk:
    """A heat pump with an owner, and one live rule; nobody has said anything yet."""
    return Desk(database)
