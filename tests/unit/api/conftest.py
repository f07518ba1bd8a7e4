"""A house for each test, with and without a fleet in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.api_house import House


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    """Nothing declared yet."""
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fleet, for tests that change nothing."""
    house = House(tmp_path_factory.mktemp("settled"))
    house.apply()
    yield house
    house.close()


@pytest.fixture
def house(empty: House) -> House:
    """One heat pump, its owner, a technician, a rule."""
    empty.apply()
    return empty
