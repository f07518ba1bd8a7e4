"""The detector of one metric: what the `anomaly` signal uses when it watches a single metric.

Each sample is compared with what its hour lets expect; what is left over, its short means, and how much the metric
jumps are six statistics, and the score says how unheard-of the most novel of them is: docs/detection.md.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from rules.detectors import novelty, season
from rules.detectors.interface import ALARM
from rules.detectors.season import Season, clip
from rules.detectors.table import SlotTable
from rules.samples import Floats, Ints

VERSION = 1
SLOW = 1 - 2 ** (-1 / 4000)
"""Gain of the slow mean and of all scales: half-life 4000 samples, plain averages until then."""
SHORT = 1 - 2 ** (-1 / np.array([[3.0], [10.0], [40.0]]))
JUMPS = 1 - 2 ** (-1 / 10)
SETTLE, YOUNG = 76, 90
"""Samples until outliers are clipped, and until statistics count as the device's own past."""
CLIP, CLIP_GROWTH, UNCLIPPED, WIDEST = 7.0, 1.1, 1e100, 1e90
"""No residual teaches more than CLIP scales, but the limit grows while it is hit: what lasts is the new normal."""
PEAK = 16.0
CAUTION = 200.0
"""A scale learned from n samples is taken to be 1 + CAUTION / n times as wide."""
LEAST = np.exp(0.6)
"""Statistics below this many scales are all alike."""
THRESHOLD = 1.7
"""The novelty that is an alarm."""
REST = 60
"""Samples after an alarm in which there is no other: one incident, one alarm."""
LARGEST, TINY = 1e150, 1e-150
"""Beyond these, squares would overflow or vanish."""

(AGE, SIZE, MEAN, LEVEL_SPREAD, LIMIT, SPREAD, BEFORE, JUMP, JUMP_SPREAD, RESTING) = range(10)
SHORT_MEAN, SHORT_SPREAD = slice(10, 13), slice(13, 16)
NOW = slice(16, 16 + season.ROWS)
TAIL = slice(NOW.stop, NOW.stop + novelty.ROWS)
FRESH = np.r_[np.zeros(NOW.start), season.FRESH, novelty.FRESH]
FRESH[LIMIT] = CLIP


class SingleDetector:
    """A `Detector` of one metric; it needs 190 samples of a device before it scores."""

    __slots__ = ("_rows", "_season")

    def __init__(self) -> None:
        self._rows = SlotTable(FRESH)
        self._season = Season()

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:
        if not len(slots):
            return np.empty(0)
        if not (np.diff(slots) > 0).all():
            order = np.argsort(slots)
            score = np.empty(len(slots))
            score[order] = self._score(slots[order], ts[order], values[order, 0])
            return score
        return self._score(slots, ts, values[:, 0])

    def _score(self, slots: Ints, ts: Ints, x: Floats) -> Floats:
        """Slots ascending: neighbours in the round are then neighbours in memory."""
        size = int(slots[-1]) + 1
        self._rows.cover(size)
        self._season.cover(size)
        rows = self._rows.take(slots)
        place = self._season.turn(slots, ts, rows[NOW])
        statistics = _statistics(np.clip(x, -LARGEST, LARGEST), ts, place, rows)
        score = _alarmed(novelty.weigh(statistics, rows[AGE] > YOUNG, rows[TAIL]), rows)
        self._rows.put(slots, rows)
        return score

    def forget(self, slot: int) -> None:
        self._rows.forget(slot)
        self._season.forget(slot)

    def dump(self) -> dict[str, Any]:
        return {"detector": "single", "version": VERSION, "rows": self._rows.dump(), "hours": self._season.dump()}

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> Self:
        if (dump.get("detector"), dump.get("version")) != ("single", VERSION):
            raise ValueError(f"a dump of {dump.get('detector')} {dump.get('version')}; expected single {VERSION}")
        detector = cls()
        detector._rows.load(dump["rows"])
        detector._season.load(dump["hours"])
        return detector


def _statistics(x: Floats, ts: Ints, place: Floats, rows: Floats) -> Floats:
    """The six statistics, shape (6, n); learns everything but the tail from the sample."""
    _begin(x, ts, rows)
    now, share = rows[NOW], 1 / rows[AGE]
    gain, caution = np.maximum(SLOW, share), 1 + CAUTION * share
    rows[SIZE] += gain * (np.abs(x) - rows[SIZE])
    tiny = 1e-12 * rows[SIZE] + TINY
    limit = np.where(rows[AGE] > SETTLE, rows[LIMIT], UNCLIPPED)
    deviation = x - rows[MEAN]
    residual, recent, daily = season.surprise(deviation, place, now)
    scale, far = np.sqrt(rows[SPREAD]) + tiny, np.abs(residual)
    bound = limit * scale
    clipped = clip(residual, bound)
    found = np.empty((novelty.CHANNELS, len(x)))
    found[0] = far / (scale * caution)
    found[1:4] = _short(clipped, gain, limit, tiny, rows) / caution
    found[4] = far / (np.sqrt(rows[SPREAD] * (caution * caution) + now[season.SPREAD] ** 2) + tiny)
    found[5] = _jump(x, gain, limit, tiny, rows)
    peak = np.minimum(far, PEAK * scale)
    season.learn(now, ts, deviation, recent=recent, daily=daily, bound=bound, peak=peak)
    rows[SPREAD] += gain * (clipped * clipped - rows[SPREAD])
    level = limit * (np.sqrt(rows[LEVEL_SPREAD]) + tiny)
    level = clip(deviation, level)
    rows[MEAN] += gain * level
    rows[LEVEL_SPREAD] += gain * (level * level - rows[LEVEL_SPREAD])
    rows[LIMIT] = np.where(far > bound, np.minimum(rows[LIMIT] * CLIP_GROWTH, WIDEST), CLIP)
    return np.maximum(found, LEAST, out=found)


def _begin(x: Floats, ts: Ints, rows: Floats) -> None:
    """Count the sample; the first one of a slot is its mean, and no time has passed before it."""
    first = np.flatnonzero(rows[AGE] == 0)
    if len(first):
        rows[MEAN, first] = rows[BEFORE, first] = x[first]
        rows[NOW.start + season.SEEN, first] = ts[first]
    rows[AGE] += 1


def _short(residual: Floats, gain: Floats, limit: Floats, tiny: Floats, rows: Floats) -> Floats:
    """The short means of the residual in their own scales, shape (3, n)."""
    means, spreads = rows[SHORT_MEAN], rows[SHORT_SPREAD]
    means += np.maximum(SHORT, 1 / rows[AGE]) * (residual - means)
    far, scale = np.abs(means), np.sqrt(spreads) + tiny
    held = np.minimum(far, limit * scale)
    spreads += gain * (held * held - spreads)
    found: Floats = far / scale
    return found


def _jump(x: Floats, gain: Floats, limit: Floats, tiny: Floats, rows: Floats) -> Floats:
    """The recent root mean square of the steps from sample to sample, in units of the usual one."""
    step = x - rows[BEFORE]
    scale = np.sqrt(rows[JUMP_SPREAD]) + tiny
    rows[JUMP] += np.maximum(JUMPS, 1 / rows[AGE]) * (step * step - rows[JUMP])
    held = clip(step, limit * scale)
    rows[JUMP_SPREAD] += gain * (held * held - rows[JUMP_SPREAD])
    rows[BEFORE] = x
    found: Floats = (np.sqrt(rows[JUMP]) + tiny) / scale
    return found


def _alarmed(novel: Floats, rows: Floats) -> Floats:
    """The score, silent while a slot rests after its last alarm, NaN while it is too young."""
    score = np.where(rows[RESTING] > 0, 0.0, novel / (novel + THRESHOLD))
    rows[RESTING] = np.where(score >= ALARM, REST, np.maximum(rows[RESTING] - 1, 0.0))
    score[rows[TAIL][novelty.BLOCKS] < novelty.LEARNED] = np.nan
    return score
