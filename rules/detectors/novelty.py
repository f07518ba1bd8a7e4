"""How unheard-of a statistic is: its rank against the records and the block maxima of its own past.

For the log L of each statistic, over blocks of BLOCK samples the largest L is kept; an exponentially weighted mean mu
and deviation s of these maxima say what the tail is like. A sample is novel only if it beats the decaying record, and
then by u = (L - mu) / (s + FLOOR_WIDTH (1 + 1 / blocks)). After a freak value the record is held to mu + RECORD_CAP
widths, so that it does not blind the detector for good.
"""

import numpy as np

from rules.samples import Flags, Floats

CHANNELS = 6
BLOCK = 50
BLOCK_HALF_LIFE = 30
"""In blocks."""
FLOOR_WIDTH = 0.15
RECORD_CAP = 6.0
RECORD_DECAY = 2 ** (-1 / 20_000)
"""A record halves in 20 000 samples."""
LEARNED = 2
"""Blocks before anything can be novel."""

FILLED, BLOCKS = 0, 1
RECORD, PEAK, LID, MEAN, VARIANCE, WIDTH = (slice(2 + k * CHANNELS, 2 + (k + 1) * CHANNELS) for k in range(6))
ROWS = 2 + 6 * CHANNELS
"""Record, block maximum and the lid on both are statistics; mean, variance and width are of their logs."""
FRESH = np.zeros(ROWS)
FRESH[LID] = FRESH[WIDTH] = np.inf

_LOG_LARGEST = 700.0
_GAIN = 1 - 2 ** (-1 / BLOCK_HALF_LIFE)


def weigh(statistics: Floats, counted: Flags, rows: Floats) -> Floats:
    """The novelty u >= 0 of the most novel channel, shape (n,), 0 while too little is known; learns the statistics.

    statistics: (CHANNELS, n), positive; counted: (n,) False where a device is still too young to be judged.
    """
    if not counted.all():
        statistics = np.where(counted, statistics, 0.0)
    record, peak = rows[RECORD], rows[PEAK]
    beaten = statistics > record
    novel = np.zeros(len(counted))
    some = np.flatnonzero(beaten.any(axis=0))
    if len(some):
        novel[some] = _novelty(statistics[:, some], beaten[:, some], rows[:, some])
    record *= RECORD_DECAY
    held = np.minimum(statistics, np.maximum(record, rows[LID]))
    np.maximum(record, held, out=record)
    np.maximum(peak, held, out=peak)
    rows[FILLED] += counted
    full = np.flatnonzero(rows[FILLED] == BLOCK)
    if len(full):
        part = rows[:, full]
        _close(part)
        rows[:, full] = part
    return novel


def _novelty(statistics: Floats, beaten: Flags, rows: Floats) -> Floats:
    ratio = (np.log(np.where(beaten, statistics, 1.0)) - rows[MEAN]) / rows[WIDTH]
    novel: Floats = np.where(beaten, ratio, 0.0).max(axis=0).clip(0.0)
    return novel


def _close(rows: Floats) -> None:
    """End a block: its maxima become part of the tail."""
    rows[FILLED] = 0
    rows[BLOCKS] += 1
    gain = np.maximum(_GAIN, 1 / rows[BLOCKS])
    step = np.log(rows[PEAK]) - rows[MEAN]
    rows[MEAN] += gain * step
    rows[VARIANCE] = (1 - gain) * (rows[VARIANCE] + gain * step * step)
    width = np.sqrt(rows[VARIANCE]) + FLOOR_WIDTH * (1 + 1 / rows[BLOCKS])
    rows[WIDTH] = np.where(rows[BLOCKS] < LEARNED, np.inf, width)
    rows[LID] = np.exp(np.minimum(rows[MEAN] + RECORD_CAP * rows[WIDTH], _LOG_LARGEST))
    rows[PEAK] = 0.0
