"""`baseline`: a reading against the device's own readings of the same hour of the week, in earlier weeks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from domain.clock import from_ms
from rules.devices import Devices
from rules.samples import Flags, Floats, Ints
from rules.segments import group_ends, group_starts
from rules.signals.ranks import LEAST_READINGS, middle_of, spread
from rules.slots import SlotInts

HOUR_MS, WEEK_MS = 3_600_000, 604_800_000
HOURS = 168
LEAST_WEEKS, MOST_WEEKS = 2, 13
PARTS = 6
"""Of each hour of each week, the first reading in each ten minutes is kept."""
MONDAY_MS = 4 * 86_400_000
"""1970-01-05, the first Monday of the epoch."""
ZONE = "timezone"
"""The device attribute with its IANA time zone; without a valid one hours are those of UTC."""
_STEP_MS = 900_000
"""Time zones change at whole quarters of an hour."""
_BITS: NDArray[np.uint8] = (1 << np.arange(PARTS)).astype(np.uint8)
_CELLS = 2_000_000


@dataclass(slots=True)
class Baseline:
    """Per device, hour of the week and week at most six readings: up to 168 × (weeks + 1) × 29 bytes per device.

    The score is (x - median) / max(1.4826 MAD, 1e-3 max(1, |median|)), as of `zscore`, of the kept readings of the
    same hour in the `weeks` weeks before this one; NaN under ten of them. The hour in progress is not among them: what
    goes wrong now does not become normal by lasting an hour.
    """

    weeks: int
    blocks: SlotInts = field(default_factory=lambda: SlotInts(empty=-1))
    """Number of the device's block."""
    used: int = 0
    kept: NDArray[np.float32] = field(init=False)
    """Hour of the week, block, week modulo weeks + 1, part of the hour: what is busy together lies together."""
    week: NDArray[np.int32] = field(init=False)
    """Which week the readings are of."""
    held: NDArray[np.uint8] = field(init=False)
    """Which parts hold a reading, a bit each. Nought at first, so that memory is taken up where there are readings."""

    def __post_init__(self) -> None:
        self._make(0)

    def take(self, slots: Ints, ts: Ints, values: Floats, devices: Devices) -> Floats:
        """The score of each reading. Shapes: slots (n,) grouped, ts (n,) in order within a device, values (n, 1)."""
        block = self._blocks(slots)
        local = ts + _offsets(slots, ts, devices) - MONDAY_MS
        week = (local // WEEK_MS).astype(np.int32)
        hour, part = local % WEEK_MS // HOUR_MS, local % HOUR_MS // (HOUR_MS // PARTS)
        found = np.full(len(ts), np.nan)
        for rows in _by_week(slots, week):
            found[rows] = self._scores(block[rows], hour[rows], week[rows], values[rows, 0])
            self._keep(block[rows], hour[rows], week[rows], part[rows], values[rows, 0])
        return found

    def forget(self, slot: int) -> None:
        """The device starts anew."""
        block = self.blocks.one(slot)
        if block >= 0:
            self.held[:, block] = 0

    def dump(self) -> Mapping[str, Any]:
        cells = np.flatnonzero(self.held)
        return {
            "weeks": self.weeks,
            "blocks": self.blocks.data.tobytes(),
            "used": self.used,
            "size": self.held.shape[1],
            "cells": cells.tobytes(),
            "held": self.held.reshape(-1)[cells].tobytes(),
            "week": self.week.reshape(-1)[cells].tobytes(),
            "kept": self.kept.reshape(-1, PARTS)[cells].tobytes(),
        }

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> "Baseline":
        made = cls(dump["weeks"], SlotInts(np.frombuffer(dump["blocks"], dtype=np.int64).copy(), empty=-1))
        made.used = dump["used"]
        made._make(dump["size"])
        cells = np.frombuffer(dump["cells"], dtype=np.int64)
        made.held.reshape(-1)[cells] = np.frombuffer(dump["held"], dtype=np.uint8)
        made.week.reshape(-1)[cells] = np.frombuffer(dump["week"], dtype=np.int32)
        made.kept.reshape(-1, PARTS)[cells] = np.frombuffer(dump["kept"], dtype=np.float32).reshape(-1, PARTS)
        return made

    def _make(self, size: int) -> None:
        shape = (HOURS, size, self.weeks + 1)
        self.kept = np.zeros((*shape, PARTS), dtype=np.float32)
        self.week, self.held = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.uint8)

    def _scores(self, block: Ints, hour: Ints, week: NDArray[np.int32], value: Floats) -> Floats:
        found = np.full(len(value), np.nan)
        step = max(1, _CELLS // ((self.weeks + 1) * PARTS))
        for start in range(0, len(value), step):
            rows = slice(start, start + step)
            where = hour[rows], block[rows]
            age = week[rows, None] - self.week[where].astype(np.int64)
            usable = np.where((age >= 1) & (age <= self.weeks), self.held[where], 0).astype(np.uint8)
            table = self.kept[where].astype(np.float64)
            table[(usable[:, :, None] & _BITS) == 0] = np.nan
            found[rows] = _zscore(table.reshape(len(table), -1), value[rows])
        return found

    def _keep(self, block: Ints, hour: Ints, week: NDArray[np.int32], part: Ints, value: Floats) -> None:
        place = week % (self.weeks + 1)
        where = hour, block, place
        stale = self.week[where] != week
        self.held[hour[stale], block[stale], place[stale]] = 0
        self.week[where] = week
        free = np.flatnonzero((self.held[where] & _BITS[part]) == 0)[::-1]  # of several the first stays
        self.kept[hour[free], block[free], place[free], part[free]] = value[free]
        np.bitwise_or.at(self.held, where, _BITS[part])

    def _blocks(self, slots: Ints) -> Ints:
        who = slots[group_starts(slots)]
        fresh = who[self.blocks.get(who) < 0]
        need = self.used + len(fresh)
        if need > self.held.shape[1]:
            old: list[NDArray[Any]] = [self.kept, self.week, self.held]
            self._make(max(need, 2 * self.held.shape[1]))
            for hour in np.flatnonzero(old[2].any(axis=(1, 2))).tolist():
                self.kept[hour, : self.used] = old[0][hour, : self.used]
                self.week[hour, : self.used] = old[1][hour, : self.used]
                self.held[hour, : self.used] = old[2][hour, : self.used]
        self.blocks.put(fresh, np.arange(self.used, need))
        self.used = need
        return self.blocks.get(slots)


def _zscore(table: Floats, value: Floats) -> Floats:
    """One row of readings per value, padded with NaN."""
    size = np.count_nonzero(~np.isnan(table), axis=1)
    enough = np.flatnonzero(size >= LEAST_READINGS)
    table, size = table[enough], size[enough]
    table[np.isnan(table)] = np.inf
    table.sort(axis=1)
    middle = middle_of(table, size)
    away = np.abs(table - middle[:, None])
    away.sort(axis=1)
    found = np.full(len(value), np.nan)
    found[enough] = (value[enough] - middle) / spread(middle, middle_of(away, size))
    return found


def _by_week(slots: Ints, week: NDArray[np.int32]) -> Iterator[Ints]:
    """Rows in portions that hold one week of a device each: within a week no reading is judged by another."""
    fresh: Flags = np.ones(len(slots), dtype=np.bool_)
    fresh[1:] = (slots[1:] != slots[:-1]) | (week[1:] != week[:-1])
    starts = group_starts(slots)
    run = np.cumsum(fresh)
    turn: Ints = run - np.repeat(run[starts], group_ends(starts, len(slots)) - starts)
    order = np.argsort(turn, kind="stable")
    begins = group_starts(turn[order])
    for begin, end in zip(begins, group_ends(begins, len(order)), strict=True):
        yield order[begin:end]


def _offsets(slots: Ints, ts: Ints, devices: Devices) -> Ints:
    """What the clock on the wall at each device is ahead of UTC, in ms."""
    starts = group_starts(slots)
    zones = [str(devices.attributes[slot].get(ZONE, "UTC")) for slot in slots[starts].tolist()]
    names, whose = np.unique(zones, return_inverse=True)
    zone = np.repeat(whose, group_ends(starts, len(slots)) - starts)
    found = np.zeros(len(ts), dtype=np.int64)
    for number, name in enumerate(names.tolist()):
        if name == "UTC":
            continue
        rows = np.flatnonzero(zone == number)
        steps, place = np.unique(ts[rows] // _STEP_MS, return_inverse=True)
        found[rows] = np.array([_offset(name, step) for step in steps.tolist()], dtype=np.int64)[place]
    return found


@lru_cache(maxsize=100_000)
def _offset(name: str, step: int) -> int:
    zone = _zone(name)
    if zone is None:
        return 0
    ahead = zone.utcoffset(from_ms(step * _STEP_MS).astimezone(zone))
    return 0 if ahead is None else round(ahead.total_seconds() * 1000)


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no name of a zone, or none at all
        return None
