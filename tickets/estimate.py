"""What rules would have caused if they had been live: tickets, messages, visits, from recorded episodes alone.

The same playbooks as live, without a database. What depends on people is not known of the past and is taken so: every
device has one owner who can be told at any hour, nobody answers, nobody mutes, no command mends anything that the
recorded telemetry does not show as mended, and no ticket is closed by hand.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.faults import Severity
from tickets.correlator import RELAPSE_WITHIN
from tickets.playbooks import CommandStep, MessageStep, Playbook, VerifyStep, VisitStep
from tickets.steps import AFTER_HEALTHY

COUNTED = (
    "one open ticket per device and family, which later episodes join; a relapse within 30 days reopens it; "
    "messages: one to the owner when the playbook says so and the fault is still there after `hold`, one when it is "
    "over, one when it begins to flap; visits: as the playbook asks, or for a major fault that lasts; not counted: "
    "quiet hours, caps, refusals, mutes, storms, inhibitions, a rule's hours, answers, what commands would have "
    "mended, what comes after the last reading"
)
_MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class Firing:
    """One episode, as tickets see it."""

    rule: str
    device_id: str
    onset: datetime
    at: datetime
    """When it was known: the firing sample's receive time."""
    ended: datetime | None
    severity: Severity
    stale: bool = False
    """The evidence was older than the rule allows when it came in: a ticket, but nobody is contacted."""
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What tickets need to know of a rule."""

    family: str
    playbook: Playbook
    hold: timedelta
    agents_only: bool = False


@dataclass(slots=True)
class Cost:
    """What one rule caused. An attached episode opened no ticket; a message or visit belongs to the ticket's rule."""

    tickets: int = 0
    attached: int = 0
    reopened: int = 0
    messages: int = 0
    visits: int = 0
    commands: int = 0


@dataclass(slots=True)
class _Case:
    """One ticket from opening to its end."""

    firings: list[Firing] = field(default_factory=list)
    ended: datetime | None = None
    """When it resolves; None: not before the recording ends."""


def estimate(firings: Iterable[Firing], terms: Mapping[str, Terms], *, until: datetime) -> dict[str, Cost]:
    """Costs by rule, for every rule in `terms`, up to the end of the recording at `until`. A pure function."""
    costs = {rule: Cost() for rule in terms}
    keyed: dict[tuple[str, str], list[Firing]] = defaultdict(list)
    for firing in firings:
        keyed[firing.device_id, terms[firing.rule].family].append(firing)
    for group in keyed.values():
        before: datetime | None = None
        told_before = False
        for case in _cases(sorted(group, key=lambda one: (one.at, one.rule)), terms):
            relapse = before is not None and case.firings[0].at - before <= RELAPSE_WITHIN
            told_before = _charge(case, costs, terms, told_before=told_before and relapse, relapse=relapse, until=until)
            before = case.ended
    return costs


def _cases(firings: Sequence[Firing], terms: Mapping[str, Terms]) -> Iterator[_Case]:
    """Episodes of one key, cut where the ticket had resolved before the next began."""
    case = _Case()
    for firing in firings:
        if case.firings and case.ended is not None and firing.at > case.ended:
            yield case
            case = _Case()
        case.firings.append(firing)
        ends = [one.ended for one in case.firings]
        healthy_for = timedelta(seconds=terms[case.firings[0].rule].playbook.healthy_for_s)
        case.ended = None if None in ends else max(end for end in ends if end is not None) + healthy_for
    if case.firings:
        yield case


def _charge(
    case: _Case,
    costs: dict[str, Cost],
    terms: Mapping[str, Terms],
    *,
    told_before: bool,
    relapse: bool,
    until: datetime,
) -> bool:
    """Add what one ticket costs; whether its customer knows of it."""
    lead = case.firings[0]
    mine, rule = costs[lead.rule], terms[lead.rule]
    if relapse:
        mine.reopened += 1
    else:
        mine.tickets += 1
    for firing in case.firings[1:]:
        costs[firing.rule].attached += 1
    if rule.agents_only or lead.stale:
        return told_before
    first = rule.playbook.first_hand() if told_before else 0
    told, visit_at = _follow(case, rule, mine, first=first, until=until)
    mine.visits += any(at is not None and at <= until for at in (visit_at, _lasting_visit(case, rule)))
    if told:
        over = case.ended is not None and case.ended <= until
        mine.messages += 1 + over + any(firing.flapping for firing in case.firings)
    return told or told_before


def _follow(case: _Case, rule: Terms, cost: Cost, *, first: int, until: datetime) -> tuple[bool, datetime | None]:
    """Walk the playbook from step `first` on: whether the customer is told, and when a visit is asked for."""
    at: datetime | None = case.firings[0].at
    told = False
    for number in range(first, first + _MAX_STEPS):
        step = rule.playbook.step(number)
        at = _when_firing(case, at, rule) if at is not None else None
        if step is None or at is None or at > until:
            break
        match step:
            case CommandStep():
                cost.commands += 1
            case VerifyStep(for_s):
                at += timedelta(seconds=for_s)
            case MessageStep(wait_s):
                told = told or _still_there(case, at + rule.hold)
                at += timedelta(seconds=rule.playbook.visit.after_s if wait_s is None else wait_s)
            case VisitStep():
                return told, at
    return told, None


def _when_firing(case: _Case, at: datetime, rule: Terms) -> datetime | None:
    """When a step that is due at `at` is done: while telemetry is healthy it waits; None if the ticket ends first."""
    for _ in case.firings:
        if any(one.at <= at and (one.ended is None or at < one.ended) for one in case.firings):
            return at
        healthy_since = max(
            (one.ended for one in case.firings if one.ended is not None and one.ended <= at), default=at
        )
        at = max(at, healthy_since + timedelta(seconds=rule.playbook.healthy_for_s)) + AFTER_HEALTHY
        if case.ended is not None and at >= case.ended:
            return None
    return at


def _still_there(case: _Case, at: datetime) -> bool:
    """Whether the fault is there at `at`, or comes back to the same ticket later: then the message goes out."""
    return any(one.ended is None or one.ended > at for one in case.firings)


def _lasting_visit(case: _Case, rule: Terms) -> datetime | None:
    """When a grave fault has lasted so long that a visit comes without being asked for."""
    after = timedelta(seconds=rule.playbook.visit.after_s)
    for firing in case.firings:
        grave = any(one.severity.rank >= Severity.MAJOR.rank for one in case.firings if one.at <= firing.at)
        due = max(firing.at, firing.onset + after)
        if grave and not firing.stale and (firing.ended is None or firing.ended > due):
            return due
    return None
