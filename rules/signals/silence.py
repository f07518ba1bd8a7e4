"""The silence clock: receive time, less the time in which nobody was listening."""

from dataclasses import dataclass, field

import numpy as np

from rules.samples import NEVER, Ints

LATE_TICK = 1.5
"""A tick up to half its span late leaves no hole: the listener's loop was slow, not gone."""
HOLES_KEPT = 1000


@dataclass(slots=True)
class Coverage:
    """What ticks have vouched for."""

    last: int = NEVER
    """The last tick."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """Times between ticks for which no tick vouches."""

    def tick(self, at: int, *, covers_ms: int) -> None:
        """A listener was connected and had caught up for `covers_ms` up to `at`."""
        if at <= self.last:
            return
        if self.last > NEVER and at - self.last > covers_ms * LATE_TICK:
            self.holes.append((self.last, at - covers_ms))
            del self.holes[:-HOLES_KEPT]
        self.last = at

    def counted(self, begin: Ints, now: Ints) -> Ints:
        """Milliseconds of `begin` … `now` outside the holes."""
        total = now - begin
        for start, end in self.holes:
            total = total - np.maximum(np.minimum(now, end) - np.maximum(begin, start), 0)
        return total
