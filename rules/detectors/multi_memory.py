"""What the multi-metric detector remembers of each device slot: fixed-size arrays whose first axis is the slot."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from rules.detectors.interface import pack, unpack
from rules.samples import Floats, Ints

CHARTS = 3
"""Control charts a slot: spread, drift, channel (see rules/detectors/charts.py)."""

MATRICES = ("covariance", "inverse")
"""Too large to copy every round: read and written in place."""


@dataclass(slots=True)
class Memory:
    """O(d²) a slot. Shapes: (n,) unless said; (n, d) a channel; (n, d, d) a pair of channels; (n, CHARTS) a chart."""

    rows: Ints
    """Samples seen."""
    quiet: Ints
    """Samples since a chart last left its limit."""
    worst: Ints
    """The chart that stood highest at the last sample."""
    spread: Floats
    """Moving average of the fast distance; NaN before the first."""
    mean: Floats
    """(n, CHARTS) each chart's mean over its quiet record."""
    variance: Floats
    """(n, CHARTS) and its variance."""
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
    """(n, d) its mean square over the quiet record."""
    scale: Floats
    """(n, d) standard deviation of an innovation, in force."""
    drift_scale: Floats
    """(n, d) standard deviation of the drift, in force."""
    covariance: Floats
    """(n, d, d) of the innovations."""
    inverse: Floats
    """(n, d, d) inverse of their shrunk correlation matrix, in force."""

    @classmethod
    def blank(cls, slots: int, metrics: int) -> Self:
        def floats(*shape: int) -> Floats:
            return np.zeros((slots, *shape))

        per_channel = (name for name in cls.__slots__ if name not in PER_SLOT and name not in MATRICES)
        memory = cls(
            rows=np.zeros(slots, np.int64),
            quiet=np.full(slots, NEVER_ALARMED),
            worst=np.zeros(slots, np.int64),
            spread=np.full(slots, np.nan),
            mean=floats(CHARTS),
            variance=floats(CHARTS),
            covariance=floats(metrics, metrics),
            inverse=floats(metrics, metrics),
            **{name: floats(metrics) for name in per_channel},
        )
        memory.quantum[:] = np.inf
        return memory

    def __len__(self) -> int:
        return len(self.rows)

    def grown(self, slots: int) -> Self:
        """The same with room for `slots` slots."""
        more = self.blank(slots - len(self), self.centre.shape[1])
        return type(self)(*(np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)))

    def take(self, slots: Ints) -> Self:
        """A copy of these slots' rows, but for the matrices, which stay shared."""
        names = (f.name for f in fields(self))
        return type(self)(*(getattr(self, n) if n in MATRICES else getattr(self, n)[slots] for n in names))

    def put(self, slots: Ints, part: Self) -> None:
        """Write back what `take` gave."""
        for f in fields(self):
            if f.name not in MATRICES:
                getattr(self, f.name)[slots] = getattr(part, f.name)

    def clear(self, slot: int) -> None:
        """The slot knows nothing."""
        blank = self.blank(1, self.centre.shape[1])
        for f in fields(self):
            getattr(self, f.name)[slot] = getattr(blank, f.name)[0]

    def dump(self) -> dict[str, Any]:
        return {f.name: pack(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        return cls(**{f.name: unpack(dump[f.name]) for f in fields(cls)})


PER_SLOT = ("rows", "quiet", "worst", "spread", "mean", "variance")
NEVER_ALARMED = np.int64(2**40)
