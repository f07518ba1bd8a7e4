"""Verdicts: who said whether a fault was real, whose word counts, and what that makes of a rule's precision."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import sqrt
from typing import NamedTuple


class Judgement(StrEnum):
    """Was it a fault?"""

    REAL = "real"
    FALSE_ALARM = "false_alarm"


class VerdictSource(StrEnum):
    """Who judges; in rising order of weight."""

    CUSTOMER = "customer"
    TECHNICIAN = "technician"
    AGENT = "agent"
    """Has heard the others, and the telemetry."""

    @property
    def rank(self) -> int:
        return list(VerdictSource).index(self)


class ClosingCode(StrEnum):
    """What a technician found."""

    FIXED = "fixed"
    """The fault was there, and was mended."""
    NOT_FOUND = "not_found"
    OTHER_CAUSE = "other_cause"
    """Something else was wrong: the device needed hands, though for another reason than the rule says."""

    @property
    def judgement(self) -> Judgement:
        """What it says of the alarm. Another cause is no false alarm: whoever was sent was needed."""
        return Judgement.FALSE_ALARM if self is ClosingCode.NOT_FOUND else Judgement.REAL


@dataclass(frozen=True, slots=True)
class Given:
    """One verdict, as far as it decides which one counts."""

    judgement: Judgement
    source: VerdictSource
    at: datetime
    by: str


def in_force(given: Iterable[Given]) -> Given | None:
    """The one that counts: of the weightiest source the latest; of one moment, the last in order."""
    best: Given | None = None
    for one in given:
        if best is None or (one.source.rank, one.at) >= (best.source.rank, best.at):
            best = one
    return best


class Interval(NamedTuple):
    """A range that holds the true share with some confidence."""

    low: float
    high: float


def wilson(hits: int, n: int, *, z: float = 1.96) -> Interval:
    """The score interval of a share (E. B. Wilson, 1927); z = 1.96 is 95 %. Of nothing, anything may be true."""
    if n == 0:
        return Interval(0.0, 1.0)
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # At the ends the formula is exact but for rounding.
    return Interval(0.0 if hits == 0 else max(0.0, middle - half), 1.0 if hits == n else min(1.0, middle + half))
