"""Faults: what a rule says of a device, from the first bad sample to proof that it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much it matters to the person; in rising order."""

    INFO = "info"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    SAFETY = "safety"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Stage(StrEnum):
    """How far a rule may reach: nobody, the record, agents, or everybody."""

    DRAFT = "draft"
    SHADOW = "shadow"
    AGENTS_ONLY = "agents_only"
    LIVE = "live"
    RETIRED = "retired"


STAGE_MOVES: dict[Stage, tuple[Stage, ...]] = {
    Stage.DRAFT: (Stage.SHADOW, Stage.AGENTS_ONLY, Stage.LIVE, Stage.RETIRED),
    Stage.SHADOW: (Stage.AGENTS_ONLY, Stage.LIVE, Stage.RETIRED),
    Stage.AGENTS_ONLY: (Stage.SHADOW, Stage.LIVE, Stage.RETIRED),
    Stage.LIVE: (Stage.AGENTS_ONLY, Stage.SHADOW, Stage.RETIRED),
    Stage.RETIRED: (Stage.DRAFT, Stage.SHADOW, Stage.AGENTS_ONLY, Stage.LIVE),
}
"""The life of a rule. What has been in force is no draft any more: it is retired, and may come back."""


class EpisodeState(StrEnum):
    """The condition state of one rule on one device."""

    NORMAL = "normal"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"


class TransitionState(StrEnum):
    """What is told to the world of an episode."""

    FIRING = "firing"
    RESOLVED = "resolved"
    FLAPPING = "flapping"


class EndReason(StrEnum):
    """Why an episode ended."""

    CLEARED = "cleared"
    """Telemetry shows that it is gone: the only reason for which anybody is told that something was fixed."""
    RULE_RETIRED = "rule_retired"
    NOT_APPLICABLE = "not_applicable"
    DEVICE_DELETED = "device_deleted"


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one episode that others may act on."""

    rule: str
    version: int
    device_id: str
    episode: int
    """Counts from 1 per rule and device."""
    state: TransitionState
    at: datetime
    """Event time of the sample, or second of the tick, that made the step."""
    onset: datetime
    severity: Severity
    received_at: datetime
    """When the sample that made the step was received."""
    reason: EndReason | None = None
    """Set on `resolved`."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The values of the row that made the step, by name: metrics, signals and attributes the rule names."""
    superseded: bool = False
    """An older episode of one buffered upload: it stands in the record, and contacts nobody."""
