"""Windows that are ordered: median, and the distance from it in robust deviations.

Small windows are sorted side by side in tables, large ones by one sorted list that slides along: the same numbers.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np

from rules.samples import Flags, Floats, Ints
from rules.signals.history import Window, chunks

LEAST_READINGS = 10
"""A zscore needs that many in the window."""
LARGE = 128
"""Windows of more readings slide, where enough of them follow one another."""
RUN = 8
"""So many make sliding worth while."""


def median(value: Floats, window: Window) -> Floats:
    """NaN where the window is empty."""
    found = np.full(len(window.size), np.nan)
    sliding = _sliding(window)
    small = _only(window, ~sliding)
    for part in chunks(small):
        table, size = _table(value, small, part)
        found[part] = middle_of(np.sort(table, axis=1), size)
    for place, ordered in _slide(value, window, np.flatnonzero(sliding)):
        found[place] = _median_of(ordered)
    return found


def zscore(value: Floats, window: Window, now: Floats) -> Floats:
    """(now - median) / max(1.4826 MAD, 1e-3 max(1, |median|)); NaN under ten readings."""
    found = np.full(len(window.size), np.nan)
    enough = (window.size >= LEAST_READINGS) & ~np.isnan(now)
    sliding = _sliding(window) & enough
    small = _only(window, enough & ~sliding)
    for part in chunks(small):
        table, size = _table(value, small, part)
        table.sort(axis=1)
        middle = middle_of(table, size)
        away = np.abs(table - np.where(size > 0, middle, 0.0)[:, None])
        away.sort(axis=1)
        found[part] = (now[part] - middle) / spread(middle, middle_of(away, size))
    for place, ordered in _slide(value, window, np.flatnonzero(sliding)):
        centre = _median_of(ordered)
        found[place] = (now[place] - centre) / spread(centre, _median_distance(ordered, centre))
    return found


def spread(middle: Floats | float, deviation: Floats | float) -> Floats:
    """The robust standard deviation; never so small that rounding of a constant looks like a change."""
    found: Floats = np.maximum(1.4826 * deviation, 1e-3 * np.maximum(1.0, np.abs(middle)))
    return found


def _sliding(window: Window) -> Flags:
    """Large windows that stand in a row of at least `RUN` of which each overlaps the one before."""
    large = window.size > LARGE
    follows = np.zeros(len(large), dtype=np.bool_)
    follows[1:] = large[1:] & large[:-1] & (window.start[1:] >= window.start[:-1])
    follows[1:] &= (window.start[1:] < window.end[:-1]) & (window.end[1:] >= window.end[:-1])
    heads = np.flatnonzero(~follows)
    length = np.diff(np.append(heads, len(large)))
    found: Flags = large & np.repeat(length >= RUN, length)
    return found


def _only(window: Window, wanted: Flags) -> Window:
    """The others as empty windows, so that places stay what they are."""
    return Window(window.start, np.where(wanted, window.end, window.start))


def _table(value: Floats, window: Window, part: Ints) -> tuple[Floats, Ints]:
    """One window a row, padded with infinity."""
    start, size = window.start[part], window.size[part]
    across = np.arange(int(size.max(initial=1)))
    place = np.minimum(start[:, None] + across, max(len(value) - 1, 0))
    table = value[place] if len(value) else np.zeros((len(part), len(across)))
    table[across >= size[:, None]] = np.inf
    return table, size


def middle_of(ordered: Floats, size: Ints) -> Floats:
    """The median of each row: the first `size` of its values, which are ascending; NaN where there are none."""
    rows = np.arange(len(ordered))
    low = ordered[rows, np.maximum((size - 1) // 2, 0)]
    high = ordered[rows, np.minimum(size // 2, ordered.shape[1] - 1)]
    with np.errstate(invalid="ignore"):
        middle: Floats = np.where(size > 0, np.where(size % 2 == 1, low, (low + high) / 2), np.nan)
    return middle


def _slide(value: Floats, window: Window, places: Ints) -> Iterator[tuple[int, list[float]]]:
    """The readings of each window, ordered; the list is the same one throughout."""
    if not len(places):
        return
    # Only what the windows cover: the values of all devices stand in one array.
    lowest = int(window.start[places].min())
    values, ordered = value[lowest : int(window.end[places].max())].tolist(), list[float]()
    begin = end = 0
    starts, ends = (window.start[places] - lowest).tolist(), (window.end[places] - lowest).tolist()
    for place, start, stop in zip(places.tolist(), starts, ends, strict=True):
        if start < begin or stop < end or start >= end:
            ordered[:] = sorted(values[start:stop])
        else:
            for leaving in values[begin:start]:
                del ordered[bisect_left(ordered, leaving)]
            for entering in values[end:stop]:
                insort(ordered, entering)
        begin, end = start, stop
        yield place, ordered


def _median_of(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _median_distance(ordered: list[float], centre: float) -> float:
    """The median of |x - centre| over an ordered list."""
    half = len(ordered) // 2
    high = _nearest(ordered, centre, half)
    return high if len(ordered) % 2 else (_nearest(ordered, centre, half - 1) + high) / 2


def _nearest(ordered: list[float], centre: float, rank: int) -> float:
    """The distance that `rank` others do not exceed: of the values below and above the centre, both rising outwards."""
    split, size = bisect_left(ordered, centre), len(ordered)
    low, high = max(0, rank + 1 - (size - split)), min(split, rank + 1)
    while low < high:  # of the `rank + 1` nearest, how many lie below the centre
        below = (low + high) // 2
        above = rank - below
        if above < size - split and centre - ordered[split - below - 1] < ordered[split + above] - centre:
            low = below + 1
        else:
            high = below
    above = rank + 1 - low
    left = centre - ordered[split - low] if low else -1.0
    right = ordered[split + above - 1] - centre if above else -1.0
    return max(left, right)
