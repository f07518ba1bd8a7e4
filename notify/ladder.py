"""How a ladder is climbed: which rung comes next, when, and on what. Pure; `app.escalation` reads the rows and acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.faults import Severity
from domain.ladders import Ladder, Rung, Until, Whom
from domain.messages import BAD_NEWS, Channel, MessageStage, MessageState, Purpose, Refusal
from domain.outbox import Pending
from domain.people import Recipient
from notify.verdicts import Suppress, Verdict

MINUTE_S, HOUR_S = 60.0, 3600.0

_ELSEWHERE = Ladder((Rung(30 * MINUTE_S, Until.DELIVERED), Rung(30 * MINUTE_S, Until.DELIVERED)))
_AT_ONCE = (Channel.SMS, Channel.VOICE)

LADDERS: dict[Severity, Ladder] = {
    Severity.INFO: _ELSEWHERE,
    Severity.MINOR: _ELSEWHERE,
    Severity.MAJOR: Ladder((Rung(30 * MINUTE_S, Until.DELIVERED), Rung(4 * HOUR_S)), human=True),
    Severity.CRITICAL: Ladder(
        (
            Rung(10 * MINUTE_S, channels=(Channel.SMS,)),
            Rung(15 * MINUTE_S, channels=(Channel.VOICE,)),
            Rung(15 * MINUTE_S, whom=Whom.CONTACT),
        ),
        human=True,
    ),
    Severity.SAFETY: Ladder(
        (
            Rung(5 * MINUTE_S, channels=_AT_ONCE),
            Rung(5 * MINUTE_S, channels=_AT_ONCE, whom=Whom.CONTACT),
        ),
        human=True,
    ),
}
"""How insistently a person is told of a fault, unless its playbook says otherwise."""

APPOINTMENT = Ladder((Rung(10 * MINUTE_S, Until.DELIVERED), Rung(10 * MINUTE_S, Until.DELIVERED)))
"""A visit may be today: what does not arrive is said elsewhere, soon and once."""
_APPOINTMENTS = frozenset(
    {MessageStage.VISIT_CONFIRMED, MessageStage.ON_THE_WAY, MessageStage.VISIT_OFFER, MessageStage.VISIT_CANCELLED}
)

NEVER_SAY_SO = frozenset({Channel.EMAIL, Channel.PUSH, Channel.WEBHOOK, Channel.LETTER})
"""Channels whose provider says that it took a message, and then only if it came back."""
_MAY_STILL_ARRIVE = frozenset(
    {
        MessageState.HELD,
        MessageState.READY,
        MessageState.SUBMITTING,
        MessageState.IN_DOUBT,
        MessageState.ACCEPTED,
        MessageState.SENT,
        MessageState.DELIVERED,
    }
)
PAUSED_LOOK_AGAIN = timedelta(minutes=1)


def ladder_of(stage: MessageStage, severity: Severity, own: Ladder | None = None) -> Ladder | None:
    """The ladder of a message; `own` is its playbook's. None: it is said once, and that is that."""
    if stage in BAD_NEWS:
        return own or LADDERS[severity]
    return APPOINTMENT if stage in _APPOINTMENTS else None


@dataclass(frozen=True, slots=True)
class Try:
    """One message of a ladder as it stands."""

    state: MessageState
    channel: Channel | None
    since: datetime
    """When the provider took it; when it may, or might, have gone out where it has not."""

    @property
    def may_arrive(self) -> bool:
        """Whether it may yet be, or has been, received."""
        return self.state in _MAY_STILL_ARRIVE

    def arrived(self, *, waited: bool) -> bool:
        """Whether it has been received, as far as anybody can know once the rung has `waited`."""
        if self.state is MessageState.DELIVERED:
            return True
        return waited and self.channel in NEVER_SAY_SO and self.state in {MessageState.ACCEPTED, MessageState.SENT}


@dataclass(frozen=True, slots=True)
class Look:
    """Nothing yet; look again at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The ladder has done what it is for."""


@dataclass(frozen=True, slots=True)
class Climb:
    """On to the next rung."""


Move = Look | Done | Climb


def look(rung: Rung, tries: Sequence[Try], *, true_now: bool, paused: bool, now: datetime) -> Move:
    """What to do on `rung`, whose messages are `tries`, while nobody has acknowledged.

    Nobody is told more while the fault is away (`true_now` false), while nothing goes out at all (`paused`), or while
    what keeps a message of this rung back (the night, a brake) would keep the next one back as well.
    """
    wait = timedelta(seconds=rung.wait_s)
    ends = max((one.since + wait for one in tries if one.may_arrive), default=now)
    if rung.until is Until.DELIVERED and any(one.arrived(waited=one.since + wait <= now) for one in tries):
        return Done()
    if any(one.state is MessageState.HELD for one in tries):
        return Look(max(ends, now + wait))
    if now < ends:
        return Look(ends)
    if not true_now:
        return Look(now + wait)
    return Look(now + PAUSED_LOOK_AGAIN) if paused else Climb()


def channels_of(
    rung: Rung, person: Recipient, *, purpose: Purpose, tried: frozenset[Channel] = frozenset()
) -> tuple[Channel, ...]:
    """Where `person` can be told on `rung`; none: the rung is skipped. A call needs but a number: who is called has not
    answered what they like better."""
    wanted = rung.channels or tuple(one for one in person.channels if one not in tried)
    able = tuple(
        one
        for one in wanted
        if person.address(one) and not person.refuses(one, purpose) and (one is Channel.VOICE or one in person.channels)
    )
    return able if rung.channels else able[:1]


def still_wanted(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """What has been acknowledged, or is over, is not said once more, even if a submission of it was turned down."""
    if pending.brief.over and (pending.rung or pending.brief.in_contact):
        return Suppress(Refusal.SUPERSEDED, pending.brief.over)
    return None
