"""Whether a message may go out now: truth, consent, reach, caps and the hour are checked afresh at its release.

Pure. Each stage of the list lets the message pass or answers with a named reason; the first answer stands.
"""

from collections.abc import Sequence
from datetime import datetime

from domain.faults import Severity
from domain.messages import Refusal
from domain.outbox import Pending
from notify.brakes import affordable, approved
from notify.ladder import still_wanted
from notify.truth import TRUTH, something_to_say, true_parts
from notify.verdicts import Check, Fold, Go, Hold, Release, Suppress, Wait
from notify.wishes import (
    at_home,
    consented,
    open_channels,
    outside_quiet_hours,
    reachable,
    wanted_at_once,
    within_cap,
)

__all__ = ["STAGES", "Fold", "Go", "Hold", "Release", "Suppress", "Wait", "open_channels", "release"]

STAGES: tuple[Check, ...] = (
    *TRUTH,
    something_to_say,
    still_wanted,
    consented,
    reachable,
    at_home,
    wanted_at_once,
    outside_quiet_hours,
    within_cap,
    approved,
    affordable,
)
YIELD_TO_DANGER = frozenset({at_home, wanted_at_once, outside_quiet_hours, within_cap})
"""What a warning of danger passes over; each time it does is noted. No wish is among them."""


def release(pending: Pending, *, now: datetime, stages: Sequence[Check] = STAGES) -> Release:
    """Go, or the first reason not to."""
    overrides: list[Refusal] = []
    for check in stages:
        verdict = check(pending, now)
        if verdict is None:
            continue
        if isinstance(verdict, Wait) or check not in YIELD_TO_DANGER or not _is_danger(pending):
            return verdict
        overrides.append(verdict.refusal)
    channel = open_channels(pending)[0]
    parts = tuple(part.id for part in true_parts(pending, now))
    return Go(channel, pending.brief.recipient.address(channel) or "", tuple(overrides), parts)


def _is_danger(pending: Pending) -> bool:
    return pending.brief.severity is Severity.SAFETY
