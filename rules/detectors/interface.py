"""What the engine's `anomaly` signal expects of a detector, and how a detector's arrays go into a snapshot."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rules.samples import Floats, Ints

ALARM = 0.5
"""A score of this or more is an alarm: the shipped threshold, the same for every detector."""


class Detector(Protocol):
    """Learns each device slot on its own, without labels; O(1) memory and time per device and sample.

    A slot's scores depend on that slot's own samples and their order alone: not on which other slots are in a
    round, not on how samples were cut into rounds, and not on restarts.
    """

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:
        """One round: each slot at most once. Shapes: slots (n,), ts (n,) epoch ms, values (n, metrics), finite.

        Returns scores (n,) in [0, 1]; NaN while the slot has not learned enough; ALARM or more means alarm.
        """
        ...

    def forget(self, slot: int) -> None:
        """The slot belongs to another device from now on: it learns anew."""
        ...

    def dump(self) -> dict[str, Any]:
        """Everything learned, versioned, as plain values that msgpack can write. `load` of it goes on bit for bit."""
        ...

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        """The detector that was dumped. ValueError if the dump is of another kind or version."""
        ...


def pack(array: NDArray[Any]) -> dict[str, Any]:
    """An array as plain values; `unpack` gives an equal one."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": np.ascontiguousarray(array).tobytes()}


def unpack(packed: Mapping[str, Any]) -> NDArray[Any]:
    """The array that was packed, writable."""
    return np.frombuffer(packed["data"], dtype=np.dtype(packed["dtype"])).reshape(packed["shape"]).copy()
