"""A house for each test, with and without a fleet in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.api_house import House
from tests.fakes.api_story import Story, morning


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    """Nothing declared yet."""
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fleet, for tests that change nothing."""
    house = House(tmp_path_factory.mktemp("settled"))
    house.apply()
    yield house
    house.close()


@pytest.fixture
def house(settled: House, tmp_path: Path) -> Iterator[House]:
    """One heat pump, its owner, a technician, a rule."""
    house = settled.copy(tmp_path)
    yield house
    house.close()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The morning, told once: for tests that only look."""
    return morning(House(tmp_path_factory.mktemp("morning")))


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Iterator[Story]:
    """A morning of one's own."""
    house = told.house.copy(tmp_path)
    yield Story(house)
    house.close()
