"""The steps of a delivery, as the sender reports them to the outbox: one small record each, written in batches."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from domain.faults import Severity
from domain.lines import Line
from domain.messages import BAD_NEWS, Channel, MessageStage, MessageState, Refusal
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
    | {
        MessageStage.VISIT_CONFIRMED,
        MessageStage.VISIT_NONE_FREE,
        MessageStage.ON_THE_WAY,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CANCELLED,
        MessageStage.CALL_PROMISED,
        MessageStage.OPTED_OUT,
        MessageStage.OPTED_IN,
        MessageStage.ACKNOWLEDGED,
        MessageStage.AWAY,
        MessageStage.WRONG_PERSON,
        MessageStage.CALL_WANTED,
        MessageStage.NO_TECHNICIAN,
        MessageStage.NOBODY_REACHABLE,
        MessageStage.APPROVAL_WANTED,
    },
    Lane.LAST: {MessageStage.DIGEST},
}
"""The lane of each stage that is not a usual one."""


def lane_of(stage: MessageStage, severity: Severity) -> Lane:
    """Which lane a message takes; all that has to do with danger takes the first."""
    if severity is Severity.SAFETY:
        return Lane.DANGER
    return next((lane for lane, stages in LANES.items() if stage in stages), Lane.USUAL)


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
