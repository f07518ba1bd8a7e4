"""How the multi-metric detector learns and judges one round: pure arithmetic on the memory of its slots.

Each channel is prewhitened by its own past, so that drifting and autocorrelated channels do not flood; the innovations
are judged by four control charts whose limits come from the device's own quiet record.
"""

import numpy as np

from rules.detectors.multi_memory import Memory
from rules.samples import Flags, Floats, Ints

LEVEL_GAIN = 0.4
"""How fast `level` follows: what a channel is foretold from."""
DRIFT_GAIN = 0.2
"""How fast `drift` follows the innovations: a shift is judged over about ten samples."""
SPREAD_GAIN = 0.15
"""How fast `spread` follows the fast distance."""
LIMITS = np.array([5.0, 3.5, 3.5, 3.5])
"""Standard deviations above the mean of its record at which a chart alarms: fast, spread, drift, channel."""
PEAK = 0.9
"""No limit lies below this share of the highest that its chart stood while learning, both above the mean."""
HOLD = 4
"""Samples that an alarm lasts after the last one beyond a limit."""
CENTRE_GAIN = 1 - 2 ** (-1 / 300)
"""How fast `centre` follows while quiet: half-life of 300 samples."""
SLOW_GAIN = 1e-4
"""How fast scales follow after learning, and limits at last, while quiet: half-life of 7 000 samples."""
THIN = 16
"""After learning the covariance takes every 16th sample, at 16 times the gain: it moves too slowly to need more."""
CLIP = 4.0
"""After learning no sample teaches or drifts more than this many standard deviations."""
GRAIN = 0.1
"""Variance, in squared steps of the channel's resolution, that is never taken for knowledge (rounding alone: 1/12)."""
ROUNDING = 1e-12
"""Relative error of a value that floating point may add."""
FARTHEST = 1e6
"""Standard deviations beyond which a distance is not told apart."""
TINY = 1e-300


def recent(rows: Ints) -> Floats:
    """Gain that gives the k-th of n samples the weight k: an average in which the uncertain beginning fades."""
    return 2.0 / (rows.astype(np.float64) + 2.0)


def shrinkage(correlation: Floats, rows: Ints) -> Floats:
    """(n,) how far to shrink correlation matrices (n, d, d) towards the identity, learned from (n,) rows.

    Oracle approximating shrinkage: Chen, Wiesel, Eldar, Hero, IEEE Trans. Signal Processing 58 (2010), eq. 23.
    """
    d = correlation.shape[1]
    squares = np.square(correlation).sum((1, 2))
    bottom = (rows + 1 - 2 / d) * (squares - d)
    shrunk: Floats = np.minimum(1.0, ((1 - 2 / d) * squares + d * d) / np.maximum(bottom, TINY))
    return shrunk


def meet(m: Memory, x: Floats) -> None:
    """Note each channel's resolution. The first sample, and the first move of a constant channel, are no deviation:
    nothing is known yet to hold them against."""
    step = np.abs(x - m.last)
    moved = step > 0
    new = (m.rows == 0)[:, None] | (moved & np.isinf(m.quantum))
    m.quantum = np.where(moved & (step < m.quantum) & (m.rows > 0)[:, None], step, m.quantum)
    if new.any():
        m.centre = np.where(new, x, m.centre)
        m.level = np.where(new, x, m.level)
    m.last = x


def foretell(m: Memory, x: Floats, learning: Flags) -> None:
    """Prewhiten: the innovation is what the channel's own recent level does not foretell.

    x - centre = memory (level - centre) + innovation, `memory` by least squares while learning, within [0, 1]: 0 for
    noise around a set point, 1 for a channel that wanders freely, whose wandering then tells nothing.
    """
    deviation, lately = x - m.centre, m.level - m.centre
    memory = np.clip(m.level_product / (m.level_square + TINY), 0.0, 1.0) * (m.rows > 10)[:, None]
    m.innovation = deviation - memory * lately
    bound = np.where(learning[:, None], np.inf, CLIP * m.scale)
    m.drift = m.drift + DRIFT_GAIN * (np.clip(m.innovation, -bound, bound) - m.drift)
    if learning.any():
        gain = (learning * recent(m.rows))[:, None]
        m.level_product = m.level_product + gain * (deviation * lately - m.level_product)
        m.level_square = m.level_square + gain * (lately * lately - m.level_square)
    m.level = m.level + LEVEL_GAIN * (x - m.level)


def learn(m: Memory, learning: Flags, calm: Flags) -> bool:
    """Second moments of innovation and drift; after learning slowly, clipped, and only while calm.

    Returns whether the covariance of any slot has changed.
    """
    due = learning | (calm & (m.rows % THIN == 0))
    if due.any():
        gain = np.where(learning, recent(m.rows), THIN * SLOW_GAIN)[due]
        bound = np.where(learning[:, None], np.inf, CLIP * m.scale)[due]
        e = np.clip(m.innovation[due], -bound, bound)
        old = m.covariance[due]
        m.covariance[due] = old + gain[:, None, None] * (e[:, :, None] * e[:, None, :] - old)
    settled = np.maximum(m.rows - int(2 / DRIFT_GAIN), 0)
    gain = np.where(learning, recent(settled), SLOW_GAIN * calm) * (settled > 0)
    bound = np.where(learning[:, None], np.inf, np.square(CLIP * m.drift_scale))
    m.drift_square = m.drift_square + gain[:, None] * (np.minimum(np.square(m.drift), bound) - m.drift_square)
    return bool(due.any())


def refit(m: Memory, due: Flags, learning_rows: int) -> None:
    """Put what was learned into force: scales and the inverse of the shrunk correlation matrix."""
    covariance, quantum = m.covariance[due], m.quantum[due]
    diagonal = np.arange(covariance.shape[1])
    known = np.isfinite(quantum)
    floor = GRAIN * np.square(np.where(known, quantum, 0.0)) + np.square(ROUNDING * m.centre[due]) + TINY
    scale = np.sqrt(covariance[:, diagonal, diagonal] + floor)
    correlation = covariance / scale[:, :, None] / scale[:, None, :]
    correlation[:, diagonal, diagonal] = 1.0
    correlation *= 1 - shrinkage(correlation, np.minimum(m.rows[due], learning_rows))[:, None, None]
    correlation[:, diagonal, diagonal] = 1.0
    m.inverse[due] = np.linalg.inv(correlation)
    m.scale[due] = np.where(known, scale, np.inf)
    m.drift_scale[due] = np.where(known, np.sqrt(m.drift_square[due] + floor * DRIFT_GAIN / (2 - DRIFT_GAIN)), np.inf)


def statistics(m: Memory, learning: Flags) -> Floats:
    """(n, CHARTS) fast: distance of the innovations; spread: its moving average; drift: distance of the drift; channel:
    the largest single drift. Distances are cube roots of Hotelling's T² a channel, which makes them near normal
    (Wilson, Hilferty, PNAS 17 (1931))."""
    z = np.clip(m.innovation / m.scale, -FARTHEST, FARTHEST)
    drift = np.clip(m.drift / m.drift_scale, -FARTHEST, FARTHEST)
    both = np.stack([z, drift], axis=2)
    squares = np.einsum("ndk,ndk->nk", np.matmul(m.inverse, both), both)
    distance = np.cbrt(np.maximum(squares, 0.0) / z.shape[1])
    fast = distance[:, 0]
    cap = np.where(learning, np.inf, m.mean[:, 0] + CLIP * np.sqrt(m.variance[:, 0]))
    m.spread = m.spread + SPREAD_GAIN * (np.minimum(fast, cap) - m.spread)
    return np.stack([fast, m.spread, distance[:, 1], highest(np.abs(drift))], axis=1)


def highest(a: Floats) -> Floats:
    """(n,) each row's maximum; transposed, because NumPy reduces many short rows slowly."""
    top: Floats = np.ascontiguousarray(a.T).max(0)
    return top


def reach(m: Memory) -> Floats:
    """(n, CHARTS) how far each limit lies above the mean of its record: in standard deviations, but not much below what
    the chart reached while learning, for channels with heavy tails."""
    above: Floats = np.maximum(LIMITS * np.sqrt(m.variance), PEAK * (m.peak - m.mean))
    return above


def record(m: Memory, y: Floats, above: Floats, gain: Floats, learning: Flags) -> None:
    """Each chart's mean, variance and peak, with gain (n,); after learning nothing `above` its limit is believed."""
    off = np.minimum(y - m.mean, np.where(learning[:, None], np.inf, above))
    w = gain[:, None]
    m.peak = np.where(learning[:, None] & (w > 0), np.maximum(m.peak, y), m.peak)
    m.mean = m.mean + w * off
    m.variance = (1 - w) * (m.variance + w * off * off)


def track(m: Memory, x: Floats, learning: Flags, calm: Flags) -> None:
    """The centre: the plain mean while learning, then slowly with the channel while calm, at rest in an alarm."""
    gain = np.where(learning, 1.0 / (m.rows + 2.0), CENTRE_GAIN * calm)
    bound = np.where(learning[:, None], np.inf, CLIP * m.scale)
    m.centre = m.centre + gain[:, None] * np.clip(x - m.centre, -bound, bound)
