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
        return now - begin - (self._missed(now) - self._missed(begin))

    def _missed(self, until: Ints) -> Ints:
        """Milliseconds of holes before each moment."""
        if not self.holes:
            return np.zeros_like(until)
        start, end = np.array(self.holes, dtype=np.int64).T
        before = np.concatenate([[0], np.cumsum(end - start)])
        place = np.searchsorted(start, until, side="right")
        last = np.maximum(place - 1, 0)
        found: Ints = before[place] - np.where(place > 0, np.maximum(end[last] - until, 0), 0)
        return found
