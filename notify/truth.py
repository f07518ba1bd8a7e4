"""Whether a message is still true, fresh, and news to its recipient: first of all at its release."""

from datetime import datetime, timedelta

from domain.faults import Stage
from domain.messages import BAD_NEWS, GOOD_NEWS, REACHED, MessageStage, MessageState, Refusal
from domain.outbox import Pending
from domain.tickets import VisitState
from notify.verdicts import Check, Hold, Suppress, Verdict, Wait

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
ONLY_TO_THOSE_TOLD = GOOD_NEWS | {MessageStage.VISIT_CANCELLED}


def still_true(pending: Pending, now: datetime) -> Verdict | None:
    """What it says must be so now, not when it was planned."""
    brief, stage = pending.brief, pending.stage
    if stage in BAD_NEWS and not brief.still_firing:
        return Suppress(Refusal.NO_LONGER_TRUE, "the fault was gone before anybody was told")
    if stage in _ABOUT_AN_OPEN_TICKET and not brief.ticket_open:
        return Suppress(Refusal.NO_LONGER_TRUE, "the ticket is closed")
    if stage in GOOD_NEWS and brief.ticket_open:
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


def theirs(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """Nobody is told of what they said is not theirs; only that this was understood."""
    if pending.brief.disowned and pending.stage is not MessageStage.WRONG_PERSON:
        return Suppress(Refusal.WRONG_PERSON, "this person said that it is not theirs")
    return None


def told_before(pending: Pending, now: datetime) -> Verdict | None:
    """Good news only for those who had the bad news; while nobody knows whether they had, it waits."""
    brief = pending.brief
    if pending.stage not in ONLY_TO_THOSE_TOLD or brief.opening_state in REACHED or brief.in_contact:
        return None
    unknown = brief.opening_state in {MessageState.SUBMITTING, MessageState.IN_DOUBT}
    if unknown and now - pending.created_at < DOUBT_PATIENCE:
        return Wait("waits to learn whether the first message was received")
    return Suppress(Refusal.NEVER_TOLD, "this person was never told of the trouble")


TRUTH: tuple[Check, ...] = (still_true, may_reach_customers, evidence_fresh, theirs, told_before)


def true_parts(pending: Pending, now: datetime) -> tuple[Pending, ...]:
    """Of a summary: what in it is still so, and news to this person."""
    return tuple(part for part in pending.brief.parts if all(check(part, now) is None for check in TRUTH))


def something_to_say(pending: Pending, now: datetime) -> Verdict | None:
    """A summary of nothing is not sent."""
    if pending.brief.parts and not true_parts(pending, now):
        return Suppress(Refusal.NO_LONGER_TRUE, "nothing that would have stood in it is still so")
    return None
