"""Stages of a message's release that brake: too many people of one cause, or too much money for one day. Pure.

Danger passes both. Who has been told already is not counted twice: another rung, or another try, passes too.
"""

from datetime import datetime, timedelta

from domain.brakes import Brakes, CauseState
from domain.messages import RecipientKind, Refusal
from domain.outbox import Pending
from notify.verdicts import Hold, Suppress, Verdict
from notify.wishes import open_channels, would_be_late

LOOK_AGAIN = timedelta(minutes=15)


def approved(pending: Pending, now: datetime) -> Verdict | None:
    """Where many people would hear of one cause, a person has to agree."""
    if not pending.counts:
        return None
    for cause in pending.brief.brakes.causes:
        if cause.state is CauseState.DECLINED:
            return Suppress(Refusal.AWAITING_APPROVAL, f"declined: {cause.decided}")
        if cause.told >= pending.brief.brakes.limit and cause.state is not CauseState.APPROVED:
            why = f"more than {pending.brief.brakes.limit} people would hear of one cause, {cause.name}"
            return Hold(now + LOOK_AGAIN, Refusal.AWAITING_APPROVAL, f"{why}: a person has to agree")
    return None


def affordable(pending: Pending, now: datetime) -> Verdict | None:
    """Above the ceiling of a day what costs something and can wait does so until the next; it may pass the ceiling by
    what is under way. The desk is told at once: it is who can help."""
    brakes, to_desk = pending.brief.brakes, pending.brief.recipient.kind is RecipientKind.DISPATCHER
    until = brakes.tomorrow or now + LOOK_AGAIN
    if pending.goes_at_any_price or to_desk or would_be_late(pending, until) or not _costs(pending, brakes):
        return None
    for purse in brakes.purses:
        if purse.amount >= purse.ceiling:
            return Hold(until, Refusal.COST, f"today's ceiling of {purse.ceiling:g} for {purse.scope} is reached")
    return None


def _costs(pending: Pending, brakes: Brakes) -> bool:
    return any(brakes.prices.of(channel) > 0 for channel in open_channels(pending)[:1])
