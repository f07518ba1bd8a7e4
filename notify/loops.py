"""Whether it is a machine that answers us: then we do not answer back, or two machines would talk for ever. Pure.

Twilio itself stops at 30 answers in 30 seconds between two numbers (error 14107); this is far earlier.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.phrases import words

WITHIN = timedelta(minutes=10)
SAME = 3
"""The same text so often within that time."""
MANY = 10
"""More messages than that within that time."""
ECHOED = 4
"""Words at least of ours that come back, for it to be an echo and not somebody's "thank you"."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that came from there before."""

    at: datetime
    text: str


def loop(text: str, *, before: Sequence[Heard], ours: Collection[str], now: datetime) -> str:
    """Why this looks like a machine; empty if it does not. `ours` is what we last wrote to them."""
    recent = [one for one in before if now - one.at <= WITHIN]
    said = words(text)
    if len(recent) >= MANY:
        return f"more than {MANY} messages in {WITHIN.seconds // 60} minutes"
    if 1 + sum(words(one.text) == said for one in recent) >= SAME:
        return f"the same text {SAME} times in {WITHIN.seconds // 60} minutes"
    if len(said) >= ECHOED and any(said == words(one) for one in ours):
        return "our own words came back"
    return ""
