"""What may become of a message whose time has come: the answers of `notify.release`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domain.messages import Channel, Refusal
from domain.outbox import Pending


@dataclass(frozen=True, slots=True)
class Go:
    """It may go out, on this channel."""

    channel: Channel
    address: str
    overrides: tuple[Refusal, ...] = ()
    """What would have kept it back, were it not about danger."""
    parts: tuple[int, ...] = ()
    """Of a summary: the messages that it really sums up."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not before `until`."""

    until: datetime
    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """For another message's fate: look again soon."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """It will not go out."""

    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Fold:
    """It will not go out by itself: it stands in a summary, due at `until` or earlier."""

    until: datetime
    refusal: Refusal
    reason: str


Verdict = Hold | Wait | Suppress | Fold
Release = Go | Verdict
Check = Callable[[Pending, datetime], Verdict | None]
