"""Rows cut so that a step of arithmetic holds each device once: for what is learned reading by reading."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rules.samples import Ints
from rules.segments import group_ends, group_starts

FEW = 16
"""With fewer devices left than this, going along each is quicker than going across all."""


class Rounds(NamedTuple):
    """Rows ordered by device, and in order within a device."""

    across: Iterator[Ints]
    """Rounds: the first row of each device, the second … as long as there are many; devices in their order."""
    along: list[slice]
    """What is left then: one stretch of rows per device."""


def rounds(slots: Ints) -> Rounds:
    """Cut rows; the work is proportional to their number, whether few devices have many or many have few."""
    starts = group_starts(slots)
    sizes = group_ends(starts, len(slots)) - starts
    order = np.argsort(-sizes, kind="stable")
    starts, sizes = starts[order], sizes[order]
    turns = int(sizes[FEW - 1]) if len(sizes) >= FEW else 0
    left = starts + turns
    along = [
        slice(int(begin), int(start + size))
        for begin, start, size in zip(left, starts, sizes, strict=True)
        if size > turns
    ]
    return Rounds(_across(starts, sizes, turns), along)


def _across(starts: Ints, sizes: Ints, turns: int) -> Iterator[Ints]:
    many, heads = -1, starts
    for turn in range(turns):
        if (now := int(np.searchsorted(-sizes, -turn, side="left"))) != many:
            many, heads = now, np.sort(starts[:now])
        yield heads + turn
