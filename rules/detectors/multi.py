"""The multi-metric detector: one device's channels together, each against what its own past and the others foretell."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from rules.detectors import multi_charts as charts
from rules.detectors.interface import ALARM
from rules.detectors.multi_memory import LONG_AGO, Memory
from rules.samples import Flags, Floats, Ints

KIND = "multi"
VERSION = 1

ROWS_A_METRIC = 8
"""Learning rows for each metric: fewer leave the correlation matrix to its shrinkage."""
FEWEST_ROWS = 400
"""Learning rows at least: a limit that one row in some hundred may pass cannot be learned from fewer."""
REFIT = 20
"""Rows between refits while learning; later REFIT * 16."""
PATIENCE = 8
"""An alarm that has lasted this many times the learning rows has become the device's way: it learns anew."""
CHUNK = 8192
"""Values handled at once: what is worked on stays in the processor's cache."""
LARGEST = 1e100
"""Values beyond are not told apart, so that no square overflows."""


class MultiDetector:
    """Streaming Hotelling charts of prewhitened channels, a Detector for two metrics or more; see docs/detection.md.

    It counts samples, not time: a device that reports twice as often learns twice as fast.
    """

    def __init__(self, metrics: int) -> None:
        self.metrics = metrics
        self.learning_rows = max(ROWS_A_METRIC * metrics, FEWEST_ROWS)
        self._first_fit = max(2 * metrics, 20)
        self._memory = Memory.blank(0, metrics)

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:  # noqa: ARG002 - see the class
        """See Detector.update. A score is h / (1 + h) of the highest chart's height h: 0.5 at its limit."""
        if not len(slots):
            return np.zeros(0)
        if (room := int(slots.max()) + 1) > len(self._memory):
            self._memory = self._memory.grown(max(room, 2 * len(self._memory)))
        chunk = max(1, CHUNK // self.metrics)
        parts = (slice(start, start + chunk) for start in range(0, len(slots), chunk))
        order = np.argsort(slots)
        scores = np.empty(len(slots))
        for rows in (order[part] for part in parts):
            scores[rows] = self._round(slots[rows], values[rows])
        return scores

    def _round(self, slots: Ints, values: Floats) -> Floats:
        which = _run(slots)
        m = self._memory.take(which)
        x = np.clip(values, -LARGEST, LARGEST)
        learning = m.rows <= self.learning_rows
        calm = learning | (m.quiet > charts.HOLD)
        charts.meet(m, x)
        charts.foretell(m, x, learning)
        changed = charts.learn(m, learning, calm) | self._refit(m)
        top = self._judge(m, learning)
        charts.track(m, x, learning, learning | (m.quiet > charts.HOLD))
        m.rows = m.rows + 1
        self._memory.put(which, m, matrices=changed)
        if (stale := m.alarmed > PATIENCE * self.learning_rows).any():
            self._memory.clear(slots[stale])
        return _score(top, learning | stale, m.quiet <= charts.HOLD)

    def _refit(self, m: Memory) -> bool:
        every = np.where(m.rows <= self.learning_rows, REFIT, 16 * REFIT)
        due = (m.rows == self._first_fit) | ((m.rows > self._first_fit) & (m.rows % every == 0))
        if due.any():
            charts.refit(m, due, self.learning_rows)
        return bool(due.any())

    def _judge(self, m: Memory, learning: Flags) -> Floats:
        """(n,) height of the highest chart; counts the alarm's samples and learns from what is calm."""
        y = charts.statistics(m, learning)
        above = charts.reach(m)
        m.height = (y - m.mean) / (above + charts.TINY)
        top: Floats = np.maximum(charts.highest(m.height), 0.0)
        m.quiet = np.where(learning, LONG_AGO, np.where(top >= 1, 0, m.quiet + 1))
        m.alarmed = np.where(m.quiet <= charts.HOLD, m.alarmed + 1, 0)
        age = m.rows - max(self._first_fit, self.learning_rows // 3)
        rate = np.maximum(1.0 / (np.maximum(age, 0) + 1.0), charts.SLOW_GAIN)
        charts.record(m, y, above, rate * (age >= 0) * (m.quiet > charts.HOLD), learning)
        return top

    def contributions(self, slot: int) -> Floats:
        """(metrics,) each channel's share in the last sample's score; all equal before anything is known. Sums to 1."""
        m = self._memory.take(slice(slot, slot + 1))
        share: Floats = np.ones(self.metrics)
        if len(m) and m.rows[0] > self._first_fit:
            worst = int(m.height[0].argmax())
            fast = worst in (0, 1)
            z = (m.innovation / m.scale if fast else m.drift / m.drift_scale)[0]
            z = np.clip(z, -LARGEST, LARGEST)
            share = z * z if worst == 3 else np.maximum(z * (m.inverse[0] @ z), 0.0)
        if not share.sum() > 0:
            share = np.ones(self.metrics)
        share /= share.sum()
        return share

    def forget(self, slot: int) -> None:
        """See Detector.forget."""
        if slot < len(self._memory):
            self._memory.clear(np.array([slot]))

    def dump(self) -> dict[str, Any]:
        """See Detector.dump."""
        return {"kind": KIND, "version": VERSION, "metrics": self.metrics, "memory": self._memory.dump()}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        """See Detector.load."""
        if (found := (dump.get("kind"), dump.get("version"))) != (KIND, VERSION):
            raise ValueError(f"dump of detector {found[0]!r} version {found[1]}; expected {KIND!r} version {VERSION}")
        detector = cls(dump["metrics"])
        detector._memory = Memory.load(dump["memory"])
        return detector


def _run(slots: Ints) -> Ints | slice:
    """Ascending slots, as a slice where they are consecutive: read and written in place, without a copy."""
    first, last = int(slots[0]), int(slots[-1])
    return slice(first, last + 1) if last - first == len(slots) - 1 else slots


def _score(top: Floats, mute: Flags, held: Flags) -> Floats:
    score = top / (1 + top)
    score = np.where(held, np.maximum(score, ALARM), np.minimum(score, np.nextafter(ALARM, 0.0)))
    return np.where(mute, np.nan, score)
