"""Policies after a provider's answer, or its silence."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.delivery import ChannelRefused, Ended, InDoubt, Lane, NotTaken, Postponed, lane_of, of_use_until
from domain.errors import DeliveryError
from domain.faults import Severity
from domain.messages import ANSWERS, Channel, MessageStage, MessageState, Refusal, Retry
from notify.outcomes import BACKOFF_S, after_refusal, doubtful, expired
from tests.fakes.briefs import NOW, pending


class Relay:
    """Can be asked nothing."""

    channel, provider, sender = Channel.EMAIL, "relay", "care@thermia.example"
    patience_s, look_up_after_s, authoritative, repeatable = 1.0, (), False, False


UNKNOWN = DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)


def with_channels(message, *channels):
    recipient = replace(message.brief.recipient, channels=channels)
    return replace(message, brief=replace(message.brief, recipient=recipient))


def test_in_doubt_about_danger_it_is_sent_once_more_and_no_more():
    danger = with_channels(pending(severity=Severity.SAFETY), Channel.EMAIL)
    assert isinstance(after_refusal(danger, Relay(), UNKNOWN), NotTaken)
    assert isinstance(after_refusal(replace(danger, attempt=1), Relay(), UNKNOWN), InDoubt)
    assert isinstance(doubtful(replace(danger, attempt=1), "?", tries=1), NotTaken)


def test_in_doubt_about_anything_else_another_channel_is_taken_or_a_person_asked():
    routine = pending()
    step = after_refusal(with_channels(routine, Channel.EMAIL, Channel.SMS), Relay(), UNKNOWN)
    assert step == ChannelRefused(Refusal.UNKNOWN_OUTCOME, "unknown_outcome; it takes another channel")
    assert after_refusal(with_channels(routine, Channel.EMAIL), Relay(), UNKNOWN) == InDoubt("unknown_outcome")


def test_who_answers_with_errors_is_posted_to_less_and_less_often():
    connector = Relay()
    connector.repeatable = True
    steps = [after_refusal(replace(pending(), attempt=tries), connector, UNKNOWN) for tries in range(9)]
    assert [step.after_s for step in steps] == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]


def test_what_is_wrong_with_us_takes_another_channel_or_fails_and_is_never_repeated():
    ours = DeliveryError(Refusal.MISCONFIGURED, retry=Retry.NEVER, detail="21606")
    assert isinstance(after_refusal(pending(), Relay(), ours), ChannelRefused)
    alone = after_refusal(with_channels(pending(), Channel.SMS), Relay(), ours)
    assert (alone.state, alone.refusal) == (MessageState.FAILED, Refusal.MISCONFIGURED)


@pytest.mark.parametrize(
    ("code", "retry_after_s", "slow_s"), [("20429", 7.0, 7.0), ("21611", None, 30.0), ("", None, 0)]
)
def test_who_is_told_to_slow_down_slows_the_sender_down(code, retry_after_s, slow_s):
    error = DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE, code=code, retry_after_s=retry_after_s)
    step = after_refusal(pending(), Relay(), error)
    assert isinstance(step, Postponed)
    assert step.slow_s == slow_s
    assert step.after_s >= (retry_after_s or 0)


def test_a_person_who_sends_it_again_gives_it_all_its_tries_again():
    error = DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE)
    spent = replace(pending(), attempt=len(BACKOFF_S))
    assert after_refusal(spent, Relay(), error).state is MessageState.DEAD
    assert isinstance(after_refusal(replace(spent, forgiven=spent.attempt), Relay(), error), Postponed)


def test_what_came_too_late_is_said_no_more():
    late = replace(pending(), expires_at=NOW)
    assert expired(replace(late, expires_at=NOW + timedelta(seconds=1)), now=NOW) is None
    assert expired(pending(), now=NOW) is None
    step = expired(late, now=NOW)
    assert isinstance(step, Ended)
    assert (step.state, step.refusal) == (MessageState.EXPIRED, Refusal.EXPIRED)


def test_an_answer_goes_soon_and_is_of_use_for_a_day_and_a_word_after_stop_for_minutes():
    for stage in ANSWERS - {MessageStage.AGENT_REPLY, MessageStage.OPTED_OUT}:
        assert lane_of(stage, Severity.MINOR) is Lane.SOON
        assert of_use_until(stage, now=NOW) == NOW + timedelta(days=1)
    assert of_use_until(MessageStage.OPTED_OUT, now=NOW) == NOW + timedelta(minutes=5)
    assert of_use_until(MessageStage.AGENT_REPLY, now=NOW) is None
