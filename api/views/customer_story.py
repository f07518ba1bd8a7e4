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

COMING = frozenset({VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED})
"""Visits that the customer may count on."""


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
    found_by_rule: bool
    """A rule noticed it, so that it may have been wrong."""
    firing: bool
    false_alarm: bool
    call_wanted: bool
    closed_by: str | None
    phone: str | None
    visit: Visiting | None
    tried: Tried | None
    seen: bool = True
    """Somebody has said so; until then the page asks."""


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
    return _Writer(facts, language, zone, now).story()


class _Writer:
    """Writes one page."""

    def __init__(self, facts: Facts, language: str, zone: ZoneInfo, now: datetime) -> None:
        self._facts, self._language, self._zone, self._now = facts, language, zone, now
        self._words = LANGUAGES[language]
        self._noun = said(facts.noun, language, default="appareil" if language == "fr" else "device")
        self._over = facts.state not in OPEN_STATES
        self._healthy = facts.healthy_since is not None and not facts.firing

    def story(self) -> Story:
        """All parts of it."""
        facts, language = self._facts, self._language
        noticed = self._say("noticed_at", at=self._when(facts.onset))
        main, others, small = self._buttons()
        unseen = said(facts.notice, language) or self._say("notice_none")
        return Story(
            headline=self._headline(),
            pill=self._pill(),
            lead=" · ".join(part for part in (said(facts.product, language), noticed) if part),
            danger=self._words["danger"] if facts.severity is Severity.SAFETY and not self._over else "",
            notice="" if self._over else unseen,
            done=self._done(),
            next=self._next(),
            main=main,
            others=others,
            small=small,
            over=self._over,
        )

    def _headline(self) -> str:
        facts = self._facts
        if facts.false_alarm:
            return self._say("misled")
        if self._over:
            proven = facts.healthy_since is not None or facts.closed_by == "customer"
            return self._say("runs" if proven else "checked")
        predicate = said(facts.says, self._language)
        return f"{self._say('your')} {predicate}" if predicate else first_upper(said(facts.title, self._language))

    def _pill(self) -> Pill:
        facts, words = self._facts, self._words
        visit = facts.visit.state if facts.visit else None
        if self._over:
            return Pill("good", words["pill_over"])
        if facts.severity is Severity.SAFETY:
            return Pill("alarm", words["pill_danger"])
        if visit is VisitState.EN_ROUTE:
            return Pill("calm", words["pill_way"])
        if visit in COMING:
            return Pill("calm", words["pill_coming"])
        if self._healthy:
            return Pill("good", words["pill_healthy"])
        if facts.state is TicketState.PENDING_AGENT and facts.call_wanted:
            return Pill("calm", words["pill_call"])
        if facts.state is TicketState.PENDING_DEVICE:
            return Pill("calm", words["pill_trying"])
        small = facts.severity is Severity.INFO
        return Pill("calm", words["pill_small"]) if small else Pill("watch", words["pill_look"])

    def _done(self) -> list[str]:
        facts = self._facts
        found: list[str] = []
        if facts.tried:
            key = "done_restart" if facts.tried.name == "restart" else "done_command"
            title = said(facts.tried.title, self._language, default=facts.tried.name)
            found.append(self._say(key, at=self._when(facts.tried.at), title=title))
            found.append(self._words[self._outcome(facts.tried)])
        if facts.visit and facts.visit.arrived_at and facts.visit.state is VisitState.COMPLETED:
            found.append(self._say("done_visit", who=self._who(facts.visit), at=self._when(facts.visit.arrived_at)))
        if facts.false_alarm:
            found.append(self._words["done_sorry"])
        return found or [self._words["done_nothing"]]

    def _outcome(self, tried: Tried) -> str:
        if tried.state in {CommandState.FAILED, CommandState.TIMED_OUT}:
            return "done_failed"
        if self._facts.state is TicketState.PENDING_DEVICE and self._facts.visit is None:
            return "done_watching"
        helped = not self._facts.firing and self._facts.visit is None
        return "done_helped" if helped else "done_not_helped"

    def _next(self) -> str:
        facts = self._facts
        if self._over:
            if facts.healthy_since and not facts.false_alarm:
                return self._say("next_over", at=self._at(facts.healthy_since))
            return self._words["next_over_plain"]
        if facts.visit and facts.visit.state in COMING:
            key = {VisitState.ACCEPTED: "next_visit", VisitState.EN_ROUTE: "next_way"}.get(
                facts.visit.state, "next_site"
            )
            return self._say(key, who=self._who(facts.visit), when=self._window(facts.visit))
        if self._healthy and facts.healthy_since:
            return self._say("next_healthy", at=self._at(facts.healthy_since))
        if facts.visit and facts.visit.state is VisitState.COMPLETED:
            return self._say("next_proof", who=self._who(facts.visit))
        return self._next_without_visit()

    def _next_without_visit(self) -> str:
        facts = self._facts
        match facts.state:
            case TicketState.PENDING_VISIT:
                return self._words["next_finding"]
            case TicketState.PENDING_DEVICE | TicketState.OPEN:
                return self._words["next_trying"]
            case TicketState.PENDING_AGENT if facts.call_wanted and facts.phone:
                return self._say("next_call", digits=facts.phone[-2:])
            case TicketState.PENDING_AGENT:
                return self._words["next_call_plain" if facts.call_wanted else "next_person"]
        return self._words["next_choose"]

    def _buttons(self) -> tuple[str, Sequence[str], Sequence[tuple[str, str]]]:
        facts = self._facts
        wrong = ((self._words["wrong_ask"], "false-alarm"),) if facts.found_by_rule and not facts.false_alarm else ()
        if self._over:
            return "", (), ((self._words["again_ask"], "call"), *wrong)
        if facts.severity is Severity.SAFETY:
            return "call", () if facts.seen else ("ack",), ()
        seen = () if facts.seen or self._healthy else ((self._words["ack_ask"], "ack"),)
        small = (*seen, (self._words["fixed_ask"], "fixed"), *wrong)
        visiting = facts.visit is not None and facts.visit.state in COMING
        if visiting or facts.state is TicketState.PENDING_VISIT or self._healthy:
            return "", ("call",), small
        if facts.state is TicketState.PENDING_AGENT:
            return "", ("send",) if facts.call_wanted else ("call",), small
        return "send", ("call",), small

    def _say(self, key: str, **parts: str) -> str:
        return self._words[key].format(noun=self._noun, **parts)

    def _who(self, visit: Visiting) -> str:
        return visit.who or self._words["technician"]

    def _window(self, visit: Visiting) -> str:
        return times.window(visit.start, visit.end, self._zone, now=self._now, language=self._language)

    def _when(self, moment: datetime) -> str:
        return times.moment_of(moment, self._zone, now=self._now, language=self._language)

    def _at(self, moment: datetime) -> str:
        return times.at(moment, self._zone, now=self._now, language=self._language)
