"""The multi-metric detector for one device, channel by channel in plain Python: what the arrays must compute."""

from math import inf, nan, sqrt

import numpy as np

from rules.detectors import multi_charts as charts
from rules.samples import Floats


def clip(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


class Device:
    def __init__(self, metrics: int) -> None:
        d = metrics
        self.d, self.rows, self.quiet, self.learning_rows, self.first = d, 0, 10**9, max(8 * d, 400), max(2 * d, 20)
        self.centre, self.level, self.last, self.step = [0.0] * d, [0.0] * d, [0.0] * d, [inf] * d
        self.product, self.square, self.drift, self.drift_square = [0.0] * d, [0.0] * d, [0.0] * d, [0.0] * d
        self.scale, self.drift_scale = [inf] * d, [inf] * d
        self.covariance, self.inverse = np.zeros((d, d)), np.zeros((d, d))
        self.spread, self.mean, self.variance, self.peak = 0.0, [0.0] * 4, [0.0] * 4, [0.0] * 4

    def score(self, x: Floats) -> float:
        learning = self.rows <= self.learning_rows
        calm = learning or self.quiet > charts.HOLD
        e = [self.innovation(c, float(x[c]), learning) for c in range(self.d)]
        self.learn(e, learning, calm)
        every = 20 if learning else 320
        if self.rows == self.first or (self.rows > self.first and self.rows % every == 0):
            self.refit()
        top = self.judge(e, learning)
        for c in range(self.d):
            gain = 1 / (self.rows + 2) if learning else charts.CENTRE_GAIN * (self.quiet > charts.HOLD)
            off = float(x[c]) - self.centre[c]
            self.centre[c] += gain * (off if learning else clip(off, charts.CLIP * self.scale[c]))
        self.rows += 1
        if learning:
            return nan
        score = top / (1 + top)
        return max(score, 0.5) if self.quiet <= charts.HOLD else score

    def innovation(self, c: int, x: float, learning: bool) -> float:
        step = abs(x - self.last[c])
        if self.rows == 0 or (step > 0 and self.step[c] == inf):
            self.centre[c] = self.level[c] = x
        if self.rows > 0 and 0 < step < self.step[c]:
            self.step[c] = step
        self.last[c] = x
        off, lately = x - self.centre[c], self.level[c] - self.centre[c]
        memory = clip(max(self.product[c] / (self.square[c] + 1e-300), 0.0), 1.0) if self.rows > 10 else 0.0
        e = off - memory * lately
        felt = e if learning else clip(e, charts.CLIP * self.scale[c])
        self.drift[c] += charts.DRIFT_GAIN * (felt - self.drift[c])
        if learning:
            gain = 2 / (self.rows + 2)
            self.product[c] += gain * (off * lately - self.product[c])
            self.square[c] += gain * (lately**2 - self.square[c])
        self.level[c] += charts.LEVEL_GAIN * (x - self.level[c])
        return e

    def learn(self, e: list[float], learning: bool, calm: bool) -> None:
        if learning or (calm and self.rows % charts.THIN == 0):
            gain = 2 / (self.rows + 2) if learning else charts.THIN * charts.SLOW_GAIN
            felt = e if learning else [clip(v, charts.CLIP * s) for v, s in zip(e, self.scale, strict=True)]
            self.covariance += gain * (np.outer(felt, felt) - self.covariance)
        settled = self.rows - int(2 / charts.DRIFT_GAIN)
        if settled <= 0:
            return
        gain = 2 / (settled + 2) if learning else charts.SLOW_GAIN * calm
        for c in range(self.d):
            bound = inf if learning else (charts.CLIP * self.drift_scale[c]) ** 2
            self.drift_square[c] += gain * (min(self.drift[c] ** 2, bound) - self.drift_square[c])

    def refit(self) -> None:
        d = self.d
        floor = [
            charts.GRAIN * (q if q < inf else 0.0) ** 2 + (charts.ROUNDING * centre) ** 2 + 1e-300
            for q, centre in zip(self.step, self.centre, strict=True)
        ]
        scale = [sqrt(self.covariance[c, c] + floor[c]) for c in range(d)]
        r = np.array(
            [[1.0 if i == j else self.covariance[i, j] / scale[i] / scale[j] for j in range(d)] for i in range(d)]
        )
        squares, n = float((r * r).sum()), min(self.rows, self.learning_rows)
        shrink = min(1.0, ((1 - 2 / d) * squares + d * d) / max((n + 1 - 2 / d) * (squares - d), 1e-300))
        self.inverse = np.linalg.inv((1 - shrink) * r + shrink * np.eye(d))
        white = charts.DRIFT_GAIN / (2 - charts.DRIFT_GAIN)
        moved = [q < inf for q in self.step]
        self.scale = [s if m else inf for s, m in zip(scale, moved, strict=True)]
        self.drift_scale = [
            sqrt(v + f * white) if m else inf for v, f, m in zip(self.drift_square, floor, moved, strict=True)
        ]

    def judge(self, e: list[float], learning: bool) -> float:
        z = np.array([clip(v / s, 1e6) for v, s in zip(e, self.scale, strict=True)])
        drift = np.array([clip(v / s, 1e6) for v, s in zip(self.drift, self.drift_scale, strict=True)])
        fast, slow = (np.cbrt(max(float(v @ self.inverse @ v), 0.0) / self.d) for v in (z, drift))
        cap = inf if learning else self.mean[0] + charts.CLIP * sqrt(self.variance[0])
        self.spread += charts.SPREAD_GAIN * (min(fast, cap) - self.spread)
        y = [fast, self.spread, slow, float(np.abs(drift).max())]
        reach = [
            max(charts.LIMITS[k] * sqrt(self.variance[k]), charts.PEAK * (self.peak[k] - self.mean[k]))
            for k in range(4)
        ]
        top = max(0.0, *((y[k] - self.mean[k]) / (reach[k] + 1e-300) for k in range(4)))
        self.quiet = 10**9 if learning else 0 if top >= 1 else self.quiet + 1
        age = self.rows - max(self.first, self.learning_rows // 3)
        if age >= 0 and self.quiet > charts.HOLD:
            gain = max(1 / (age + 1), charts.SLOW_GAIN)
            for k in range(4):
                off = (y[k] if learning else min(y[k], self.mean[k] + reach[k])) - self.mean[k]
                self.peak[k] = max(self.peak[k], y[k]) if learning else self.peak[k]
                self.mean[k] += gain * off
                self.variance[k] = (1 - gain) * (self.variance[k] + gain * off * off)
        return top
