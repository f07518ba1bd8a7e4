"""The customer's page: their situation in their words, what was done, what comes next, and one main button."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.views import times
from api.views.customer_words import LANGUAGES
from api.views.phrases import first_upper, said
from api.views.states import Pill
from domain.faults import Severity
from domain.tickets import OPEN_STATES, CommandState, TicketState, VisitState

BUSY = frozenset({VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED})


@dataclass(frozen=True, slots=True)
class Visiting:
    """The visit that counts: the newest one that was accepted."""

    state: VisitState
    who: str
    start: datetime
    end: datetime
    arrived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """The newest device command."""

    name: str
    title: Mapping[str, Any]
    state: CommandState
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page is written from."""

    state: TicketState
    severity: Severity
    title: Mapping[str, Any]
    noun: Mapping[str, Any]
    says: Mapping[str, Any]
    notice: Mapping[str, Any]
    product: Mapping[str, Any]
    onset: datetime
    healthy_since: datetime | None
    firing: bool
    false_alarm: bool
    call_wanted: bool
    closed_by: str | None
    phone: str | None
    visit: Visiting | None
    tried: Tried | None


@dataclass(frozen=True, slots=True)
class Story:
    """What the template shows. `main` and `others` name the buttons: send, call, fixed."""

    headline: str
    pill: Pill
    lead: str
    danger: str
    notice: str
    done: Sequence[str]
    next: str
    main: str
    others: Sequence[str]
    small: Sequence[tuple[str, str]]
    """(question, button) pairs in small print."""
    over: bool


def tell(facts: Facts, *, language: str, zone: ZoneInfo, now: datetime) -> Story:
    """The page in `language`, with times in the customer's zone."""
    words, noun = LANGUAGES[language], said(facts.noun, language, default=_any_noun(language))
    over = facts.state not in OPEN_STATES
    danger = facts.severity is Severity.SAFETY and not over
    lead = (said(facts.product, language), words["noticed_at"].format(at=_at(facts.onset, language, zone, now)))
    main, others, small = _buttons(facts, over=over, words=words)
    return Story(
        headline=_headline(facts, words, noun, language, over=over),
        pill=_pill(facts, words, over=over),
        lead=" · ".join(part for part in lead if part),
        danger=words["danger"] if danger else "",
        notice="" if over else said(facts.notice, language) or words["notice_none"].format(noun=noun),
        done=_done(facts, words, language, zone, now),
        next=_next(facts, words, noun, language, zone, now),
        main=main,
        others=others,
        small=small,
        over=over,
    )


def _headline(facts: Facts, words: Mapping[str, str], noun: str, language: str, *, over: bool) -> str:
    if facts.false_alarm:
        return words["misled"].format(noun=noun)
    if over:
        proven = facts.healthy_since is not None or facts.closed_by == "customer"
        return words["runs" if proven else "checked"].format(noun=noun)
    predicate = said(facts.says, language)
    if predicate:
        return f"{words['your'].format(noun=noun)} {predicate}"
    return first_upper(said(facts.title, language))


def _pill(facts: Facts, words: Mapping[str, str], *, over: bool) -> Pill:
    if over:
        return Pill("good", words["pill_over"])
    if facts.severity is Severity.SAFETY:
        return Pill("alarm", words["pill_danger"])
    if facts.visit and facts.visit.state is VisitState.EN_ROUTE:
        return Pill("calm", words["pill_way"])
    if facts.visit and facts.visit.state in {VisitState.ACCEPTED, *BUSY}:
        return Pill("calm", words["pill_coming"])
    if facts.healthy_since and not facts.firing:
        return Pill("good", words["pill_healthy"])
    if facts.state is TicketState.PENDING_AGENT and facts.call_wanted:
        return Pill("calm", words["pill_call"])
    if facts.state is TicketState.PENDING_DEVICE:
        return Pill("calm", words["pill_trying"])
    return Pill("calm", words["pill_small"]) if facts.severity is Severity.INFO else Pill("watch", words["pill_look"])


def _done(facts: Facts, words: Mapping[str, str], language: str, zone: ZoneInfo, now: datetime) -> list[str]:
    found: list[str] = []
    if facts.tried:
        key = "done_restart" if facts.tried.name == "restart" else "done_command"
        title = said(facts.tried.title, language, default=facts.tried.name)
        found.append(words[key].format(at=_at(facts.tried.at, language, zone, now), title=title))
        found.append(words[_outcome(facts, facts.tried)])
    if facts.visit and facts.visit.arrived_at and facts.visit.state is VisitState.COMPLETED:
        arrived = _at(facts.visit.arrived_at, language, zone, now)
        found.append(words["done_visit"].format(who=facts.visit.who or words["technician"], at=arrived))
    if facts.false_alarm:
        found.append(words["done_sorry"])
    return found or [words["done_nothing"]]


def _outcome(facts: Facts, tried: Tried) -> str:
    if tried.state in {CommandState.FAILED, CommandState.TIMED_OUT}:
        return "done_failed"
    if facts.state is TicketState.PENDING_DEVICE:
        return "done_watching"
    helped = not facts.firing and facts.visit is None
    return "done_helped" if helped else "done_not_helped"


def _next(facts: Facts, words: Mapping[str, str], noun: str, language: str, zone: ZoneInfo, now: datetime) -> str:
    if facts.state not in OPEN_STATES:
        if facts.healthy_since and not facts.false_alarm:
            return words["next_over"].format(at=_at(facts.healthy_since, language, zone, now))
        return words["next_over_plain"]
    if facts.visit and facts.visit.state in {VisitState.ACCEPTED, *BUSY}:
        return _next_visit(facts.visit, words, noun, language, zone, now)
    if facts.healthy_since and not facts.firing:
        return words["next_healthy"].format(at=_at(facts.healthy_since, language, zone, now))
    if facts.visit and facts.visit.state is VisitState.COMPLETED:
        return words["next_proof"].format(who=facts.visit.who or words["technician"], noun=noun)
    match facts.state:
        case TicketState.PENDING_VISIT:
            return words["next_finding"]
        case TicketState.PENDING_DEVICE | TicketState.OPEN:
            return words["next_trying"]
        case TicketState.PENDING_AGENT if facts.call_wanted:
            return words["next_call"].format(digits=facts.phone[-2:]) if facts.phone else words["next_call_plain"]
        case TicketState.PENDING_AGENT:
            return words["next_person"]
    return words["next_choose"]


def _next_visit(
    visit: Visiting, words: Mapping[str, str], noun: str, language: str, zone: ZoneInfo, now: datetime
) -> str:
    key = {VisitState.ACCEPTED: "next_visit", VisitState.EN_ROUTE: "next_way"}.get(visit.state, "next_site")
    when = times.window(visit.start, visit.end, zone, now=now, language=language)
    return words[key].format(who=visit.who or words["technician"], when=when, noun=noun)


def _buttons(
    facts: Facts, *, over: bool, words: Mapping[str, str]
) -> tuple[str, Sequence[str], Sequence[tuple[str, str]]]:
    fixed = (words["fixed_ask"], "fixed")
    if over:
        return "", (), ((words["again_ask"], "call"),)
    if facts.severity is Severity.SAFETY:
        return "call", (), ()
    visiting = facts.visit is not None and facts.visit.state in {VisitState.ACCEPTED, *BUSY}
    if visiting or facts.state is TicketState.PENDING_VISIT or (facts.healthy_since and not facts.firing):
        return "", ("call",), (fixed,)
    if facts.state is TicketState.PENDING_AGENT:
        return "", ("send",) if facts.call_wanted else ("call",), (fixed,)
    return "send", ("call",), (fixed,)


def _any_noun(language: str) -> str:
    return "appareil" if language == "fr" else "device"


def _at(moment: datetime, language: str, zone: ZoneInfo, now: datetime) -> str:
    return times.at(moment, zone, now=now, language=language)
