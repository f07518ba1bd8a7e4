"""`anomaly`: readings handed to an unsupervised detector, each device's own in order, whatever a batch holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rules.detectors.interface import Detector
from rules.detectors.multi import MultiDetector
from rules.detectors.single import SingleDetector
from rules.devices import Devices
from rules.samples import Floats, Ints
from rules.signals.rounds import rounds

MAKERS: Mapping[str, Callable[[int], Detector]] = {
    "single": lambda _metrics: SingleDetector(),
    "multi": MultiDetector,
}
"""By name: a detector for so many metrics."""
LOADERS: Mapping[str, Callable[[Mapping[str, Any]], Detector]] = {
    "single": SingleDetector.load,
    "multi": MultiDetector.load,
}


@runtime_checkable
class Runner(Protocol):
    """A detector that can take many samples of one device at once."""

    def run(self, slot: int, ts: Ints, values: Floats) -> Floats:
        """The same scores, bit for bit, as `update` sample by sample. Shapes: ts (n,), values (n, metrics)."""
        ...


@dataclass(slots=True)
class Anomaly:
    """One detector for all devices of a lane."""

    name: str
    detector: Detector

    @classmethod
    def make(cls, name: str, metrics: int) -> "Anomaly":
        return cls(name, MAKERS[name](metrics))

    def take(self, slots: Ints, ts: Ints, values: Floats, devices: Devices) -> Floats:
        """Scores from 0 to 1, NaN until a device is known well enough. Shapes as of `Detector.update`, grouped."""
        del devices
        found = np.empty(len(slots))
        parts = rounds(slots)
        for rows in parts.across:
            found[rows] = self.detector.update(slots[rows], ts[rows], values[rows])
        for part in parts.along:
            found[part] = self._along(slots[part], ts[part], values[part])
        return found

    def forget(self, slot: int) -> None:
        """The device starts anew."""
        self.detector.forget(slot)

    def dump(self) -> Mapping[str, Any]:
        return {"name": self.name, "detector": self.detector.dump()}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> "Anomaly":
        return cls(dump["name"], LOADERS[dump["name"]](dump["detector"]))

    def _along(self, slots: Ints, ts: Ints, values: Floats) -> Floats:
        if isinstance(self.detector, Runner) and len(slots) > 1:
            return self.detector.run(int(slots[0]), ts, values)
        scores = [
            self.detector.update(slots[at : at + 1], ts[at : at + 1], values[at : at + 1]) for at in range(len(slots))
        ]
        return np.concatenate(scores)
