"""What a provider's answer, or its silence, means for a message. Pure: policies of retry, doubt and fallback."""

import random
from datetime import datetime

from domain.delivery import Accepted, ChannelRefused, Ended, InDoubt, NotTaken, Postponed, Step, Unknown
from domain.errors import DeliveryError
from domain.faults import Severity
from domain.messages import MessageState, Refusal, Retry
from domain.outbox import Pending, Receipt
from notify.channels.base import ChannelAdapter
from notify.release import open_channels

ASK_AGAIN_S = 5.0
FIRST_QUESTION_S = 1.0
DOUBT_RESENDS = 1
BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)
"""Real seconds before the second, third … submission; after the last the message is given up."""

_CHANNEL_REFUSED = frozenset(
    {Refusal.BAD_ADDRESS, Refusal.OPTED_OUT, Refusal.MISCONFIGURED, Refusal.NEEDS_TEMPLATE, Refusal.UNREACHABLE}
)
"""Not this way; another may do."""
_SLOW_DOWN = {"20429": 5.0, "21611": 30.0}
"""Twilio's words for "this sender sends too much", and real seconds until it may go on; Retry-After says it better."""


def expired(pending: Pending, *, now: datetime) -> Ended | None:
    """What came too late to be of use goes out no more, whoever's fault that is."""
    if pending.expires_at is None or now < pending.expires_at:
        return None
    return Ended(MessageState.EXPIRED, Refusal.EXPIRED, f"it was of use until {pending.expires_at:%Y-%m-%d %H:%M} UTC")


def after_refusal(pending: Pending, adapter: ChannelAdapter, error: DeliveryError) -> Step:
    """`adapter` did not take the submission that was made of `pending`, or nobody knows."""
    reason = str(error)
    if error.retry is Retry.LOOK_UP:
        if not (adapter.look_up_after_s or adapter.authoritative or adapter.repeatable):
            return doubtful(pending, reason, tries=pending.tries + 1)
        return Unknown(_first_pause_s(pending, adapter), reason)
    if error.retry is Retry.SAFE:
        return _later(pending, error)
    if error.refusal in _CHANNEL_REFUSED and len(open_channels(pending)) > 1:
        return ChannelRefused(error.refusal, reason)
    return Ended(MessageState.FAILED, error.refusal, reason)


def _first_pause_s(pending: Pending, adapter: ChannelAdapter) -> float:
    """Until the provider is asked; where it cannot be, until it is posted again to who may be out of breath."""
    if adapter.look_up_after_s or adapter.authoritative:
        return (*adapter.look_up_after_s, FIRST_QUESTION_S)[0]
    return BACKOFF_S[min(pending.tries, len(BACKOFF_S) - 1)]


def _later(pending: Pending, error: DeliveryError) -> Step:
    if pending.tries >= len(BACKOFF_S):
        reason = f"given up after {pending.tries + 1} tries: {error}"
        return Ended(MessageState.DEAD, error.refusal, reason)
    # Tenths of jitter, so that a thousand messages do not come back in one second.
    pause = max(BACKOFF_S[pending.tries] * random.uniform(0.9, 1.1), error.retry_after_s or 0.0)
    limited = error.refusal is Refusal.RATE_LIMITED
    slow_s = (error.retry_after_s or _SLOW_DOWN.get(error.code, 0.0)) if limited else 0.0
    return Postponed(pause, str(error), error.refusal, slow_s=slow_s)


def doubtful(pending: Pending, reason: str, *, tries: int) -> Step:
    """It may have gone out, and nobody will ever tell. What is about danger is sent again, once, with the same link
    in it, so that a person sees that the two are one; anything else takes another channel, or waits for a person.
    `tries`: how many submissions there were.
    """
    danger = pending.brief.severity is Severity.SAFETY
    if danger and tries <= DOUBT_RESENDS:
        return NotTaken(f"{reason}; as it is about danger, it is sent again")
    if len(open_channels(pending)) > 1:
        return ChannelRefused(Refusal.UNKNOWN_OUTCOME, f"{reason}; it takes another channel")
    return InDoubt(reason)


def after_look_up(pending: Pending, adapter: ChannelAdapter, found: Receipt | None) -> Step:
    """The provider was asked about the last submission of `pending`; None: it does not have it."""
    if found is not None:
        return Accepted(found, pending.attempt, by_look_up=True)
    if pending.look_ups < len(adapter.look_up_after_s):
        pause = adapter.look_up_after_s[pending.look_ups]
        return Unknown(pause, "the provider has not got it yet", asked=True)
    if pending.tries > len(BACKOFF_S):
        reason = f"given up: {pending.tries} submissions never arrived"
        return Ended(MessageState.DEAD, Refusal.UNREACHABLE, reason)
    if adapter.authoritative:
        return NotTaken("the provider never got it; it is sent again")
    if adapter.repeatable:
        return NotTaken("who has it already takes it once; it is sent again")
    return doubtful(pending, f"{adapter.provider} cannot say whether it took the message", tries=pending.tries)
