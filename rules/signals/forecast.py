"""`time_to`: how long until a value that goes on as it does meets its threshold."""

import numpy as np

from rules.board import Points
from rules.model import Signal
from rules.samples import Floats
from rules.signals.folds import line
from rules.signals.history import Readings, Window


def time_to(signal: Signal, readings: Readings, window: Window, points: Points, now: Floats) -> Floats:
    """Seconds until the least-squares line of each window meets the threshold; `now` is the row's value, NaN if none.

    With the line x(t) = mean(x) + slope (t - mean(t)): (threshold - x(now)) / slope. 0 where the value, or the line
    itself, is at the threshold or beyond it; NaN where the line does not move towards it, or the window holds fewer
    than three readings.
    """
    sign = -1.0 if signal.options["direction"] == "below" else 1.0
    threshold = float(signal.options["threshold"])
    fitted = line(readings.ts, readings.value, window)
    with np.errstate(all="ignore"):
        level = fitted.level + fitted.slope * (points.time - fitted.last - fitted.behind)
        missing, speed = sign * (threshold - level), sign * fitted.slope
        seconds = np.where(speed > 0, missing / speed, np.nan) / 1000
        seconds = np.where(missing <= 0, 0.0, seconds)
        found: Floats = np.where(sign * (now - threshold) >= 0, 0.0, seconds)
    return found
