"""What a device does at this hour of the day and of the week: what a single-metric detector starts from.

Three expectations, all as deviations from the slow mean, learned in hours of UTC:

* recent: follows the residual within the hour and remembers it until the same hour of the next day;
* daily: the mean of each visit to this hour of the day, smoothed over the days;
* weekly: the same by hour of the week, the daily one until the hour has been seen once.

Daily and weekly run linearly between the middles of neighbouring hours. A value is only as surprising as the
expectation that it surprises least.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rules.detectors.table import SlotTable
from rules.samples import Floats, Ints

HOUR_MS = 3_600_000
DAY, WEEK = 24, 168
RECENT_RATE = 0.36
"""Share of the residual that `recent` takes over per hour of elapsed time, at small steps."""
DAILY_GAIN = WEEKLY_GAIN = 0.25

_RECENT, _DAILY, _SPREAD, _WEEKLY = 0, DAY, 2 * DAY, 3 * DAY
_FRESH = np.r_[np.zeros(DAY), np.full(2 * DAY + WEEK, np.nan)]
_AROUND = np.array([[1], [0], [2]])
_DAY_ROWS = _DAILY + np.arange(-1, DAY + 1) % DAY
_WEEK_ROWS = _WEEKLY + np.arange(-1, WEEK + 1) % WEEK
"""Rows of the hours from the one before the first to the one after the last."""

(
    HOUR,
    SEEN,
    RECENT,
    SPREAD,
    DAILY,
    DAILY_BEFORE,
    DAILY_AFTER,
    WEEKLY,
    WEEKLY_BEFORE,
    WEEKLY_AFTER,
    SUM,
    COUNT,
    PEAK,
) = range(13)
"""Rows of the present hour: which it is, event time of the last sample, the expectations (middle of the hour, and the
steps to its neighbours), the usual largest residual, and what this visit has gathered so far."""
ROWS = 13
FRESH = np.r_[np.nan, np.zeros(ROWS - 1)]


class Season:
    """The hours of all slots. What changes with each sample lives in the caller's rows; here only at full hours."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours = SlotTable(_FRESH)

    def cover(self, size: int) -> None:
        self._hours.cover(size)

    def forget(self, slot: int) -> None:
        self._hours.forget(slot)

    def dump(self) -> dict[str, Any]:
        return self._hours.dump()

    def load(self, dump: Mapping[str, Any]) -> None:
        self._hours.load(dump)

    def turn(self, slots: Ints, ts: Ints, now: Floats) -> Floats:
        """Let those whose hour has changed close it and open the next; -> the place in the hour, -0.5 to 0.5."""
        hour = ts // HOUR_MS
        moved = np.flatnonzero(now[HOUR] != hour)
        if len(moved) == len(ts):
            self._close(slots, now)
            self._open(slots, hour, now)
        elif len(moved):
            visit = now[:, moved]
            self._close(slots[moved], visit)
            self._open(slots[moved], hour[moved], visit)
            now[:, moved] = visit
        place: Floats = (ts - hour * HOUR_MS) / HOUR_MS - 0.5
        return place

    def _close(self, slots: Ints, visit: Floats) -> None:
        been = np.flatnonzero(visit[COUNT] > 0)
        if len(been) < len(slots):
            slots, visit = slots[been], visit[:, been]
        hour = visit[HOUR].astype(np.int64)
        mean, day = visit[SUM] / visit[COUNT], hour % DAY
        hours, capacity = self._hours.columns.reshape(-1), self._hours.columns.shape[1]
        hours[(_RECENT + day) * capacity + slots] = visit[RECENT]
        for row, new, gain in (
            (_DAILY + day, mean, DAILY_GAIN),
            (_SPREAD + day, visit[PEAK], DAILY_GAIN),
            (_WEEKLY + hour % WEEK, mean, WEEKLY_GAIN),
        ):
            cell = row * capacity + slots
            old = hours.take(cell)
            hours[cell] = np.where(np.isnan(old), new, old + gain * (new - old))

    def _open(self, slots: Ints, hour: Ints, visit: Floats) -> None:
        days, weeks = hour % DAY + _AROUND, hour % WEEK + _AROUND
        rows = np.concatenate([_DAY_ROWS[days], _WEEK_ROWS[weeks], _SPREAD - 1 + days[:1], _RECENT - 1 + days[:1]])
        known = self._hours.columns.reshape(-1).take(rows * self._hours.columns.shape[1] + slots)
        known[[1, 2, 4, 5]] -= known[[0, 0, 3, 3]]
        untold = np.isnan(known[3])
        daily, weekly = np.nan_to_num(known[:3]), np.nan_to_num(known[3:6])
        visit[HOUR] = hour
        visit[DAILY : DAILY_AFTER + 1] = daily
        visit[WEEKLY : WEEKLY_AFTER + 1] = np.where(untold, daily, weekly)
        visit[SPREAD], visit[RECENT] = np.nan_to_num(known[6]), known[7]
        visit[SUM : PEAK + 1] = 0.0


def clip(values: Floats, bound: Floats) -> Floats:
    """Values held to -bound ... bound, place by place."""
    held: Floats = np.maximum(np.minimum(values, bound), -bound)
    return held


def surprise(deviation: Floats, place: Floats, now: Floats) -> tuple[Floats, Floats, Floats]:
    """-> what no expectation explains (shape (n,)), the deviation from `recent`, and the daily expectation."""
    after = np.maximum(place, 0.0)
    before = after - place
    daily = now[DAILY] + after * now[DAILY_AFTER] + before * now[DAILY_BEFORE]
    weekly = now[WEEKLY] + after * now[WEEKLY_AFTER] + before * now[WEEKLY_BEFORE]
    recent = deviation - now[RECENT]
    least = recent.copy()
    for expected in (daily, weekly):
        other = deviation - expected
        np.copyto(least, other, where=np.abs(other) < np.abs(least))
    return least, recent, daily


def learn(
    now: Floats, ts: Ints, deviation: Floats, *, recent: Floats, daily: Floats, bound: Floats, peak: Floats
) -> None:
    """Take a sample in: no residual counts for more than `bound`, nor for more than `peak` in the usual largest one."""
    step = RECENT_RATE / HOUR_MS * np.minimum(np.maximum(ts - now[SEEN], 0), HOUR_MS)
    now[RECENT] += step / (1 + step) * clip(recent, bound)
    now[SUM] += daily + clip(deviation - daily, bound)
    now[COUNT] += 1
    np.maximum(now[PEAK], peak, out=now[PEAK])
    now[SEEN] = ts
