"""Arrays with one place per device: the engine's state of all devices at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.model import Kind
from rules.samples import NEVER, Ints


class SlotInts:
    """A whole number per device, `empty` where nothing was put. Grows by itself."""

    __slots__ = ("data", "empty")

    def __init__(self, data: Ints | None = None, *, empty: int = NEVER, dtype: Any = np.int64) -> None:
        self.empty = empty
        self.data: NDArray[Any] = np.empty(0, dtype=dtype) if data is None else data

    def grow(self, size: int) -> None:
        if size > len(self.data):
            extra = _grown(size, len(self.data)) - len(self.data)
            self.data = np.concatenate([self.data, np.full(extra, self.empty, dtype=self.data.dtype)])

    def get(self, slots: Ints) -> Ints:
        self._cover(slots)
        found: Ints = self.data[slots]
        return found

    def one(self, slot: int) -> int:
        return int(self.data[slot]) if slot < len(self.data) else self.empty

    def put(self, slots: Ints, values: Ints) -> None:
        self._cover(slots)
        self.data[slots] = values

    def put_one(self, slot: int, value: int) -> None:
        self.grow(slot + 1)
        self.data[slot] = value

    def _cover(self, slots: Ints) -> None:
        if len(slots):
            self.grow(int(slots.max()) + 1)


_EMPTY: dict[Kind, Any] = {Kind.NUMBER: 0.0, Kind.BOOLEAN: False, Kind.STRING: None}
_ARRAYS: dict[Kind, Any] = {Kind.NUMBER: np.float64, Kind.BOOLEAN: np.bool_, Kind.STRING: object}


class SlotValues:
    """The last value of one channel per device; what was never put means nothing."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: Kind, data: NDArray[Any] | None = None) -> None:
        self.kind = kind
        self.data: NDArray[Any] = np.empty(0, dtype=_ARRAYS[kind]) if data is None else data

    def get(self, slots: Ints) -> NDArray[Any]:
        self._cover(slots)
        found: NDArray[Any] = self.data[slots]
        return found

    def put(self, slots: Ints, values: NDArray[Any]) -> None:
        self._cover(slots)
        self.data[slots] = values

    def _cover(self, slots: Ints) -> None:
        size = int(slots.max()) + 1 if len(slots) else 0
        if size > len(self.data):
            grown = np.full(_grown(size, len(self.data)), _EMPTY[self.kind], dtype=_ARRAYS[self.kind])
            grown[: len(self.data)] = self.data
            self.data = grown


def _grown(wanted: int, now: int) -> int:
    """A quarter more than there is: few copies on the way to a million devices, and little that lies idle there."""
    return max(wanted, now + now // 4, 16)
