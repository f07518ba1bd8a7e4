"""The multi-metric detector: one device's channels together, each against what its own past and the others foretell."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from rules.detectors.interface import ALARM
from rules.detectors.multi_memory import Memory
from rules.samples import Flags, Floats, Ints

KIND = "multi"
VERSION = 1

LEVEL_GAIN = 0.2
DRIFT_GAIN = 0.1
LIMITS = np.array([3.5, 3.5, 3.5])
HOLD = 10
HALF_LIFE = 200
SLOW_GAIN = 1e-4
CLIP = 4.0
TINY = 1e-300


def oas(correlation: Floats, rows: Ints) -> Floats:
    """Shrinkage (n,) of a correlation matrix (n, d, d) towards the identity, from how many rows it was learned.

    Oracle approximating shrinkage: Chen, Wiesel, Eldar, Hero, IEEE Trans. Signal Processing 58 (2010), eq. 23.
    """
    d = correlation.shape[1]
    squares = np.square(correlation).sum((1, 2))
    top = (1 - 2 / d) * squares + d * d
    bottom = (rows + 1 - 2 / d) * (squares - d)
    shrinkage: Floats = np.minimum(1.0, top / np.maximum(bottom, TINY))
    return shrinkage


class MultiDetector:
    """Streaming Hotelling charts of prewhitened channels; see docs/detection.md."""

    def __init__(self, metrics: int) -> None:
        self.metrics = metrics
        self.first_scale = max(2 * metrics, 20)
        self.learning = 8 * max(metrics, 45)
        self.memory = Memory.blank(0, metrics)

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:  # noqa: ARG002 - it counts rows, not time
        if not len(slots):
            return np.zeros(0)
        if (room := int(slots.max()) + 1) > len(self.memory):
            self.memory = self.memory.grown(max(room, 2 * len(self.memory)))
        m = self.memory.take(slots)
        fresh = (m.rows == 0)[:, None]
        for name in ("centre", "level", "last"):
            setattr(m, name, np.where(fresh, values, getattr(m, name)))
        learning = m.rows <= self.learning
        calm = learning | (m.quiet > HOLD)
        deviation = self._foretell(m, values, learning)
        self._learn(m, slots, learning, calm)
        self._refit(m, slots)
        scores = self._chart(m, slots, learning)
        self._track(m, values, deviation, learning)
        m.rows += 1
        self.memory.put(slots, m)
        return scores

    def _foretell(self, m: Memory, x: Floats, learning: Flags) -> Floats:
        step = np.abs(x - m.last)
        m.quantum = np.where((step > 0) & (step < m.quantum), step, m.quantum)
        m.last = x
        deviation, lately = x - m.centre, m.level - m.centre
        memory = np.clip(m.level_product / (m.level_square + TINY), 0.0, 1.0) * (m.rows > 10)[:, None]
        m.innovation = deviation - memory * lately
        m.drift = m.drift + DRIFT_GAIN * (m.innovation - m.drift)
        gain = (learning * 2 / (m.rows + 2))[:, None]
        m.level_product += gain * (deviation * lately - m.level_product)
        m.level_square += gain * (lately * lately - m.level_square)
        return deviation

    def _learn(self, m: Memory, slots: Ints, learning: Flags, calm: Flags) -> None:
        gain = np.where(learning, 2 / (m.rows + 2), SLOW_GAIN) * calm
        bound = np.where(learning[:, None], np.inf, CLIP * m.scale)
        e = np.clip(m.innovation, -bound, bound)
        covariance = self.memory.covariance[slots]
        covariance += gain[:, None, None] * (e[:, :, None] * e[:, None, :] - covariance)
        self.memory.covariance[slots] = covariance
        warm = int(2 / DRIFT_GAIN)
        gain = np.where(learning, 2 / (m.rows - warm + 2.0 + 1e9 * (m.rows < warm)), SLOW_GAIN) * calm
        bound = np.where(learning[:, None], np.inf, CLIP * CLIP * m.drift_square)
        m.drift_square += gain[:, None] * (np.minimum(np.square(m.drift), bound) - m.drift_square)

    def _refit(self, m: Memory, slots: Ints) -> None:
        due = (m.rows >= self.first_scale) & (m.rows % np.where(m.rows <= self.learning, 20, 320) == 0)
        due |= m.rows == self.first_scale
        if not due.any():
            return
        which = slots[due]
        covariance = self.memory.covariance[which]
        diagonal = np.arange(self.metrics)
        quantum = m.quantum[due]
        grain = 0.1 * np.square(np.where(np.isfinite(quantum), quantum, 1.0))
        scale = np.sqrt(covariance[:, diagonal, diagonal] + grain + TINY)
        correlation = covariance / scale[:, :, None] / scale[:, None, :]
        correlation[:, diagonal, diagonal] = 1.0
        shrink = oas(correlation, np.minimum(m.rows[due], self.learning))
        correlation *= (1 - shrink)[:, None, None]
        correlation[:, diagonal, diagonal] = 1.0
        self.memory.inverse[which] = np.linalg.inv(correlation)
        m.scale[due] = scale
        m.drift_scale[due] = np.sqrt(m.drift_square[due] + grain * DRIFT_GAIN / (2 - DRIFT_GAIN) + TINY)

    def _chart(self, m: Memory, slots: Ints, learning: Flags) -> Floats:
        ready = m.rows >= self.first_scale
        z = m.innovation / np.where(ready[:, None], m.scale, 1.0)
        drift = m.drift / np.where(ready[:, None], m.drift_scale, 1.0)
        inverse = self.memory.inverse[slots]
        fast = np.cbrt(np.maximum((np.matmul(inverse, z[:, :, None])[:, :, 0] * z).sum(1), 0) / self.metrics)
        slow = np.cbrt(np.maximum((np.matmul(inverse, drift[:, :, None])[:, :, 0] * drift).sum(1), 0) / self.metrics)
        capped = np.where(learning, fast, np.minimum(fast, m.mean[:, 0] + 6 * np.sqrt(m.variance[:, 0]) * 4.4))
        spread = np.where(np.isnan(m.spread), capped, m.spread + DRIFT_GAIN * (capped - m.spread))
        m.spread = np.where(ready, spread, np.nan)
        y = np.stack([m.spread, slow, np.abs(drift).max(1)], axis=1)
        deviation = np.sqrt(m.variance)
        height = (y - m.mean) / (LIMITS * deviation + TINY)
        m.worst = np.where(ready, height.argmax(1), 0)
        top = np.maximum(height.max(1), 0.0)
        m.quiet = np.where(~learning & (top > 1), 0, m.quiet + 1)
        calm = learning | (m.quiet > HOLD)
        start = max(self.first_scale, self.learning // 3)
        age = m.rows - start
        gain = np.where(age >= 0, np.maximum(2 / (np.maximum(age, 0) + 2.0), SLOW_GAIN), 0.0)[:, None] * calm[:, None]
        y = np.where(ready[:, None], y, 0.0)
        off = np.where(learning[:, None], y, np.minimum(y, m.mean + LIMITS * deviation)) - m.mean
        m.mean += gain * off
        m.variance = (1 - gain) * (m.variance + gain * off * off)
        held = m.quiet <= HOLD
        score = np.where(held, np.maximum(ALARM, top / (1 + top)), np.minimum(top / (1 + top), np.nextafter(ALARM, 0)))
        return np.where(learning, np.nan, score)

    def _track(self, m: Memory, x: Floats, deviation: Floats, learning: Flags) -> None:
        bound = np.where(learning[:, None], np.inf, CLIP * m.scale)
        gain = np.where(learning, 1 / (m.rows + 2), np.where(m.quiet > HOLD, 1 - 2 ** (-1 / HALF_LIFE), 0.0))
        m.level = m.level + LEVEL_GAIN * (x - m.level)
        m.centre = m.centre + gain[:, None] * np.clip(deviation, -bound, bound)

    def contributions(self, slot: int) -> Floats:
        """(metrics,) each channel's share in the last sample's score; sums to 1."""
        m = self.memory
        if slot >= len(m) or m.rows[slot] <= self.first_scale:
            return np.full(self.metrics, 1 / self.metrics)
        z = m.innovation[slot] / m.scale[slot] if m.worst[slot] == 0 else m.drift[slot] / m.drift_scale[slot]
        share = z * z if m.worst[slot] == 2 else np.maximum(z * (m.inverse[slot] @ z), 0.0)
        total = share.sum()
        return share / total if total > 0 else np.full(self.metrics, 1 / self.metrics)

    def forget(self, slot: int) -> None:
        if slot < len(self.memory):
            self.memory.clear(slot)

    def dump(self) -> dict[str, Any]:
        return {"kind": KIND, "version": VERSION, "metrics": self.metrics, "memory": self.memory.dump()}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        if (dump.get("kind"), dump.get("version")) != (KIND, VERSION):
            raise ValueError(
                f"not a dump of detector {KIND} version {VERSION}: {dump.get('kind')} {dump.get('version')}"
            )
        detector = cls(dump["metrics"])
        detector.memory = Memory.load(dump["memory"])
        return detector
