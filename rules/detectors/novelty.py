"""How unheard-of a statistic is: its rank against the records and the block maxima of its own past.

For the log L of each statistic, over blocks of BLOCK samples the largest L is kept; an exponentially weighted mean mu
and deviation s of these maxima say what the tail is like. A sample is novel only if it beats the decaying record, and
then by u = (L - mu) / (s + FLOOR_WIDTH (1 + 1 / blocks)). After a freak value the record is held to mu + RECORD_CAP
widths, so that it does not blind the detector for good.
"""

import numpy as np

from rules.samples import Flags, Floats

CHANNELS = 6
BLOCK = 42
BLOCK_HALF_LIFE = 30
"""In blocks."""
FLOOR_WIDTH = 0.15
RECORD_CAP = 6.0
RECORD_DECAY = np.log(2) / 20_000
"""A record halves in 20 000 samples."""
NOTHING = -30.0
LEARNED = 2
"""Blocks before anything can be novel."""

FILLED, BLOCKS = 0, 1
RECORD, PEAK, MEAN, VARIANCE, WIDTH = (slice(2 + k * CHANNELS, 2 + (k + 1) * CHANNELS) for k in range(5))
ROWS = 2 + 5 * CHANNELS
FRESH = np.zeros(ROWS)
FRESH[RECORD] = FRESH[PEAK] = NOTHING
FRESH[WIDTH] = np.inf

_GAIN = 1 - 2 ** (-1 / BLOCK_HALF_LIFE)


def weigh(logs: Floats, counted: Flags, rows: Floats) -> Floats:
    """The novelty u >= 0 of the most novel channel, shape (n,), 0 while too little is known; learns from `logs`.

    logs: (CHANNELS, n); counted: (n,) False where a device is still too young to be judged.
    """
    if not counted.all():
        logs = np.where(counted, logs, NOTHING)
    record, peak, mean, width = rows[RECORD], rows[PEAK], rows[MEAN], rows[WIDTH]
    ratio = (logs - mean) / width
    novel: Floats = np.where(logs > record, ratio, 0.0).max(axis=0)
    record -= RECORD_DECAY
    held = np.minimum(logs, np.maximum(record, mean + RECORD_CAP * width))
    np.maximum(record, held, out=record)
    np.maximum(peak, held, out=peak)
    rows[FILLED] += counted
    full = np.flatnonzero(rows[FILLED] == BLOCK)
    if len(full):
        part = rows[:, full]
        _close(part)
        rows[:, full] = part
    return novel.clip(0.0)


def _close(rows: Floats) -> None:
    rows[FILLED] = 0
    rows[BLOCKS] += 1
    gain = np.maximum(_GAIN, 1 / rows[BLOCKS])
    step = rows[PEAK] - rows[MEAN]
    rows[MEAN] += gain * step
    rows[VARIANCE] = (1 - gain) * (rows[VARIANCE] + gain * step * step)
    width = np.sqrt(rows[VARIANCE]) + FLOOR_WIDTH * (1 + 1 / rows[BLOCKS])
    rows[WIDTH] = np.where(rows[BLOCKS] < LEARNED, np.inf, width)
    rows[PEAK] = NOTHING
