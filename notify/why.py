"""Why a person got a message, or did not: one sentence from what is known of it, for agents and for REST."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.messages import ANSWERS, BAD_NEWS, GOOD_NEWS, REACHED, Channel, MessageStage, MessageState
from domain.people import Recipient

_NAMES = {Channel.SMS: "SMS", Channel.EMAIL: "e-mail", Channel.VOICE: "a call", Channel.WHATSAPP: "WhatsApp"}
_RANKS = ("first", "second", "third", "fourth", "fifth")
_STATES = {
    MessageState.READY: "is about to be told",
    MessageState.HELD: "is told later",
    MessageState.SUBMITTING: "is being told at this moment",
    MessageState.IN_DOUBT: "may have been told: the provider can neither confirm nor deny it",
    MessageState.SUPPRESSED: "was not told",
    MessageState.SUPERSEDED: "was not told this",
    MessageState.EXPIRED: "was not told in time",
    MessageState.UNDELIVERED: "could not be told",
    MessageState.FAILED: "could not be told",
    MessageState.DEAD: "could not be told",
}


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
    said = _STATES[facts.state]
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
    if facts.stage is MessageStage.DIGEST:
        return "several things had come together for one message"
    return f"{facts.stage.replace('_', ' ')} is for them"


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
