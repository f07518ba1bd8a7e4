"""Why: one true sentence for each state that a message may be in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.messages import REACHED, Channel, MessageStage, MessageState
from notify.why import Facts, why, why_nothing
from tests.fakes.briefs import NOW, brief

ALICE = brief().recipient
TOLD = Facts(
    stage=MessageStage.OPENING,
    state=MessageState.DELIVERED,
    reason="",
    person=ALICE,
    role="owner",
    device_id="hp-1",
    rule="overheat",
    channel=Channel.SMS,
    at=NOW,
)


def test_who_was_told_was_told_for_a_reason_on_a_channel_at_an_hour():
    assert why(TOLD) == (
        "Alice Martin was told because rule overheat fired and hp-1 concerns them as its owner; SMS is their first "
        "choice; 14:20 on their clock is outside their quiet hours."
    )
    at_night = replace(TOLD, at=NOW + timedelta(hours=9), channel=Channel.WEBHOOK)
    assert why(at_night).endswith(
        "it went by their connected app; 23:20 on their clock is within their quiet hours, which this could not wait "
        "for."
    )
    assert "it left at 14:20" in why(replace(TOLD, person=replace(ALICE, quiet_hours=None)))


@pytest.mark.parametrize("state", list(MessageState))
@pytest.mark.parametrize("reason", ["", "the device is muted"])
def test_every_message_can_say_why(state, reason):
    for stage in MessageStage:
        _check(why(replace(TOLD, stage=stage, state=state, reason=reason)), state, reason)


def _check(said, state, reason):
    assert said.startswith("Alice Martin ")
    assert said.endswith(".")
    if state in REACHED:
        assert " because " in said
    elif reason:
        assert said.endswith(": the device is muted.")
    else:
        # Why it was to be said is no reason why it was not.
        assert (" because " in said) is (state in {MessageState.READY, MessageState.HELD, MessageState.SUBMITTING})


@pytest.mark.parametrize("stage", list(MessageStage))
def test_the_reason_is_a_sentence_and_not_the_name_of_a_moment(stage):
    said = why(replace(TOLD, stage=stage))
    assert f"because {stage.replace('_', ' ')}" not in said
    assert " is for them" not in said


def test_for_whom_nothing_was_planned_there_is_a_reason_too():
    assert why_nothing("Bob", reasons=["a", "a", "b"]) == "Bob was told nothing: a; b."
