"""The exponentially weighted mean: s <- s + (1 - 2^(-dt / half_life)) (x - s), from the first value."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.board import Board, Points
from rules.model import Kind
from rules.samples import NEVER, Floats, Ints
from rules.segments import spans
from rules.signals.history import Readings
from rules.slots import SlotInts, SlotValues

FEW = 24
"""So few devices are followed one by one, not side by side."""


class Course(NamedTuple):
    """The average over one board."""

    seeds: Floats
    """Per device, before the board; NaN if there was no reading yet."""
    after: Floats
    """After each new reading, device by device."""
    first: Ints
    """Per device: where its new readings stand in `after`."""

    def at(self, points: Points, end: Ints, readings: Readings) -> Floats:
        """At points that have seen the readings up to `end`."""
        seeds = self.seeds[points.group]
        if not len(self.after):
            return seeds
        new = end - readings.fresh[points.group]
        found: Floats = np.where(new > 0, self.after[np.maximum(self.first[points.group] + new - 1, 0)], seeds)
        return found


@dataclass(slots=True)
class Averages:
    """Per device: the average, and the event time of the reading that made it. 16 bytes a device."""

    moment: SlotInts = field(default_factory=SlotInts)
    average: SlotValues = field(default_factory=lambda: SlotValues(Kind.NUMBER))

    def follow(self, board: Board, readings: Readings, half_life: int) -> Course:
        """Take in the board's readings."""
        moments, averages = self.moment.get(board.slots), self.average.get(board.slots)
        seeds = np.where(moments > NEVER, averages, np.nan)
        busy = np.flatnonzero(readings.new)
        size = readings.new[busy]
        place = spans(readings.fresh[busy], size)
        ts, value = readings.ts[place], readings.value[place]
        first = np.cumsum(readings.new) - readings.new
        start = first[busy]
        known = moments[busy] > NEVER
        before = np.empty_like(ts)
        before[1:] = ts[:-1]
        before[start] = np.where(known, moments[busy], ts[start])
        after = _average(value, _weights(ts - before, half_life), np.where(known, averages[busy], value[start]), start)
        last = start + size - 1
        self.moment.put(board.slots[busy], ts[last])
        self.average.put(board.slots[busy], after[last])
        return Course(seeds, after, first)

    def forget(self, slot: int) -> None:
        self.moment.put_one(slot, NEVER)


def _weights(apart: Ints, half_life: int) -> Floats:
    """Of each new value. Python's own power: NumPy's may differ in the last bit with the place in an array."""
    unique, which = np.unique(apart, return_inverse=True)
    weights = np.array([1 - 2.0 ** (-one / half_life) for one in unique.tolist()], dtype=np.float64)
    return weights[which]


def _average(value: Floats, weight: Floats, seeds: Floats, start: Ints) -> Floats:
    """Each device's values in turn: the first of all devices, the second of all …, and long tails one by one."""
    after = np.empty_like(value)
    size = np.diff(np.append(start, len(value)))
    order = np.argsort(-size, kind="stable")
    at, average, size = start[order], seeds[order], size[order]
    step = 0
    while (active := int(np.searchsorted(-size, -step))) > FEW:
        here = at[:active] + step
        average = average[:active]
        average = average + weight[here] * (value[here] - average)
        after[here] = average
        step += 1
    for device in range(active):
        first, end = int(at[device]) + step, int(at[device] + size[device])
        now, course = float(average[device]), []
        for one, share in zip(value[first:end].tolist(), weight[first:end].tolist(), strict=True):
            now += share * (one - now)
            course.append(now)
        after[first:end] = course
    return after
