"""Samples reach a detector one by one per device, in order, however many devices and samples a batch holds."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.devices import Devices
from rules.samples import Floats, Ints
from rules.signals.anomaly import Anomaly
from rules.signals.rounds import FEW, rounds


class Counting:
    """A detector whose score is the number of the device's sample, and which minds how it is asked."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.calls = 0

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:
        assert (np.diff(slots) > 0).all(), "a device twice in a round, or out of order"
        assert (values.shape, ts.shape) == ((len(slots), 1), slots.shape)
        self.calls += 1
        for slot in slots.tolist():
            self.rows[slot] = self.rows.get(slot, 0) + 1
        return np.array([self.rows[slot] for slot in slots.tolist()], dtype=np.float64)

    def forget(self, slot: int) -> None:
        self.rows.pop(slot, None)

    def dump(self) -> dict[str, Any]:
        return {"rows": self.rows}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> "Counting":
        made = cls()
        made.rows = dict(dump["rows"])
        return made


class Running(Counting):
    """One that takes a device's samples at once."""

    def run(self, slot: int, ts: Ints, values: Floats) -> Floats:
        assert values.shape == (len(ts), 1)
        self.calls += 1
        begun = self.rows.get(slot, 0)
        self.rows[slot] = begun + len(ts)
        return np.arange(begun + 1, begun + len(ts) + 1, dtype=np.float64)


def numbers(sizes: list[int]) -> tuple[Ints, Floats]:
    """Slots of so many samples each, and the number of each sample within its device."""
    slots = np.repeat(np.arange(len(sizes)) * 3, sizes)
    return slots, np.concatenate([np.arange(1.0, size + 1) for size in sizes] or [np.empty(0)])


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=3 * FEW))
def test_every_row_has_its_turn_once_and_in_order(sizes: list[int]) -> None:
    slots, number = numbers(sizes)
    parts = rounds(slots)
    met = [
        *(list(rows) for rows in parts.across),
        *([row] for part in parts.along for row in range(part.start, part.stop)),
    ]
    flat = [int(row) for part in met for row in part]
    assert sorted(flat) == list(range(len(slots)))
    place = {row: at for at, row in enumerate(flat)}
    assert all(place[row] < place[row + 1] for row in range(len(slots) - 1) if slots[row] == slots[row + 1])
    assert number.size == len(flat)


@pytest.mark.parametrize("detector", [Counting, Running])
@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=2 * FEW), cuts=st.integers(1, 5))
def test_a_detector_sees_each_device_in_order_however_samples_are_cut(
    detector: type[Counting], sizes: list[int], cuts: int
) -> None:
    slots, number = numbers(sizes)
    whole, model = [], Anomaly("single", detector())
    for cut in range(cuts):
        mine = np.flatnonzero(np.minimum((number * cuts / 31).astype(np.int64), cuts - 1) == cut)
        scores = model.take(slots[mine], mine, np.zeros((len(mine), 1)), Devices())
        whole += list(zip(mine.tolist(), scores.tolist(), strict=True))
    assert [score for _, score in sorted(whole)] == number.tolist()


def test_the_number_of_calls_is_that_of_the_longest_of_many_or_of_the_few() -> None:
    slots, _ = numbers([1] * 10_000)
    many = Counting()
    Anomaly("single", many).take(slots, slots, np.zeros((len(slots), 1)), Devices())
    assert many.calls == 1
    slots, _ = numbers([50_000])
    one = Running()
    Anomaly("single", one).take(slots, slots, np.zeros((len(slots), 1)), Devices())
    assert one.calls == 1


def test_twice_the_samples_of_one_device_take_about_twice_the_time() -> None:
    def took(samples: int) -> float:
        slots, _ = numbers([samples])
        begun = time.process_time()
        Anomaly("single", Counting()).take(slots, slots, np.zeros((len(slots), 1)), Devices())
        return time.process_time() - begun

    took(1_000)
    assert took(40_000) < 4 * max(took(20_000), 0.01)
