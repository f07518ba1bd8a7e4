"""Everything the engine knows between two batches."""

from dataclasses import dataclass, field

from rules.detector import Detector
from rules.devices import Devices
from rules.lanes import Lane
from rules.model import Kind, Rule
from rules.readout import Past
from rules.samples import Rows
from rules.signals.silence import Coverage
from rules.slots import SlotInts


@dataclass(slots=True)
class Track:
    """One lane, the rules on it, and what their signals remember."""

    lane: Lane
    past: Past = field(default_factory=Past)
    detectors: dict[str, Detector] = field(default_factory=dict)
    """By rule name."""

    @property
    def ticks(self) -> bool:
        """Whether any rule here wants ticks."""
        return any(detector.program.ticks for detector in self.detectors.values())

    def wanted(self, rows: Rows) -> Rows:
        """Without the readings that no rule here asks for."""
        if any(detector.program.hears_all for detector in self.detectors.values()):
            return rows
        named = frozenset().union(*(detector.channels for detector in self.detectors.values()))
        return rows.only(channel for channel in rows.values if channel in named)


@dataclass(slots=True)
class State:
    """Everything the engine knows. `observe` changes the state it is given."""

    devices: Devices = field(default_factory=Devices)
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Of each metric, as first seen."""
    tracks: dict[int, Track] = field(default_factory=dict)
    """By lateness, in ms."""
    coverage: Coverage = field(default_factory=Coverage)
    ticked: SlotInts = field(default_factory=SlotInts)
    """The last tick that each device has behind it."""
    past_episodes: dict[str, dict[int, int]] = field(default_factory=dict)
    """Of rules that are not in force: the number of each device's last episode, so that none is given out twice."""
    refused: dict[str, str] = field(default_factory=dict)
    """Rules that could not be put in force, and why."""
    cold: set[str] = field(default_factory=set)
    """Rules that came into force and have not looked back yet: for a moment between two entries, never stored."""
    moved: set[str] = field(default_factory=set)
    """Of these, those that keep where they stand, and need only what another `lateness` makes of the past."""

    @property
    def late_samples(self) -> int:
        """Samples that came too late: of the lane that turned away most."""
        return max((track.lane.late for track in self.tracks.values()), default=0)

    @property
    def rules(self) -> list[Rule]:
        """In force, by name."""
        found = (detector.rule for track in self.tracks.values() for detector in track.detectors.values())
        return sorted(found, key=lambda rule: rule.name)


def settle_kinds(state: State, name: str | None = None) -> None:
    """Tell the rules what kinds were seen: all of them, or those that use `name`."""
    seen = {**state.devices.kinds, **state.kinds}
    for track in state.tracks.values():
        for detector in track.detectors.values():
            if name is None or name in detector.program.metrics:
                detector.settle_kinds(seen)
                track.past.reach(detector.program, detector.kinds, track.lane.evaluated)
