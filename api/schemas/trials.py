"""A back-test over the history, as REST asks for it and answers."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


class BacktestIn(BaseModel):
    """Which rule, over which readings: `rule`, or `name` of a stored one."""

    model_config = ConfigDict(extra="forbid")

    rule: str | dict[str, Any] | None = Field(None, description="A rule's manifest: YAML text, or the same as JSON")
    name: str | None = Field(None, description="A stored rule")
    version: int | None = Field(None, ge=1, description="of the stored rule; default: the newest")
    against: int | None = Field(
        None, ge=1, description="A stored version of the same rule: answers what changes from it to the rule asked for"
    )
    since: AwareDatetime = Field(alias="from", description="ISO 8601 with a zone")
    until: AwareDatetime | None = Field(None, alias="to", description="ISO 8601 with a zone; default: now")
    product: str | None = Field(None, description="Its devices alone; default: the rule's product")

    @model_validator(mode="after")
    def _one_rule(self) -> "BacktestIn":
        if (self.rule is None) == (self.name is None):
            raise ValueError("give either rule, a manifest, or name, a stored rule")
        if self.version is not None and self.name is None:
            raise ValueError("version belongs to name")
        return self


class ShareOut(BaseModel):
    """`hits` of `n`."""

    value: float | None
    hits: int
    n: int


class CausedOut(BaseModel):
    """What a rule would have found and caused."""

    rule: str
    severity: str
    family: str
    episodes: int
    devices: int
    resolved: int
    open: int
    flapping: int
    median_duration_s: float | None
    tickets: int
    attached: int
    """Episodes that join an open ticket."""
    reopened: int
    messages: int
    visits: int
    commands: int
    per_day: dict[str, float]
    precision: ShareOut
    """Of the episodes on which somebody gave a verdict, those that were real."""
    recall: ShareOut
    """Of the faults that somebody called real, those it meets."""


class EpisodeOut(BaseModel):
    """One episode that the rule would have had."""

    rule: str
    device_id: str
    onset: datetime
    fired: datetime
    ended: datetime | None


class ChangeOut(EpisodeOut):
    """One episode that another version has, has not, or has at another time."""

    change: str
    was: dict[str, datetime | None] | None = None


class DiffOut(BaseModel):
    """What changes from the version `against`."""

    rules: list[dict[str, Any]]
    changes: list[ChangeOut]
    not_listed: int


class BacktestOut(BaseModel):
    """What came of it."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    days: float
    devices: int
    samples: int
    late_samples: int
    rules: list[CausedOut]
    total: dict[str, Any]
    counted: str
    """What counts as a ticket, a message, a visit."""
    notes: list[str]
    episodes: list[EpisodeOut]
    """The first two hundred."""
    diff: DiffOut | None = None
