"""Arrays that hold one stretch per device, end to end: what the engine does to all devices at once."""

import numpy as np

from rules.samples import Ints


def group_starts(slot: Ints) -> Ints:
    """Where each device's rows begin, in rows ordered by device."""
    if not len(slot):
        return np.empty(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(slot[1:] != slot[:-1]) + 1])


def group_ends(starts: Ints, total: int) -> Ints:
    """Where each device's rows end (exclusive)."""
    return np.append(starts[1:], total) if len(starts) else starts


def spans(first: Ints, size: Ints) -> Ints:
    """The whole numbers `first` … `first + size` (exclusive) of each stretch, end to end."""
    total = int(size.sum())
    if total == len(size) and (size == 1).all():
        return first
    ends = np.cumsum(size)
    found: Ints = np.arange(total) + np.repeat(first - (ends - size), size)
    return found


def running_maximum(values: Ints, starts: Ints, heads: Ints) -> Ints:
    """Per group the largest so far, `heads` counting as a value before the first."""
    tops = values.copy()
    tops[starts] = np.maximum(tops[starts], heads)
    inner = np.ones(len(values), dtype=np.bool_)
    inner[starts] = False
    falls = np.flatnonzero((tops[1:] < tops[:-1]) & inner[1:]) + 1
    if not len(falls):
        return tops
    groups = np.unique(np.searchsorted(starts, falls, side="right") - 1)
    ends = group_ends(starts, len(values))
    size = ends[groups] - starts[groups]
    places = spans(starts[groups], size)
    offset = spans(np.zeros_like(size), size)
    part, width = tops[places], 1
    while width < int(size.max()):
        # After each round a place knows the largest of twice as many before it.
        raised = np.flatnonzero(offset >= width)
        part[raised] = np.maximum(part[raised], part[raised - width])
        width *= 2
    tops[places] = part
    return tops


def bound(ts: Ints, start: Ints, end: Ints, moment: Ints) -> Ints:
    """For each point the first of `start` … `end` that is not before `moment`, else `end`: bisection, all at once."""
    low, high = start.copy(), end.copy()
    if not len(ts):
        return low
    while len(low):
        open_ = low < high
        left = int(np.count_nonzero(open_))
        if not left:
            break
        if 4 * left < len(low):
            few = np.flatnonzero(open_)
            low[few] = bound(ts, low[few], high[few], moment[few])
            break
        middle = (low + high) >> 1
        right = open_ & (ts[np.minimum(middle, len(ts) - 1)] < moment)
        high = np.where(right | ~open_, high, middle)
        low = np.where(right, middle + 1, low)
    return low
