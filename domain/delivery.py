"""The steps of a delivery, as the sender reports them to the outbox: one small record each, written in batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from domain.faults import Severity
from domain.lines import Line
from domain.messages import ANSWERS, BAD_NEWS, Channel, MessageStage, MessageState, Refusal
from domain.outbox import Content, Receipt
from domain.wordings import Failure


class Lane(IntEnum):
    """What goes first where not everything can go at once."""

    DANGER = 0
    SOON = 1
    """News of a fault, a visit, an answer."""
    USUAL = 2
    LAST = 3


LANES = {
    Lane.SOON: BAD_NEWS
    | ANSWERS
    | {
        MessageStage.VISIT_CONFIRMED,
        MessageStage.VISIT_NONE_FREE,
        MessageStage.ON_THE_WAY,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CANCELLED,
        MessageStage.CALL_WANTED,
        MessageStage.NO_TECHNICIAN,
        MessageStage.NOBODY_REACHABLE,
        MessageStage.APPROVAL_WANTED,
        MessageStage.COST_CEILING,
    },
    Lane.LAST: {MessageStage.DIGEST},
}
"""The lane of each stage that is not a usual one."""


def lane_of(stage: MessageStage, severity: Severity) -> Lane:
    """Which lane a message takes; all that has to do with danger takes the first."""
    if severity is Severity.SAFETY:
        return Lane.DANGER
    return next((lane for lane, stages in LANES.items() if stage in stages), Lane.USUAL)


NEXT_TRY_S: Mapping[Refusal, tuple[float, ...]] = {
    # A phone that is switched off, or nobody knows: 60 s, 10 min, 1 h; then another channel.
    Refusal.UNREACHABLE: (60.0, 600.0, 3600.0),
    # The provider's queue was full.
    Refusal.RATE_LIMITED: (120.0, 600.0, 1800.0),
    # It lay in a queue for too long: at once, if it is still true.
    Refusal.EXPIRED: (0.0, 0.0),
}
"""What a provider took and did not deliver: after how many seconds it is tried again on the same channel."""


def next_try_s(refusal: Refusal, *, channel: Channel, attempt: int) -> float | None:
    """After how many seconds a message that was submitted `attempt` times is tried again; None: not on this channel.

    Only phones are switched off and on again: a mail that came back was tried for long enough.
    """
    pauses = NEXT_TRY_S.get(refusal, ()) if channel in {Channel.SMS, Channel.WHATSAPP} else ()
    return pauses[attempt - 1] if 0 < attempt <= len(pauses) else None


_VALID: Mapping[MessageStage, timedelta] = {
    MessageStage.ON_THE_WAY: timedelta(hours=2),
    **dict.fromkeys((ANSWERS | {MessageStage.VISIT_NONE_FREE}) - {MessageStage.AGENT_REPLY}, timedelta(hours=24)),
    # Who has said STOP is confirmed that at once, or hears no more (47 CFR 64.1200(a)(12)).
    MessageStage.OPTED_OUT: timedelta(minutes=5),
    **dict.fromkeys((MessageStage.RESOLVED, MessageStage.FALSE_ALARM, MessageStage.DIGEST), timedelta(days=3)),
}


def of_use_until(stage: MessageStage, *, now: datetime) -> datetime | None:
    """When a message planned now would be stale, whatever is true then; None: as long as it is true."""
    valid = _VALID.get(stage)
    return now + valid if valid else None


@dataclass(frozen=True, slots=True)
class Held:
    """Not before `until`, by the clock."""

    until: datetime
    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Folded:
    """It stands in a summary instead of going out itself, due at `until` or earlier."""

    until: datetime
    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """To be looked at again in `after_s` real seconds. A `refusal` says that a submission was turned down just now."""

    after_s: float
    reason: str
    refusal: Refusal | None = None
    slow_s: float = 0.0
    """For so long the provider wants to hear nothing from this sender."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Untouched, and nobody's for `after_s` real seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Submitting:
    """Written before the socket opens; for `patience_s` real seconds nobody else asks what became of it."""

    channel: Channel
    address: str
    content: Content
    line: Line
    patience_s: float
    segments: int = 1
    cost: float = 0.0
    failures: tuple[Failure, ...] = ()
    """Better words that could not be used."""
    overrides: tuple[Refusal, ...] = ()
    """What it passed over because it is about danger."""
    parts: tuple[int, ...] = ()
    """Of a summary: the messages that it really sums up."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. True whoever holds the lease by now, as long as nothing was submitted since `attempt`."""

    told: Receipt
    attempt: int
    by_look_up: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows what became of it: the provider is (`asked`: once more) asked in `after_s` real seconds."""

    after_s: float
    reason: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The provider, whose word counts, never got it: it may be submitted again."""

    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may have gone out, and nobody can tell: for a person to decide."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChannelRefused:
    """The address it was submitted to will never do; the next channel is tried."""

    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """It will not go out, and `state` says whether that is right so."""

    state: MessageState
    refusal: Refusal
    reason: str


Step = (
    Held
    | Folded
    | Postponed
    | GivenBack
    | Submitting
    | Accepted
    | Unknown
    | NotTaken
    | InDoubt
    | ChannelRefused
    | Ended
)
