"""The naive signals: each is computed anew from all readings of its metric that were evaluated so far."""

import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tests.unit.rules.reference_expressions import Value, finite

Readings = Sequence[tuple[int, float]]
"""(event time in ms, value) of one metric, in order of evaluation."""

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@cache
def duration_ms(text: str) -> int:
    """`1h30m` as milliseconds."""
    total, digits = 0, ""
    for char in text:
        if char in _UNITS:
            total, digits = total + int(digits) * _UNITS[char], ""
        else:
            digits += char
    return total


def signal_value(spec: Mapping[str, Any], *, readings: Readings, value: Value, now: int, fresh: bool) -> Value:
    """A signal of one metric on the row at `now`; `value` is what the row holds of the metric.

    `fresh`: this very sample brought the last of the readings.
    """
    over = duration_ms(spec.get("over", "0s"))
    inside = [(ts, x) for ts, x in readings if now - over < ts <= now]
    values = [x for _, x in inside]
    match spec["op"]:
        case "count":
            return float(len(values))
        case "slope":
            return _slope(inside, per=duration_ms(spec.get("per", "1h")), counter=spec.get("counter", False))
        case "delta":
            return _delta(readings, value=value, now=now, over=over)
        case "zscore":
            return _zscore(values[:-1] if fresh else values, value=value)
        case "time_to":
            return _time_to(spec, inside, value=value, now=now)
        case "ewma":
            return _ewma(readings, half_life=duration_ms(spec["half_life"]))
        case op:
            return _summary(op, values)


def _summary(op: str, values: Sequence[float]) -> Value:
    if len(values) < (2 if op == "stddev" else 1):
        return None
    functions = {
        "mean": statistics.fmean,
        "min": min,
        "max": max,
        "sum": sum,
        "stddev": statistics.stdev,
        "median": statistics.median,
    }
    return finite(float(functions[op](values)))


def _slope(inside: Readings, *, per: int, counter: bool) -> Value:
    if len(inside) < 3:
        return None
    values = [x for _, x in inside]
    if counter:
        values = _without_resets(values)
    mean_t = sum(ts for ts, _ in inside) / len(inside)
    mean_x = sum(values) / len(values)
    above = sum((ts - mean_t) * (x - mean_x) for (ts, _), x in zip(inside, values, strict=True))
    below = sum((ts - mean_t) ** 2 for ts, _ in inside)
    return finite(above / below * per)


def _time_to(spec: Mapping[str, Any], inside: Readings, *, value: Value, now: int) -> Value:
    """Seconds until the line is at the threshold; 0 where the value, or the line, is there already."""
    sign, threshold = (-1 if spec.get("direction") == "below" else 1), spec["threshold"]
    if value is not None and sign * (value - threshold) >= 0:  # type: ignore[operator]
        return 0.0
    if len(inside) < 3:
        return None
    mean_t, mean_x = (sum(column) / len(inside) for column in zip(*inside, strict=True))
    slope = _slope(inside, per=1, counter=False)
    missing = sign * (threshold - (mean_x + slope * (now - mean_t)))  # type: ignore[operator]
    if missing <= 0:
        return 0.0
    return missing / (sign * slope) / 1000 if sign * slope > 0 else None  # type: ignore[operator]


def _without_resets(values: Sequence[float]) -> list[float]:
    """A counter that fell began again at zero: what it had counted before stays counted."""
    total, before, result = 0.0, values[0], []
    for value in values:
        if value < before:
            total += before
        result.append(total + value)
        before = value
    return result


def _delta(readings: Readings, *, value: Value, now: int, over: int) -> Value:
    earlier = [(ts, x) for ts, x in readings if ts <= now - over]
    if value is None or not earlier or earlier[-1][0] < now - 2 * over:
        return None
    return finite(value - earlier[-1][1])  # type: ignore[operator]


def _zscore(before: Sequence[float], *, value: Value) -> Value:
    if value is None or len(before) < 10:
        return None
    median = statistics.median(before)
    mad = statistics.median(abs(x - median) for x in before)
    return finite((value - median) / max(1.4826 * mad, 1e-3 * max(1.0, abs(median))))  # type: ignore[operator]


def _ewma(readings: Readings, *, half_life: int) -> Value:
    if not readings:
        return None
    last, smooth = readings[0]
    for ts, x in readings[1:]:
        smooth += (1 - 2 ** (-(ts - last) / half_life)) * (x - smooth)
        last = ts
    return finite(smooth)


class ExpressionSignal:
    """`since`, `held` and `times`: what one expression did on the rows so far."""

    def __init__(self, op: str, *, over: int) -> None:
        self.op, self.over = op, over
        self.truth: Value = None
        """The last known truth; None before there was one."""
        self.was_true = False
        self.last_true: int | None = None
        self.true_from: int | None = None
        self.rises: list[int] = []

    def observe(self, truth: Value, *, now: int) -> Value:
        """Take in the expression's truth on the row at `now`, and give the signal's value there."""
        if truth is True:
            if not self.was_true:
                self.rises.append(now)
            if self.true_from is None:
                self.true_from = now
            self.last_true = now
        elif truth is False:
            self.true_from = None
        self.was_true = truth is True
        self.truth = self.truth if truth is None else truth
        return self.value(now)

    def value(self, now: int) -> Value:
        """The signal's value at `now`."""
        if self.op == "times":
            return float(sum(1 for rise in self.rises if now - self.over < rise <= now))
        if self.op == "since":
            return None if self.last_true is None else (now - self.last_true) / 1000
        if self.true_from is not None:
            return (now - self.true_from) / 1000
        return None if self.truth is None else 0.0
