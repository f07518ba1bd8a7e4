"""Windows that are ordered: median, and the distance from it in robust deviations."""

import numpy as np

from rules.samples import Floats
from rules.signals.history import Window, chunks

LEAST_READINGS = 10
"""A zscore needs that many in the window."""


def median(value: Floats, window: Window) -> Floats:
    """NaN where the window is empty."""
    found = np.full(len(window.size), np.nan)
    for part in chunks(window):
        table, size = _table(value, window, part)
        found[part] = _middle(np.sort(table, axis=1), size)
    return found


def zscore(value: Floats, window: Window, now: Floats) -> Floats:
    """(now - median) / max(1.4826 MAD, 1e-3 max(1, |median|)); NaN under ten readings."""
    found = np.full(len(window.size), np.nan)
    enough = np.flatnonzero((window.size >= LEAST_READINGS) & ~np.isnan(now))
    some = Window(window.start[enough], window.end[enough])
    for part in chunks(some):
        table, size = _table(value, some, part)
        table.sort(axis=1)
        middle = _middle(table, size)
        away = np.abs(table - middle[:, None])
        away.sort(axis=1)
        spread = np.maximum(1.4826 * _middle(away, size), 1e-3 * np.maximum(1.0, np.abs(middle)))
        found[enough[part]] = (now[enough[part]] - middle) / spread
    return found


def _table(value: Floats, window: Window, part: np.ndarray) -> tuple[Floats, np.ndarray]:
    """One window a row, padded with infinity."""
    start, size = window.start[part], window.size[part]
    across = np.arange(int(size.max(initial=1)))
    table = (
        value[np.minimum(start[:, None] + across, max(len(value) - 1, 0))] if len(value) else np.zeros((len(part), 1))
    )
    table[across >= size[:, None]] = np.inf
    return table, size


def _middle(ordered: Floats, size: np.ndarray) -> Floats:
    rows = np.arange(len(ordered))
    low = ordered[rows, np.maximum((size - 1) // 2, 0)]
    high = ordered[rows, np.minimum(size // 2, ordered.shape[1] - 1)]
    middle: Floats = np.where(size > 0, np.where(size % 2 == 1, low, (low + high) / 2), np.nan)
    return middle
