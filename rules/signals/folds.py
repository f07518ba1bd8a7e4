"""Windows that are folded: sums, extremes, spread, slope.

A window's value depends on its readings alone, never on where a batch began or on what other devices sent: windows are
put together of blocks of 1, 2, 4 … readings counted from their end (as in a binary number), all points at once. Sums
are kept in double-double (Knuth's two-sum), spread and slope as centred moments merged pairwise (Chan, Golub, LeVeque
1979), so that a constant signal has spread 0 and slope 0 exactly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rules.samples import Floats, Ints
from rules.segments import spans
from rules.signals.history import Window, chunks

Block: TypeAlias = tuple[Floats, ...]
"""One array per part of the value."""
Leaf: TypeAlias = Callable[[Ints], Block]
"""The blocks of the single readings at these places."""
Merge: TypeAlias = Callable[[Block, Block], Block]
"""Earlier block, later block."""


def fold(leaf: Leaf, window: Window, merge: Merge) -> Block:
    """Merge each window's readings; NaN where the window is empty.

    Windows that overlap a lot, as those of a long recording do, share the blocks that end at each reading; others are
    folded each by itself. The blocks are the same.
    """
    size = window.size
    with np.errstate(all="ignore"):
        if not len(size) or not size.any():
            return tuple(np.full(len(size), np.nan) for _ in leaf(np.empty(0, dtype=np.int64)))
        first, length, shifted = _covered(window)
        if int(size.sum()) > int(length.sum()) * int(size.max()).bit_length():
            return _together(leaf(spans(first, length)), shifted, merge)
        return _apart(leaf, window, merge)


def _covered(window: Window) -> tuple[Ints, Ints, Window]:
    """The stretches that windows cover, by begin and length, and the windows as they stand among these end to end."""
    order = np.argsort(window.start, kind="stable")
    start, reach = window.start[order], np.maximum.accumulate(window.end[order])
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = start[1:] > reach[:-1]
    heads = np.flatnonzero(begins)
    first = start[heads]
    length = reach[np.append(heads[1:], len(order)) - 1] - first
    back = np.empty_like(start)
    back[order] = np.repeat(first - (np.cumsum(length) - length), np.diff(np.append(heads, len(order))))
    return first, length, Window(window.start - back, window.end - back)


def _together(level: Block, window: Window, merge: Merge) -> Block:
    last, left = window.end - 1, window.size
    done = tuple(np.full(len(left), np.nan) for _ in level)
    most, width = int(left.max()), 1
    while True:
        busy = np.flatnonzero(left & width)
        _put_before(
            done, tuple(part[last[busy]] for part in level), busy, fresh=left[busy] & (width - 1) == 0, by=merge
        )
        last[busy] -= width
        if most < 2 * width:
            return done
        later = tuple(part[width:] for part in level)
        earlier = tuple(part[:-width] for part in level)
        grown = merge(earlier, later)
        level = tuple(np.concatenate([part[:width], more]) for part, more in zip(level, grown, strict=True))
        width *= 2


def _apart(leaf: Leaf, window: Window, merge: Merge) -> Block:
    done: Block = ()
    for part in chunks(window):
        size, start = window.size[part], window.start[part]
        most = int(size.max())
        # Reading by reading down the table, so that what is merged lies side by side.
        table = np.minimum(start + np.arange(most)[:, None], np.maximum(window.end[part] - 1, start))
        level = leaf(table) if most else leaf(np.empty(0, dtype=np.int64))
        done = done or tuple(np.full(len(window.size), np.nan) for _ in level)
        depth = 0
        while most >> depth:
            busy = np.flatnonzero(size & (1 << depth))
            block = tuple(rows[(size[busy] >> depth) - 1, busy] for rows in level)
            _put_before(done, block, part[busy], fresh=size[busy] & ((1 << depth) - 1) == 0, by=merge)
            pairs = most >> (depth + 1) << 1
            level = merge(tuple(rows[0:pairs:2] for rows in level), tuple(rows[1:pairs:2] for rows in level))
            depth += 1
    return done


def _put_before(done: Block, block: Block, at: Ints, *, fresh: Any, by: Merge) -> None:
    """Merge the blocks with what stands behind them; the `fresh` ones are the first of theirs."""
    if not len(at):
        return
    if fresh.all():
        merged = block
    else:
        both = by(block, tuple(part[at] for part in done))
        merged = tuple(np.where(fresh, one, two) for one, two in zip(block, both, strict=True)) if fresh.any() else both
    for target, part in zip(done, merged, strict=True):
        target[at] = part


def total(value: Floats, window: Window) -> Floats:
    """Sum, correctly rounded but for the rarest ties; 0 … NaN where the window is empty."""
    high, low = fold(_summand(value), window, _add)
    return high + low


def mean(value: Floats, window: Window) -> Floats:
    """Correctly rounded but for the rarest ties, so that the mean of a constant is that constant."""
    high, low = fold(_summand(value), window, _add)
    size = np.maximum(window.size, 1).astype(np.float64)
    with np.errstate(all="ignore"):
        first = high / size
        product, rest = _multiply(first, size)
        found: Floats = first + ((high - product) - rest + low) / size
    return np.where(np.isfinite(found), found, first)


def smallest(value: Floats, window: Window) -> Floats:
    return fold(lambda at: (value[at],), window, lambda a, b: (np.minimum(a[0], b[0]),))[0]


def largest(value: Floats, window: Window) -> Floats:
    return fold(lambda at: (value[at],), window, lambda a, b: (np.maximum(a[0], b[0]),))[0]


def stddev(value: Floats, window: Window) -> Floats:
    """With n - 1; NaN under two readings."""

    def leaf(at: Ints) -> Block:
        return np.ones(at.shape), value[at], np.zeros(at.shape)

    _, _, squares = fold(leaf, window, _merge_spread)
    size = window.size
    return np.where(size > 1, np.sqrt(squares / np.maximum(size - 1, 1)), np.nan)


class Line(NamedTuple):
    """The least-squares line of each window, through the means of its readings; NaN where the window is empty."""

    slope: Floats
    """Per millisecond; NaN under three readings."""
    last: Floats
    """Event time of the last reading."""
    behind: Floats
    """Mean event time, in ms after the last: not above 0."""
    level: Floats
    """Mean value."""


def line(ts: Ints, value: Floats, window: Window, *, counter: bool = False) -> Line:
    """Slope and means of each window.

    A `counter` goes on where it fell back to start again at 0: what it had reached is added from there on.
    """

    def leaf(at: Ints) -> Block:
        none, own = np.zeros(at.shape), value[at]
        parts = (np.ones(at.shape), ts[at].astype(np.float64), none, own, none, none)
        return (*parts, own, own, none) if counter else parts

    _, last, behind, level, squares, products, *_ = fold(leaf, window, _merge_counter if counter else _merge_line)
    with np.errstate(all="ignore"):
        found: Floats = np.where((window.size >= 3) & (squares > 0), products / squares, np.nan)
    return Line(found, last, behind, level)


def slope(ts: Ints, value: Floats, window: Window, *, counter: bool = False) -> Floats:
    """Least squares, per millisecond; NaN under three readings."""
    return line(ts, value, window, counter=counter).slope


def _summand(value: Floats) -> Leaf:
    return lambda at: (value[at], np.zeros(at.shape))


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
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Floats) -> tuple[Floats, Floats]:
    big = a * 134_217_729.0
    high = big - (big - a)
    return high, a - high


def _merge_spread(a: Block, b: Block) -> Block:
    """Size, mean, sum of squares about it."""
    size = a[0] + b[0]
    apart = b[1] - a[1]
    return size, a[1] + apart * b[0] / size, a[2] + b[2] + apart * apart * a[0] * b[0] / size


def _merge_line(a: Block, b: Block) -> Block:
    """Size, last time, mean time after that, mean, squares of time about its mean, products.

    Times count from the block's own last, so that rounding does not depend on what o'clock it is.
    """
    size = a[0] + b[0]
    earlier = a[2] + (a[1] - b[1])
    later, higher = b[2] - earlier, b[3] - a[3]
    share, weight = b[0] / size, a[0] * b[0] / size
    return (
        size,
        b[1],
        earlier + later * share,
        a[3] + higher * share,
        a[4] + b[4] + later * later * weight,
        a[5] + b[5] + later * higher * weight,
    )


def _merge_counter(a: Block, b: Block) -> Block:
    """A line, then first value, last value, and what resets have added up to the last."""
    lift = a[8] + np.where(b[6] < a[7], a[7], 0.0)
    raised = (*b[:3], b[3] + lift, *b[4:6])
    return (*_merge_line(a[:6], raised), a[6], b[7], lift + b[8])
