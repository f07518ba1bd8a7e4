"""What a rule saw, counted: so that a back-test can say why it did not fire."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.machine import FALSE, TRUE, UNKNOWN, Span
from rules.probes import Probe
from rules.scene import Scene


class Stretch(NamedTuple):
    """Samples of one device on which `when` was TRUE without a break, from first to last, in epoch ms."""

    slot: int
    first: int
    last: int

    @property
    def length_ms(self) -> int:
        return self.last - self.first


@dataclass(slots=True)
class Tally:
    """Counts over all batches."""

    devices: set[int] = field(default_factory=set)
    """Devices to which the rule applies."""
    truth: Counter[int] = field(default_factory=Counter)
    """Samples and ticks by what `when` was, `missing` applied."""
    points: int = 0
    blank: Counter[str] = field(default_factory=Counter)
    """By name, where it was NULL."""
    longest: Stretch | None = None
    running: dict[int, Stretch] = field(default_factory=dict)
    probes: list[Probe] | None = None
    """The parts of `when`; None until a board was counted."""

    def take(self, scene: Scene, parts: Callable[[], list[Probe]]) -> None:
        """Count one board's points; `parts` makes the probes of `when`, once."""
        if self.probes is None:
            self.probes = parts()
        for probe in self.probes:
            probe.take(scene)
        for truth in (TRUE, FALSE, UNKNOWN):
            self.truth[truth] += int(scene.run[scene.when == truth].sum())
        self.points += scene.frame.height
        for name in scene.frame.columns:
            self.blank[name] += scene.frame[name].null_count()

    def follow(self, slot: int, spans: Iterable[Span]) -> None:
        """Measure the stretches of one device; spans come in order, none of them UNKNOWN."""
        for span in spans:
            if span.when != TRUE:
                self.running.pop(slot, None)
                continue
            begun = self.running.get(slot)
            stretch = Stretch(slot, begun.first if begun else span.times[0], span.times[-1])
            self.running[slot] = stretch
            if self.longest is None or stretch.length_ms > self.longest.length_ms:
                self.longest = stretch
