"""What a mute manifest may say: one device for a while, or a maintenance window over many, once or again and again."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from api.schemas.declared import Declared, MuteIn, Zone
from domain.durations import parse_duration_s
from domain.errors import SourceError
from tickets.windows import check_recurrence

SCOPES = ("device", "site", "gateway", "product", "rule")


class MuteManifest(Declared):
    """Exactly one scope, and either an end (`until`, `for`) or `start` with `duration`, again by `rrule`."""

    name: str | None = Field(None, max_length=128, pattern=r"^[^/\s][^/]*$")
    device: str | None = None
    site: str | None = None
    gateway: str | None = None
    product: str | None = None
    rule: str | None = None
    until: datetime | None = None
    lasts: str | None = Field(None, alias="for")
    start: str | None = None
    duration: str | None = None
    rrule: str | None = None
    timezone: Zone = "UTC"
    reason: str = ""

    @field_validator("start")
    @classmethod
    def _wall(cls, value: str | None) -> str | None:
        if value is None:
            return None
        problem = f"{value!r} is not a time on the wall; write it like 2026-03-02T22:00, without an offset"
        try:
            wall = datetime.fromisoformat(value)
        except ValueError as exc:
            raise ValueError(problem) from exc
        if wall.tzinfo is not None:
            raise ValueError(problem)
        return wall.isoformat(timespec="minutes")

    @field_validator("duration")
    @classmethod
    def _length(cls, value: str | None) -> str | None:
        if value is not None and parse_duration_s(value) <= 0:
            raise ValueError(f"{value!r} is no time at all; write for example 2h")
        return value

    @field_validator("rrule")
    @classmethod
    def _recurrence(cls, value: str | None) -> str | None:
        try:
            check_recurrence(value or "FREQ=DAILY")
        except SourceError as exc:
            raise ValueError(f"{exc.problem}; {exc.cure}") from exc
        return value

    @model_validator(mode="after")
    def _whole(self) -> "MuteManifest":
        named = [scope for scope in SCOPES if getattr(self, scope) is not None]
        if len(named) != 1:
            problem = f"covers {' and '.join(named)}" if named else "covers nothing"
            raise ValueError(f"{problem}; name exactly one of {', '.join(SCOPES)}")
        if self.start is None and self.duration is None and self.rrule is None:
            self.by_hand()
        elif self.until is not None or self.lasts is not None:
            raise ValueError('says two ends; write "start" and "duration", or one of "until" and "for"')
        elif self.start is None or self.duration is None:
            raise ValueError('is not whole; write "start" and "duration", and "rrule" if it comes again')
        return self

    def by_hand(self) -> MuteIn:
        """The plain form, from now to an end. Raises ValueError."""
        return MuteIn(until=self.until, lasts=self.lasts, reason=self.reason)

    @property
    def scope(self) -> str:
        """What kind of thing it covers."""
        return next(scope for scope in SCOPES if getattr(self, scope) is not None)

    @property
    def value(self) -> str:
        """Which one."""
        return str(getattr(self, self.scope))

    @property
    def is_plain(self) -> bool:
        """Whether it is one device's mute, without a name of its own."""
        return self.name is None and self.device is not None and self.start is None

    @property
    def key(self) -> str:
        """The name under which it is kept."""
        return self.device or "" if self.is_plain else self.name or f"{self.scope} {self.value}"

    def window(self, now: datetime) -> dict[str, Any]:
        """Columns of its row; a plain end becomes a window that begins now."""
        said = {"name": self.key, "scope": self.scope, "value": self.value, "reason": self.reason}
        if self.start is not None:
            duration_s = parse_duration_s(self.duration)
            return said | {
                "start": self.start, "timezone": self.timezone, "duration_s": duration_s, "rrule": self.rrule
            }  # fmt: skip
        start = now.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        duration_s = (self.by_hand().end(now) - start.replace(tzinfo=UTC)).total_seconds()
        return said | {"start": start.isoformat(), "timezone": "UTC", "duration_s": duration_s, "rrule": None}
