"""Brakes: what stops many messages of one cause, or many costly ones, until a person or a new day says otherwise."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.prices import USUAL_PRICES, Prices


class CauseState(StrEnum):
    """How far a person has agreed that people hear of one cause."""

    COUNTING = "counting"
    """Few enough so far."""
    WAITING = "waiting"
    """So many that a person has to agree."""
    APPROVED = "approved"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Cause:
    """What messages have in common, and how many people have heard of it."""

    key: str
    """storm:ID, rule:NAME:VERSION or firmware:PRODUCT:NAME."""
    told: int = 0
    state: CauseState = CauseState.COUNTING
    decided: str = ""
    """By whom and why, once it is."""

    @property
    def name(self) -> str:
        """For people: "rule overheat, version 3"."""
        kind, _, rest = self.key.partition(":")
        if kind == "storm":
            return f"the wider fault of ticket {rest}"
        head, _, tail = rest.rpartition(":")
        return f"rule {head}, version {tail}" if kind == "rule" else f"firmware {tail} of {head}"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one purse has paid for today."""

    scope: str
    """maker:ID or customer:ID."""
    amount: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Limits:
    """As the settings have them. Ceilings are in the currency of the prices."""

    recipients: int = 50
    """Above so many people of one cause within the window, a person has to agree."""
    window_s: float = 3600.0
    prices: Prices = USUAL_PRICES
    day: float | None = None
    """A maker's ceiling for a day, UTC."""
    customer_day: float | None = None


@dataclass(frozen=True, slots=True)
class Brakes:
    """The facts that the brakes are decided on, for one message."""

    limit: int
    causes: tuple[Cause, ...] = ()
    purses: tuple[Spent, ...] = ()
    tomorrow: datetime | None = None
    prices: Prices = USUAL_PRICES


NO_BRAKES = Brakes(limit=0)
USUAL_LIMITS = Limits()
