"""What the multi-metric detector remembers of each device slot: fixed-size arrays whose first axis is the slot."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from rules.detectors.interface import pack, unpack
from rules.samples import Floats, Ints

CHARTS = 4
"""Control charts a slot: see rules/detectors/multi_charts.py."""

LONG_AGO = 2**40
"""Samples since the last alarm of a slot that never had one."""


@dataclass(slots=True)
class Memory:
    """O(d²) a slot. Shapes: (n,) unless said; (n, d) a channel; (n, d, d) a pair of channels; (n, CHARTS) a chart."""

    rows: Ints
    """Samples seen."""
    quiet: Ints
    """Samples since a chart last left its limit."""
    alarmed: Ints
    """Samples that the present alarm has lasted; 0 without one."""
    spread: Floats
    """Moving average of the fast distance."""
    mean: Floats
    """(n, CHARTS) each chart's mean over its quiet record."""
    variance: Floats
    """(n, CHARTS) and its variance."""
    peak: Floats
    """(n, CHARTS) the highest it stood while learning."""
    height: Floats
    """(n, CHARTS) how high each stood at the last sample: 0 at its mean, 1 at its limit."""
    centre: Floats
    """(n, d) where the channel sits while quiet."""
    level: Floats
    """(n, d) where it has been lately."""
    last: Floats
    """(n, d) the last value."""
    quantum: Floats
    """(n, d) the smallest step ever seen: the channel's resolution; infinite while it has never moved."""
    level_square: Floats
    """(n, d) mean square of (level - centre) while learning."""
    level_product: Floats
    """(n, d) mean of (level - centre) x (next value - centre) while learning."""
    innovation: Floats
    """(n, d) the last value less what its own past foretold."""
    drift: Floats
    """(n, d) moving average of the innovations."""
    drift_square: Floats
    """(n, d) its mean square while learning, hardly moved later."""
    scale: Floats
    """(n, d) standard deviation of an innovation, in force; infinite for a channel that has never moved."""
    drift_scale: Floats
    """(n, d) standard deviation of the drift, in force; likewise."""
    covariance: Floats
    """(n, d, d) of the innovations."""
    inverse: Floats
    """(n, d, d) inverse of their shrunk correlation matrix, in force."""

    @classmethod
    def blank(cls, slots: int, metrics: int) -> Self:
        """Slots that have seen nothing."""
        channel, pair = (slots, metrics), (slots, metrics, metrics)
        shapes: dict[str, tuple[int, ...]] = {f.name: channel for f in fields(cls)} | dict.fromkeys(MATRICES, pair)
        shapes |= dict.fromkeys(("mean", "variance", "peak", "height"), (slots, CHARTS)) | {"spread": (slots,)}
        arrays: dict[str, Any] = {name: np.zeros(shape) for name, shape in shapes.items()}
        arrays |= {name: np.zeros(slots, np.int64) for name in COUNTERS}
        memory = cls(**arrays)
        memory.quiet[:] = LONG_AGO
        for array in (memory.quantum, memory.scale, memory.drift_scale):
            array[:] = np.inf
        return memory

    def __len__(self) -> int:
        return len(self.rows)

    def grown(self, slots: int) -> Self:
        """The same with room for `slots` slots."""
        more = self.blank(slots - len(self), self.centre.shape[1])
        return type(self)(*(np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)))

    def take(self, which: Ints | slice) -> Self:
        """These slots' rows: views for a slice, copies for indices."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))

    def put(self, which: Ints | slice, part: Self, *, matrices: bool) -> None:
        """Write back what `take` gave; the matrices only where they changed."""
        for f in fields(self):
            if matrices or f.name not in MATRICES:
                getattr(self, f.name)[which] = getattr(part, f.name)

    def clear(self, slots: Ints) -> None:
        """These slots know nothing."""
        self.put(slots, self.blank(len(slots), self.centre.shape[1]), matrices=True)

    def dump(self) -> dict[str, Any]:
        """Plain values for a snapshot."""
        return {f.name: pack(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        """What was dumped."""
        return cls(**{f.name: unpack(dump[f.name]) for f in fields(cls)})


MATRICES = ("covariance", "inverse")
COUNTERS = ("rows", "quiet", "alarmed")
