"""Why a person got a message, or did not: one sentence from what is known of it, for agents and for REST."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.messages import ANSWERS, BAD_NEWS, GOOD_NEWS, REACHED, Channel, MessageStage, MessageState
from domain.people import Recipient

_NAMES = {
    Channel.SMS: "SMS",
    Channel.EMAIL: "e-mail",
    Channel.VOICE: "a call",
    Channel.WHATSAPP: "WhatsApp",
    Channel.PUSH: "a push notification",
    Channel.WEBHOOK: "their connected app",
    Channel.LETTER: "a letter",
}
_CAUSES = {
    MessageStage.VISIT_CONFIRMED: "a technician will come to them",
    MessageStage.VISIT_NONE_FREE: "they wait for a visit and nobody is free yet",
    MessageStage.ON_THE_WAY: "the technician has set out to them",
    MessageStage.DIGEST: "what was kept back for them is told in one message",
    MessageStage.VISIT_OFFER: "the visit is offered to them",
    MessageStage.VISIT_CANCELLED: "a visit of theirs is called off",
    MessageStage.NO_TECHNICIAN: "a visit is wanted and nobody can be sent",
    MessageStage.CALL_WANTED: "a customer waits for their call",
    MessageStage.NOBODY_REACHABLE: "no customer can be reached about it",
    MessageStage.APPROVAL_WANTED: "many people would hear of one cause, and a person has to agree",
    MessageStage.COST_CEILING: "messages have cost much today",
    MessageStage.TEMPLATE_BROKEN: "the words of a message failed",
}
_RANKS = ("first", "second", "third", "fourth", "fifth")
_ON_THEIR_WAY = {
    MessageState.READY: "is about to be told",
    MessageState.HELD: "is told later",
    MessageState.SUBMITTING: "is being told at this moment",
}
_NOT_TOLD = {
    MessageState.IN_DOUBT: "may or may not have been told",
    MessageState.SUPPRESSED: "was not told",
    MessageState.SUPERSEDED: "was not told this",
    MessageState.EXPIRED: "was not told in time",
    MessageState.UNDELIVERED: "could not be told",
    MessageState.FAILED: "could not be told",
    MessageState.DEAD: "could not be told",
}
_UNSAID = {
    MessageState.IN_DOUBT: "the provider can neither confirm nor deny it",
    MessageState.SUPPRESSED: "it was kept back",
    MessageState.SUPERSEDED: "something newer had made it needless",
    MessageState.EXPIRED: "by then it was of no use any more",
    MessageState.UNDELIVERED: "the provider could not deliver it",
    MessageState.FAILED: "the provider turned it down",
    MessageState.DEAD: "every way that we know has failed",
}
"""What is so of each state, for a message beside which nothing is written."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one message."""

    stage: MessageStage
    state: MessageState
    reason: str
    """What the sender wrote beside the state; empty where all went well."""
    person: Recipient
    role: str
    """What the person is to the device."""
    device_id: str
    rule: str
    channel: Channel | None = None
    at: datetime | None = None
    """When the provider took it."""


def why(facts: Facts) -> str:
    """The sentence. It ends in a full stop and never is empty."""
    who = facts.person.name or facts.person.id
    if facts.state in REACHED:
        return f"{who} was told because {_cause(facts)}{_way(facts)}{_hour(facts)}."
    if facts.state in _NOT_TOLD:
        return f"{who} {_NOT_TOLD[facts.state]}: {facts.reason.rstrip('.') or _UNSAID[facts.state]}."
    said = _ON_THEIR_WAY[facts.state]
    return f"{who} {said}: {facts.reason.rstrip('.')}." if facts.reason else f"{who} {said}, because {_cause(facts)}."


def why_nothing(who: str, *, reasons: Sequence[str]) -> str:
    """For a person for whom no message was ever planned."""
    return f"{who} was told nothing: {'; '.join(dict.fromkeys(reasons))}."


def _cause(facts: Facts) -> str:
    theirs = f"{facts.device_id} concerns them as its {facts.role}" if facts.device_id else "it concerns them"
    if facts.stage in BAD_NEWS:
        return f"rule {facts.rule} fired and {theirs}" if facts.rule else theirs
    if facts.stage in GOOD_NEWS:
        return "it is over and they had been told of it"
    if facts.stage in ANSWERS:
        return "they had written to us"
    return _CAUSES.get(facts.stage, "it concerns them")


def _way(facts: Facts) -> str:
    if facts.channel is None:
        return ""
    name, liked = _NAMES.get(facts.channel, str(facts.channel)), list(facts.person.channels)
    if facts.channel not in liked[: len(_RANKS)]:
        return f"; it went by {name}"
    return f"; {name} is their {_RANKS[liked.index(facts.channel)]} choice"


def _hour(facts: Facts) -> str:
    if facts.at is None:
        return ""
    zone, hours = ZoneInfo(facts.person.timezone), facts.person.quiet_hours
    at = f"{facts.at.astimezone(zone):%H:%M}"
    if hours is None:
        return f"; it left at {at} on their clock"
    within = hours.holds(facts.at, zone)
    how = "within their quiet hours, which this could not wait for" if within else "outside their quiet hours"
    return f"; {at} on their clock is {how}"
