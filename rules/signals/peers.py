"""`peers`: a device against a summary of the latest values of others like it, taken each minute.

Summaries cross partitions, so they reach every engine as log entries. What is here is pure: summaries made of values
and merged, and a value held against one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from domain.telemetry import PeerSummary
from rules.lanes import Carry
from rules.samples import NEVER, Floats, Ints
from rules.signals.ranks import spread

LEAST_PEERS = 8
EVERY_MS = 60_000
FRESH_MS = 86_400_000
"""A device whose latest value is older than a day is nobody's peer."""
POINTS = 101
"""So many values are told as they are; of more, so many quantiles."""


class Subject(NamedTuple):
    """What is summarised: a metric, of devices with the same product and the same values of attributes."""

    metric: str
    by: tuple[str, ...]

    @property
    def text(self) -> str:
        """The key of its summaries."""
        return msgspec.json.encode([self.metric, *self.by]).decode()


class Share(NamedTuple):
    """Latest values of one group, or of a part of it: `points` are all `n` of them, or evenly spaced quantiles."""

    n: int
    points: Floats


def share_of(values: Floats, *, points: int = POINTS) -> Share:
    """The values ascending, thinned to `points` quantiles if they are more."""
    ordered = np.sort(values)
    if len(ordered) > points:
        ordered = np.quantile(ordered, np.linspace(0, 1, points))
    return Share(len(values), ordered)


def merged(shares: Iterable[Share]) -> Share:
    """One share of several: exact where each tells all its values, else every point stands for as many as it does."""
    parts = [part for part in shares if part.n]
    if all(part.n == len(part.points) for part in parts):
        return share_of(np.concatenate([np.empty(0), *(part.points for part in parts)]))
    points = np.concatenate([part.points for part in parts])
    weights = np.concatenate([np.full(len(part.points), part.n / len(part.points)) for part in parts])
    order = np.argsort(points, kind="stable")
    reached = np.cumsum(weights[order]) - weights[order] / 2
    total = sum(part.n for part in parts)
    return Share(total, np.interp(np.linspace(0, 1, POINTS) * total, reached, points[order]))


def summaries(subject: str, groups: Mapping[str, Share], *, at: int) -> list[PeerSummary]:
    """The log entries of one minute: the first, of no group, ends the minute before; then groups of eight or more."""
    found = [PeerSummary(subject, "", at, 0, 0.0, 0.0, ())]
    for group, share in sorted(groups.items()):
        if share.n >= LEAST_PEERS:
            median = float(np.median(share.points))
            mad = float(np.median(np.abs(share.points - median)))
            found.append(PeerSummary(subject, group, at, share.n, median, mad, tuple(share.points.tolist())))
    return found


class _Without(NamedTuple):
    """A summary whose values are all known, without each of them in turn."""

    median: Floats
    mad: Floats


@dataclass(slots=True)
class Standing:
    """One group's summary in force."""

    summary: PeerSummary
    points: Floats
    _without: _Without | None = None

    @property
    def whole(self) -> bool:
        """Whether it tells every value."""
        return self.summary.n == len(self.points)

    def without(self) -> _Without:
        """Median and MAD of the others, per value."""
        if self._without is None:
            size = len(self.points)
            others = np.broadcast_to(self.points, (size, size))[~np.eye(size, dtype=np.bool_)].reshape(size, size - 1)
            median = np.median(others, axis=1)
            self._without = _Without(median, np.median(np.abs(others - median[:, None]), axis=1))
        return self._without


@dataclass(slots=True)
class Peers:
    """The summaries of one subject in force on one lane, and what each of its devices had in them."""

    at: int = NEVER
    groups: dict[str, Standing] = field(default_factory=dict)
    own_ts: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    own: Floats = field(default_factory=lambda: np.empty(0))
    """The latest value of each device when the summaries were taken in."""

    def take(self, summary: PeerSummary, carry: Carry | None) -> None:
        """One log entry; `carry` holds the lane's latest values of the metric."""
        if not summary.group:
            self.at = summary.at
            self.groups.clear()
            if carry is not None:
                size = min(len(carry.ts.data), len(carry.values.data))
                self.own_ts, self.own = carry.ts.data[:size].copy(), carry.values.data[:size].copy()
        elif summary.at == self.at:
            self.groups[summary.group] = Standing(summary, np.array(summary.quantiles))

    def part(self, slots: Ints) -> Floats:
        """What each device had in the summary; NaN where it had no part."""
        found = np.full(len(slots), np.nan)
        here = np.flatnonzero(slots < len(self.own))
        known = here[self.own_ts[slots[here]] >= self.at - FRESH_MS]
        found[known] = self.own[slots[known]]
        return found

    def forget(self, slot: int) -> None:
        """The device is gone."""
        if slot < len(self.own_ts):
            self.own_ts[slot] = NEVER

    def dump(self) -> Any:
        told = [standing.summary for standing in self.groups.values()]
        groups = [(one.signal, one.group, one.at, one.n, one.median, one.mad, one.quantiles) for one in told]
        return self.at, groups, self.own_ts.tobytes(), self.own.tobytes()

    @classmethod
    def load(cls, dump: Any) -> "Peers":
        at, told, own_ts, own = dump
        made = cls(at, {}, np.frombuffer(own_ts, dtype=np.int64).copy(), np.frombuffer(own).copy())
        for signal, group, when, n, median, mad, quantiles in told:
            made.take(PeerSummary(signal, group, when, n, median, mad, tuple(quantiles)), None)
        return made


def against(stat: str, standing: Standing, values: Floats, own: Floats) -> Floats:
    """Each value among its peers; NaN where there are fewer than eight, or no value. Shapes: values (n,), own (n,).

    zscore: (x - median) / max(1.4826 MAD, 1e-3 max(1, |median|)). percentile: of 100 peers, how many lie below, those
    that are equal counting half. `own` is what the device itself had in the summary: it is taken out again where the
    summary tells every value; one of more than 101 moves no quantile to speak of.
    """
    others = standing.summary.n - np.where(np.isnan(own), 0, 1)
    if stat == "percentile":
        found = _percentile(standing, values, own)
    else:
        median = np.full(len(values), standing.summary.median)
        mad = np.full(len(values), standing.summary.mad)
        inside = np.flatnonzero(~np.isnan(own))
        if standing.whole and len(inside):
            place = _nearest(standing.points, own[inside])
            without = standing.without()
            median[inside], mad[inside] = without.median[place], without.mad[place]
        found = (values - median) / spread(median, mad)
    return np.where(others >= LEAST_PEERS, found, np.nan)


def _percentile(standing: Standing, values: Floats, own: Floats) -> Floats:
    points = standing.points
    below = np.searchsorted(points, values).astype(np.float64)
    upto = np.searchsorted(points, values, side="right").astype(np.float64)
    if not standing.whole:
        grid = np.linspace(0, 100, len(points))
        between = np.interp(values, points, grid)
        return np.where(
            np.isnan(values), np.nan, np.where(upto > below, 50 * (below + upto - 1) / (len(points) - 1), between)
        )
    inside = ~np.isnan(own)
    mine = points[_nearest(points, np.where(inside, own, 0.0))]
    below -= inside & (mine < values)
    upto -= inside & (mine <= values)
    found: Floats = 50 * (below + upto) / (len(points) - inside)
    return np.where(np.isnan(values), np.nan, found)


def _nearest(points: Floats, values: Floats) -> Ints:
    after = np.clip(np.searchsorted(points, values), 1, max(len(points) - 1, 1))
    before = after - 1
    found: Ints = np.where(
        values - points[before] <= points[np.minimum(after, len(points) - 1)] - values, before, after
    )
    return found
