"""A detector's memory: rows of numbers with one column per device slot, grown as slots come."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rules.detectors.interface import pack, unpack
from rules.samples import Floats, Ints


class SlotTable:
    """`fresh` is the column of a slot that has learned nothing; `columns` has shape (rows, capacity)."""

    __slots__ = ("columns", "fresh")

    def __init__(self, fresh: Floats, columns: Floats | None = None) -> None:
        self.fresh = fresh
        self.columns = np.empty((len(fresh), 0)) if columns is None else columns

    def cover(self, size: int) -> None:
        """Room for the slots below `size`; capacity at least doubles when it grows."""
        capacity = self.columns.shape[1]
        if size > capacity:
            extra = max(size, 2 * capacity, 16) - capacity
            self.columns = np.hstack([self.columns, np.repeat(self.fresh[:, None], extra, axis=1)])

    def take(self, slots: Ints) -> Floats:
        """The columns of ascending slots: a view where they are neighbours, else a copy that `put` must bring back."""
        run = _run(slots)
        found: Floats = self.columns.take(slots, axis=1) if run is None else self.columns[:, run]
        return found

    def put(self, slots: Ints, columns: Floats) -> None:
        if columns.base is not self.columns:
            self.columns[:, slots] = columns

    def forget(self, slot: int) -> None:
        if slot < self.columns.shape[1]:
            self.columns[:, slot] = self.fresh

    def dump(self) -> dict[str, Any]:
        return pack(self.columns)

    def load(self, dump: Mapping[str, Any]) -> None:
        """ValueError if the dump has other rows than this table."""
        columns = unpack(dump)
        if columns.dtype != self.fresh.dtype or columns.ndim != 2 or len(columns) != len(self.fresh):
            raise ValueError(f"rows of {columns.dtype} {columns.shape}; expected {len(self.fresh)} rows of float64")
        self.columns = columns


def _run(slots: Ints) -> slice | None:
    """Ascending slots as one slice, if none between them is left out."""
    first, size = int(slots[0]), len(slots)
    return slice(first, first + size) if int(slots[-1]) - first == size - 1 else None
