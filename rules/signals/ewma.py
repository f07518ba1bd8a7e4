"""The exponentially weighted mean: s <- s + (1 - 2^(-dt / half_life)) (x - s), from the first value."""

from dataclasses import dataclass, field

import numpy as np

from rules.board import Board
from rules.samples import Floats
from rules.signals.history import Readings


@dataclass(slots=True)
class Averages:
    """Per device: the average and the event time of the reading that made it."""

    last: dict[int, tuple[int, float]] = field(default_factory=dict)

    def along(self, board: Board, readings: Readings, half_life: int) -> Floats:
        """The average after each reading of the board; what was kept from before the board stays NaN."""
        found = np.full(len(readings.ts), np.nan)
        ends = np.append(readings.first[1:], len(readings.ts))
        begins = readings.first + readings.old
        for device in np.flatnonzero(ends > begins).tolist():
            start, end = int(begins[device]), int(ends[device])
            known = self.last.get(int(board.slots[device]))
            ts, values = readings.ts[start:end].tolist(), readings.value[start:end].tolist()
            moment, average = known if known is not None else (ts[0], values[0])
            course = []
            for now, value in zip(ts, values, strict=True):
                average += (1 - 2.0 ** (-(now - moment) / half_life)) * (value - average)
                moment = now
                course.append(average)
            found[start:end] = course
        return found

    def seeds(self, board: Board) -> Floats:
        """Per device of the board, the average before it; NaN if there is none."""
        known = (self.last.get(slot) for slot in board.slots.tolist())
        return np.array([np.nan if one is None else one[1] for one in known], dtype=np.float64)

    def settle(self, board: Board, readings: Readings, along: Floats) -> None:
        ends = np.append(readings.first[1:], len(readings.ts))
        for device in np.flatnonzero(ends > readings.first + readings.old).tolist():
            place = int(ends[device]) - 1
            self.last[int(board.slots[device])] = int(readings.ts[place]), float(along[place])
