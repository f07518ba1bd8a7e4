"""Signals beyond windows: what is learned of a device, where it stands among its peers, how far it has strayed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.telemetry import PeerSummary
from rules.board import Board, Points
from rules.devices import Devices
from rules.lanes import Lane
from rules.model import Kind, Signal
from rules.samples import Channel, Floats
from rules.signals import peers, trails
from rules.signals.distance import haversine

OPS = trails.OPS | {"peers", "distance"}
SITE = ("site.lat", "site.lon")
"""The device attributes that say where it belongs."""


def subject_of(signal: Signal) -> peers.Subject:
    return peers.Subject(signal.metrics[0], signal.options["by"])


@dataclass(slots=True)
class Beyond:
    """What these signals remember on one lane."""

    learned: trails.Trails = field(default_factory=trails.Trails)
    standing: dict[str, peers.Peers] = field(default_factory=dict)
    """By the subject's text."""
    subjects: dict[str, peers.Subject] = field(default_factory=dict)

    def reach(self, signal: Signal, kinds: Mapping[str, Kind], join_within: int) -> None:
        """Remember what the signal will want to know."""
        if signal.op in trails.OPS:
            self.learned.reach(trails.key_of(signal, kinds, join_within))
        elif signal.op == "peers":
            subject = subject_of(signal)
            self.subjects[subject.text] = subject
            self.standing.setdefault(subject.text, peers.Peers())

    def adopt(self, other: "Beyond", *, asked: "Beyond") -> None:
        """Take over what `other` remembers, but for what is `asked` of this one already."""
        for key, trail in other.learned.by_key.items():
            if key not in asked.learned.by_key:
                self.learned.by_key[key] = trail
        for text, standing in other.standing.items():
            if text not in asked.standing:
                self.subjects[text], self.standing[text] = other.subjects[text], standing

    def forget(self, slot: int) -> None:
        """The device is gone."""
        self.learned.forget(slot)
        for one in self.standing.values():
            one.forget(slot)

    def summarised(self, summary: PeerSummary, lane: Lane) -> None:
        """A summary from the log."""
        if summary.signal in self.standing:
            channel = Channel(self.subjects[summary.signal].metric, Kind.NUMBER)
            self.standing[summary.signal].take(summary, lane.carries.get(channel))

    def dump(self) -> Any:
        return self.learned.dump(), [(self.subjects[text], one.dump()) for text, one in self.standing.items()]

    @classmethod
    def load(cls, dump: Any) -> "Beyond":
        learned, told = dump
        made = cls(trails.Trails.load(learned))
        for (metric, by), one in told:
            subject = peers.Subject(metric, tuple(by))
            made.subjects[subject.text], made.standing[subject.text] = subject, peers.Peers.load(one)
        return made


@dataclass(slots=True)
class View:
    """One board, as these signals see it."""

    board: Board
    devices: Devices
    memory: Beyond
    _courses: dict[trails.Key, trails.Course] = field(default_factory=dict)

    def signal(self, signal: Signal, points: Points, *, join_within: int, kinds: Mapping[str, Kind]) -> Floats:
        """The signal at each point; NaN for NULL."""
        if signal.op in trails.OPS:
            course = self._course(trails.key_of(signal, kinds, join_within))
            return trails.value(signal, course, self.board, points, join_within=join_within)
        columns = [
            self.board.values(Channel(metric, kinds[metric]), points, join_within=join_within).to_numpy()
            for metric in signal.metrics
        ]
        return (
            self._distance(signal, points, *columns)
            if signal.op == "distance"
            else self._peers(signal, points, *columns)
        )

    def settle(self) -> None:
        """Every trail takes in the board, also where no rule asked for its signal."""
        for key in self.memory.learned.by_key:
            self._course(key)

    def _course(self, key: trails.Key) -> trails.Course:
        if key not in self._courses:
            self._courses[key] = trails.follow(key, self.memory.learned.by_key[key], self.board, self.devices)
        return self._courses[key]

    def _distance(self, signal: Signal, points: Points, lat: Floats, lon: Floats) -> Floats:
        to = signal.options["to"]
        if to is not None:
            there = np.full(len(points), to[0]), np.full(len(points), to[1])
        else:
            ends = (self.devices.attribute(name, Kind.NUMBER, self.board.slots).to_numpy() for name in SITE)
            there = tuple(end[points.group] for end in ends)  # type: ignore[assignment]
        return haversine(lat, lon, *there)

    def _peers(self, signal: Signal, points: Points, values: Floats) -> Floats:
        found = np.full(len(points), np.nan)
        standings = self.memory.standing[subject_of(signal).text]
        if not standings.groups:
            return found
        numbers = {name: number for number, name in enumerate(standings.groups)}
        names = (self.devices.group(slot, signal.options["by"]) for slot in self.board.slots.tolist())
        group = np.array([numbers.get(name, -1) for name in names], dtype=np.int64)
        own = standings.part(self.board.slots)
        for number, standing in enumerate(standings.groups.values()):
            rows = np.flatnonzero(group[points.group] == number)
            if len(rows):
                found[rows] = peers.against(signal.options["stat"], standing, values[rows], own[points.group[rows]])
        return found
