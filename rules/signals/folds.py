"""Windows that are folded: sums, extremes, spread, slope.

A window's value depends on its readings alone, never on where a batch began or on what other devices sent: windows are
put together of blocks of 1, 2, 4 … readings counted from their end (as in a binary number), all points at once. Sums
are kept in double-double (Knuth's two-sum), spread and slope as centred moments merged pairwise (Chan, Golub, LeVeque
1979), so that a constant signal has spread 0 and slope 0 exactly.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from rules.samples import Floats, Ints
from rules.signals.history import Readings, Window

Block: TypeAlias = tuple[Floats, ...]
"""One array per part of the value; a position stands for the block that ends there."""
Merge: TypeAlias = Callable[[Block, Block], Block]
"""Earlier block, later block."""


def fold(leaves: Block, window: Window, merge: Merge) -> Block:
    """Merge each window's leaves; NaN where the window is empty."""
    last, left = window.end - 1, window.size
    done = tuple(np.full(len(left), np.nan) for _ in leaves)
    empty = np.ones(len(left), dtype=np.bool_)
    level, width = leaves, 1
    while True:
        busy = np.flatnonzero(left & width)
        if len(busy):
            block = tuple(part[last[busy]] for part in level)
            merged = merge(block, tuple(part[busy] for part in done))
            fresh = empty[busy]
            for target, one, both in zip(done, block, merged, strict=True):
                target[busy] = np.where(fresh, one, both)
            empty[busy] = False
            last[busy] -= width
        if not len(left) or int(left.max()) < 2 * width:
            return done
        later = tuple(part[width:] for part in level)
        earlier = tuple(part[:-width] for part in level)
        grown = merge(earlier, later)
        level = tuple(np.concatenate([part[:width], more]) for part, more in zip(level, grown, strict=True))
        width *= 2


def total(value: Floats, window: Window) -> Floats:
    """Sum, correctly rounded but for the rarest ties; 0 … NaN where the window is empty."""
    high, low = fold((value, np.zeros_like(value)), window, _add)
    return high + low


def mean(value: Floats, window: Window) -> Floats:
    """Correctly rounded but for the rarest ties, so that the mean of a constant is that constant."""
    high, low = fold((value, np.zeros_like(value)), window, _add)
    size = np.maximum(window.size, 1).astype(np.float64)
    first = high / size
    product, rest = _multiply(first, size)
    found: Floats = first + ((high - product) - rest + low) / size
    return np.where(np.isfinite(found), found, first)


def smallest(value: Floats, window: Window) -> Floats:
    return fold((value,), window, lambda a, b: (np.minimum(a[0], b[0]),))[0]


def largest(value: Floats, window: Window) -> Floats:
    return fold((value,), window, lambda a, b: (np.maximum(a[0], b[0]),))[0]


def stddev(value: Floats, window: Window) -> Floats:
    """With n - 1; NaN under two readings."""
    _, _, squares = fold((np.ones_like(value), value, np.zeros_like(value)), window, _merge_spread)
    size = window.size
    return np.where(size > 1, np.sqrt(squares / np.maximum(size - 1, 1)), np.nan)


class Line(NamedTuple):
    """The least-squares line of each window, through the means of its readings; NaN under three readings."""

    slope: Floats
    """Per millisecond."""
    time: Floats
    """Mean event time, in ms after `origin`."""
    level: Floats
    """Mean value."""
    origin: int


def line(ts: Ints, value: Floats, window: Window) -> Line:
    """Slope and means of each window."""
    if not len(ts):
        none = np.full(len(window.size), np.nan)
        return Line(none, none, none, 0)
    origin = int(ts.min())
    time = (ts - origin).astype(np.float64)
    none = np.zeros_like(value)
    parts = fold((np.ones_like(value), time, value, none, none), window, _merge_line)
    with np.errstate(all="ignore"):
        found: Floats = np.where((window.size >= 3) & (parts[3] > 0), parts[4] / parts[3], np.nan)
    return Line(found, parts[1], parts[2], origin)


def slope(ts: Ints, value: Floats, window: Window) -> Floats:
    """Least squares, per millisecond; NaN under three readings."""
    return line(ts, value, window).slope


def _add(a: Block, b: Block) -> Block:
    """Knuth's two-sum."""
    high = a[0] + b[0]
    part = high - a[0]
    rest = (a[0] - (high - part)) + (b[0] - part)
    return high, a[1] + b[1] + rest


def _multiply(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The product and what rounding took from it (Dekker 1971, with Veltkamp's splitting)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    with np.errstate(all="ignore"):
        return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Floats) -> tuple[Floats, Floats]:
    with np.errstate(all="ignore"):
        big = a * 134_217_729.0
        high = big - (big - a)
        return high, a - high


def _merge_spread(a: Block, b: Block) -> Block:
    size = a[0] + b[0]
    apart = b[1] - a[1]
    return size, a[1] + apart * b[0] / size, a[2] + b[2] + apart * apart * a[0] * b[0] / size


def _merge_line(a: Block, b: Block) -> Block:
    size = a[0] + b[0]
    later, higher = b[1] - a[1], b[2] - a[2]
    weight = a[0] * b[0]
    return (
        size,
        a[1] + later * b[0] / size,
        a[2] + higher * b[0] / size,
        a[3] + b[3] + later * later * weight / size,
        a[4] + b[4] + later * higher * weight / size,
    )


def without_resets(readings: Readings) -> Floats:
    """A counter that goes on where it fell back to start again: what it had reached is added from there on."""
    ts, value = readings.ts, readings.value
    if not len(ts):
        return value
    fall = np.zeros_like(value)
    fall[1:] = np.where(value[1:] < value[:-1], value[:-1], 0.0)
    fall[readings.first[readings.first < len(ts)]] = 0.0
    found: Floats = value + np.cumsum(fall)
    return found
