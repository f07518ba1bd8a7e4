"""What a rule is, once its file has been read and checked: the form that the engine and the back-test work with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.faults import Severity, Stage

PER_MS = 3_600_000
"""`per` of a slope that does not say."""


class Kind(StrEnum):
    """What sort of value a name stands for."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"


class Missing(StrEnum):
    """What UNKNOWN means for `when` and for the default `clear`."""

    HOLD = "hold"
    """As if the sample had not come."""
    BREACH = "breach"
    """TRUE."""
    OK = "ok"
    """FALSE."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A value derived per device, that expressions use by its name. Which fields count depends on `op`."""

    name: str
    op: str
    of: str | None = None
    """A metric; None only where the op needs none (`silence` of the whole device, `since`, `held`, `times`)."""
    over_ms: int | None = None
    per_ms: int = PER_MS
    half_life_ms: int | None = None
    expr: str | None = None
    counter: bool = False
    several: tuple[str, ...] = ()
    """The metrics of an op that takes several: `anomaly`, and `distance` (latitude, longitude)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ops that have some of their own, defaults filled in."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the op looks at; those of an expression are not among them."""
        return self.several or (() if self.of is None else (self.of,))


@dataclass(frozen=True, slots=True)
class Count:
    """TRUE in `n` of the last `of` samples."""

    n: int
    of: int


@dataclass(frozen=True, slots=True)
class Flapping:
    """More changes than `transitions` within the window are withheld."""

    transitions: int
    within_ms: int


@dataclass(frozen=True, slots=True)
class Storm:
    """When faults of many devices are one: what they must have in common, and how many it takes."""

    by: tuple[str, ...] = ("gateway", "site", "firmware")
    devices: int = 5
    share: float = 0.2
    """Of the devices that have it in common."""
    silent: float = 0.5
    """Of the devices heard within a day: where more are silent, silence is the fleet's and no device's."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rule may act, on the site's wall clock; `end` before `start` is on the next day."""

    days: tuple[int, ...]
    """On which they begin; Monday is 0."""
    start: str
    """HH:MM"""
    end: str
    """HH:MM, 24:00 included."""


class Reach(StrEnum):
    """How far an inhibition goes."""

    DEVICE = "device"
    BELOW_GATEWAY = "below_gateway"


@dataclass(frozen=True, slots=True)
class Inhibits:
    """While the rule fires, the faults of another rule or family act on nobody."""

    rule: str | None
    family: str | None
    on: Reach


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of one rule. Expressions are kept as text: `rules.expressions.parse` makes something of them."""

    name: str
    when: str
    product: str | None = None
    applies_to: str | None = None
    family: str = ""
    """Correlation key for tickets; never empty in a loaded rule (the loader puts the name)."""
    title: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    """What the product does, after its noun, per language: "stops too often"."""
    severity: Severity = Severity.MINOR
    signals: tuple[Signal, ...] = ()
    clear: str | None = None
    """None: the rule clears when `when` does not hold."""
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    count: Count | None = None
    missing: Missing = Missing.HOLD
    max_gap_ms: int | None = None
    join_within_ms: int = 300_000
    lateness_ms: int = 0
    max_evidence_age_ms: int = 3_600_000
    hold_ms: int = 60_000
    flapping: Flapping | None = None
    storm: Storm = field(default_factory=Storm)
    inhibits: tuple[Inhibits, ...] = ()
    active: tuple[Hours, ...] = ()
    """None: always."""
    stage: Stage | None = None
    """None when the file does not say: live in a back-test, draft when applied."""
    playbook: str | None = None
    version: int = 1
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """What the file says; `rules.loader.rule_from_manifest` makes the same rule from it."""
