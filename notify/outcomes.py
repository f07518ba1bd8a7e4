"""What a provider's answer, or its silence, means for a message. Pure: policies of retry, doubt and fallback."""

import random

from domain.delivery import Accepted, ChannelRefused, Ended, InDoubt, NotTaken, Postponed, Step, Unknown
from domain.errors import DeliveryError
from domain.messages import MessageState, Refusal, Retry
from domain.outbox import Pending, Receipt
from notify.channels.base import ChannelAdapter
from notify.release import open_channels

ASK_AGAIN_S = 5.0
FIRST_QUESTION_S = 1.0
BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)
"""Real seconds before the second, third … submission; after the last the message is given up."""

_CHANNEL_REFUSED = frozenset({Refusal.BAD_ADDRESS, Refusal.OPTED_OUT, Refusal.NEEDS_TEMPLATE, Refusal.UNREACHABLE})
"""Not this way; another may do."""


def after_refusal(pending: Pending, adapter: ChannelAdapter, error: DeliveryError) -> Step:
    """`adapter` did not take the submission that was made of `pending`, or nobody knows."""
    reason = str(error)
    if error.retry is Retry.LOOK_UP:
        if not (adapter.look_up_after_s or adapter.authoritative or adapter.repeatable):
            return InDoubt(reason)
        return Unknown((*adapter.look_up_after_s, FIRST_QUESTION_S)[0], reason)
    if error.retry is Retry.SAFE:
        return _later(pending, error)
    if error.refusal in _CHANNEL_REFUSED and len(open_channels(pending)) > 1:
        return ChannelRefused(error.refusal, reason)
    return Ended(MessageState.FAILED, error.refusal, reason)


def _later(pending: Pending, error: DeliveryError) -> Step:
    if pending.attempt >= len(BACKOFF_S):
        reason = f"given up after {pending.attempt + 1} tries: {error}"
        return Ended(MessageState.DEAD, error.refusal, reason)
    # Tenths of jitter, so that a thousand messages do not come back in one second.
    pause = max(BACKOFF_S[pending.attempt] * random.uniform(0.9, 1.1), error.retry_after_s or 0.0)
    return Postponed(pause, str(error), error.refusal)


def after_look_up(pending: Pending, adapter: ChannelAdapter, found: Receipt | None) -> Step:
    """The provider was asked about the last submission of `pending`; None: it does not have it."""
    if found is not None:
        return Accepted(found, pending.attempt, by_look_up=True)
    if pending.look_ups < len(adapter.look_up_after_s):
        pause = adapter.look_up_after_s[pending.look_ups]
        return Unknown(pause, "the provider has not got it yet", asked=True)
    if pending.attempt > len(BACKOFF_S):
        reason = f"given up: {pending.attempt} submissions never arrived"
        return Ended(MessageState.DEAD, Refusal.UNREACHABLE, reason)
    if adapter.authoritative:
        return NotTaken("the provider never got it; it is sent again")
    if adapter.repeatable:
        return NotTaken("who has it already takes it once; it is sent again")
    return InDoubt(f"{adapter.provider} cannot say whether it took the message")
