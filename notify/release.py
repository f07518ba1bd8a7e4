"""Whether a message may go out now: truth, consent, reach and the hour are checked afresh at its release.

Pure. Each stage of the list lets the message pass or answers with a named reason; the first answer stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.faults import Severity, Stage
from domain.messages import BAD_NEWS, REACHED, Channel, MessageStage, MessageState, RecipientKind, Refusal
from domain.outbox import Pending
from domain.tickets import VisitState


@dataclass(frozen=True, slots=True)
class Go:
    """It may go out, on this channel."""

    channel: Channel
    address: str


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


Verdict = Hold | Wait | Suppress
Release = Go | Verdict
Check = Callable[[Pending, datetime], Verdict | None]

LOOK_AGAIN = timedelta(minutes=15)
DOUBT_PATIENCE = timedelta(minutes=30)
"""How long good news waits to learn whether the bad news was received."""

_ABOUT_AN_OPEN_TICKET = BAD_NEWS | {
    MessageStage.VISIT_NONE_FREE,
    MessageStage.CALL_PROMISED,
    MessageStage.NO_TECHNICIAN,
    MessageStage.CALL_WANTED,
}
_VISIT_MUST_BE = {
    MessageStage.VISIT_OFFER: {VisitState.OFFERED},
    MessageStage.VISIT_CONFIRMED: {VisitState.ACCEPTED, VisitState.EN_ROUTE},
    MessageStage.ON_THE_WAY: {VisitState.EN_ROUTE},
    MessageStage.VISIT_CANCELLED: {VisitState.CANCELLED},
}
_GOOD_NEWS = frozenset({MessageStage.RESOLVED, MessageStage.FALSE_ALARM})
_ONLY_TO_THOSE_TOLD = _GOOD_NEWS | {MessageStage.VISIT_CANCELLED}
_ANSWERS = frozenset(
    {
        MessageStage.CALL_PROMISED,
        MessageStage.OPTED_OUT,
        MessageStage.OPTED_IN,
        MessageStage.ACKNOWLEDGED,
        MessageStage.AWAY,
        MessageStage.WRONG_PERSON,
    }
)
"""Answers to somebody who has just written to us."""
_CANNOT_WAIT = _ANSWERS | {MessageStage.ON_THE_WAY}


def release(pending: Pending, *, now: datetime) -> Release:
    """Go, or the first reason not to."""
    for check in STAGES:
        verdict = check(pending, now)
        if verdict is not None:
            return verdict
    channel = open_channels(pending)[0]
    return Go(channel, pending.brief.recipient.address(channel) or "")


def open_channels(pending: Pending) -> list[Channel]:
    """Where this person may and can be reached with this message, best first."""
    person, fixed = pending.brief.recipient, _only_channel(pending)
    wanted = [fixed] if fixed else list(person.channels)
    return [
        channel
        for channel in wanted
        if channel not in pending.refused
        and person.address(channel)
        and (not person.refuses(channel, pending.purpose) or pending.stage is MessageStage.OPTED_OUT)
    ]


def _only_channel(pending: Pending) -> Channel | None:
    """A rung has its own; answers go where the question came from, and good news where the bad news went."""
    if pending.only_channel is not None:
        return pending.only_channel
    if pending.stage in _ANSWERS and "channel" in pending.brief.details:
        return Channel(pending.brief.details["channel"])
    if pending.stage in _ONLY_TO_THOSE_TOLD and pending.brief.opening_state in REACHED:
        return pending.brief.opening_channel
    return None


def still_true(pending: Pending, now: datetime) -> Verdict | None:
    """What it says must be so now, not when it was planned."""
    brief, stage = pending.brief, pending.stage
    if stage in BAD_NEWS and not brief.still_firing:
        return Suppress(Refusal.NO_LONGER_TRUE, "the fault was gone before anybody was told")
    if stage in _ABOUT_AN_OPEN_TICKET and not brief.ticket_open:
        return Suppress(Refusal.NO_LONGER_TRUE, "the ticket is closed")
    if stage in _GOOD_NEWS and brief.ticket_open:
        return Suppress(Refusal.NO_LONGER_TRUE, "the trouble is back")
    states = _VISIT_MUST_BE.get(stage)
    if states is not None and brief.visit_state not in states:
        return Suppress(Refusal.NO_LONGER_TRUE, f"the visit is {brief.visit_state or 'gone'} by now")
    # Who is on the way is so however late.
    dated = states is not None and stage is not MessageStage.ON_THE_WAY
    if dated and brief.visit_end is not None and brief.visit_end < now:
        return Suppress(Refusal.NO_LONGER_TRUE, "the time of that visit has passed")
    return None


def may_reach_customers(pending: Pending, now: datetime) -> Verdict | None:
    """The rule must be live, and nothing ask for quiet, for a customer to be told of a fault."""
    brief = pending.brief
    if pending.stage not in BAD_NEWS:
        return None
    if brief.rule_stage is not Stage.LIVE:
        return Suppress(Refusal.NOT_LIVE, f"the rule is {brief.rule_stage}, so it speaks to no customer")
    if brief.muted:
        return Suppress(Refusal.MUTED, "the device is muted")
    if brief.quiet is None:
        return None
    if brief.quiet.until is None:
        return Suppress(Refusal.KEPT_BACK, brief.quiet.reason)
    # A window may be lifted before its time: look now and then.
    return Hold(min(brief.quiet.until, now + LOOK_AGAIN), Refusal.KEPT_BACK, brief.quiet.reason)


def evidence_fresh(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """Nobody is told of a fault that was old news when we heard of it."""
    brief = pending.brief
    if pending.stage in BAD_NEWS and brief.evidence_age_s > brief.max_evidence_age_s:
        minutes = round(brief.evidence_age_s / 60)
        return Suppress(Refusal.STALE_EVIDENCE, f"the evidence was {minutes} min old when it was received")
    return None


def told_before(pending: Pending, now: datetime) -> Verdict | None:
    """Good news only for those who had the bad news; while nobody knows whether they had, it waits."""
    brief = pending.brief
    if pending.stage not in _ONLY_TO_THOSE_TOLD or brief.opening_state in REACHED or brief.in_contact:
        return None
    unknown = brief.opening_state in {MessageState.SUBMITTING, MessageState.IN_DOUBT}
    if unknown and now - pending.created_at < DOUBT_PATIENCE:
        return Wait("waits to learn whether the first message was received")
    return Suppress(Refusal.NEVER_TOLD, "this person was never told of the trouble")


def consented(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """Nobody is written to against their wish; only the confirmation of that wish goes out."""
    person = pending.brief.recipient
    fixed = _only_channel(pending)
    wanted = [fixed] if fixed else [one for one in person.channels if person.address(one)]
    if not wanted or pending.stage is MessageStage.OPTED_OUT:
        return None
    if all(person.refuses(channel, pending.purpose) for channel in wanted):
        return Suppress(Refusal.OPTED_OUT, "this person asked not to be written to")
    return None


def reachable(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """There must be a channel with an address."""
    if not open_channels(pending):
        return Suppress(Refusal.NO_CHANNEL, "there is no channel left that reaches this person")
    return None


def outside_quiet_hours(pending: Pending, now: datetime) -> Verdict | None:
    """At night only danger, answers, and what would be too late in the morning."""
    brief, person = pending.brief, pending.brief.recipient
    zone = ZoneInfo(person.timezone)
    if person.quiet_hours is None or not person.quiet_hours.holds(now, zone):
        return None
    if brief.severity is Severity.SAFETY or pending.stage in _CANNOT_WAIT:
        return None
    until = person.quiet_hours.release(now, zone)
    if _too_late_by(pending, until):
        return None
    local = until.astimezone(zone)
    return Hold(until, Refusal.QUIET_HOURS, f"waits until {local:%H:%M} so as not to disturb at night")


def _too_late_by(pending: Pending, until: datetime) -> bool:
    start = pending.brief.visit_start
    is_customer = pending.brief.recipient.kind is RecipientKind.CUSTOMER
    return is_customer and pending.stage is MessageStage.VISIT_CONFIRMED and start is not None and start <= until


STAGES: tuple[Check, ...] = (
    still_true,
    may_reach_customers,
    evidence_fresh,
    told_before,
    consented,
    reachable,
    outside_quiet_hours,
)
