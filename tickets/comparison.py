"""Whether a firmware has more faults than the others of its product: rate ratios with exact intervals. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
WORSE_FROM = 1.5
"""A firmware is called worse when even the lower end of the interval exceeds this."""
LEAST_DEVICES, LEAST_DAYS, LEAST_FAULTS = 5, 30.0, 5


@dataclass(frozen=True, slots=True)
class Exposure:
    """What was seen of one firmware of a product."""

    firmware: str
    devices: int
    device_days: float
    faults: int
    """Days on which a rule found a fault on a device: one that flaps all day is one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A firmware against all others of its product; rates are faults per device-day."""

    firmware: str
    devices: int
    device_days: float
    faults: int
    rate: float | None
    rest_device_days: float
    rest_faults: int
    rest_rate: float | None
    ratio: float | None
    """None where the others had no fault, or nothing was seen."""
    low: float
    high: float | None
    """None: without bound."""
    enough: bool
    """Whether there was enough to see on both sides for a verdict."""

    @property
    def worse(self) -> bool:
        """Whether it has clearly more faults."""
        return self.enough and self.low > WORSE_FROM


def compare(exposures: Sequence[Exposure]) -> list[Comparison]:
    """Each firmware against the rest, in the order given."""
    days, faults = sum(one.device_days for one in exposures), sum(one.faults for one in exposures)
    return [_against(one, rest_days=days - one.device_days, rest_faults=faults - one.faults) for one in exposures]


def _against(one: Exposure, *, rest_days: float, rest_faults: int) -> Comparison:
    rate, rest_rate = _rate(one.faults, one.device_days), _rate(rest_faults, rest_days)
    low, high = interval(one.faults, one.device_days, rest_faults, rest_days)
    seen = one.devices >= LEAST_DEVICES and one.device_days >= LEAST_DAYS and one.faults >= LEAST_FAULTS
    return Comparison(
        firmware=one.firmware,
        devices=one.devices,
        device_days=one.device_days,
        faults=one.faults,
        rate=rate,
        rest_device_days=rest_days,
        rest_faults=rest_faults,
        rest_rate=rest_rate,
        ratio=rate / rest_rate if rate is not None and rest_rate else None,
        low=low,
        high=high,
        enough=seen and rest_days >= LEAST_DAYS,
    )


def interval(
    faults: int, days: float, rest_faults: int, rest_days: float, *, confidence: float = CONFIDENCE
) -> tuple[float, float | None]:
    """Exact two-sided interval of the ratio of two Poisson rates; (0, None) where nothing can be told.

    Given the sum n of both counts, the first is binomial with p = r·t1 / (r·t1 + t0), r being the ratio (Przyborowski
    and Wilenski, Biometrika 31, 1940); the interval of p is Clopper's and Pearson's (Biometrika 26, 1934), and
    r = p / (1 - p) · t0 / t1.
    """
    total, tail = faults + rest_faults, (1 - confidence) / 2
    if not total or days <= 0 or rest_days <= 0:
        return 0.0, None
    terms = _terms(total)
    low = 0.0 if faults == 0 else _solve(lambda p: _mass(terms, p, slice(faults, None)) - tail)
    high = 1.0 if faults == total else _solve(lambda p: tail - _mass(terms, p, slice(None, faults + 1)))
    odds = rest_days / days
    return low / (1 - low) * odds, None if high == 1.0 else high / (1 - high) * odds


def _terms(total: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Logarithms of the binomial coefficients of `total`."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    coefficients: np.ndarray[tuple[int], np.dtype[np.float64]] = factorials[-1] - factorials - factorials[::-1]
    return coefficients


def _mass(terms: np.ndarray[tuple[int], np.dtype[np.float64]], p: float, part: slice) -> float:
    """Probability of the counts in `part`."""
    counts = np.arange(len(terms))
    logs = terms + counts * np.log(p) + counts[::-1] * np.log1p(-p)
    return float(np.exp(logs[part]).sum())


def _solve(rising: Callable[[float], float]) -> float:
    """Where a function that rises with p crosses zero, by halving (0, 1)."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _rate(faults: int, days: float) -> float | None:
    return faults / days if days > 0 else None
