"""How proactive the service is, in figures: each with its n and its definition, from the rows and nothing else."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.faults import Stage
from domain.messages import BAD_NEWS, REACHED, RecipientKind
from domain.tickets import CommandState, TicketCause, TicketState, VisitState
from domain.verdicts import Judgement
from store.tables import Command, Fault, Message, Ticket, Visit

Row = TypeVar("Row", Fault, Command, Visit)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `value` is None where there is nothing to tell (n = 0). Durations are seconds, rates 0 … 1."""

    name: str
    value: float | None
    n: int
    unit: str
    definition: str


@dataclass(frozen=True, slots=True)
class Case:
    """One ticket with what belongs to it."""

    ticket: Ticket
    faults: Sequence[Fault]
    commands: Sequence[Command]
    visits: Sequence[Visit]
    told_at: datetime | None

    @property
    def confirmed(self) -> list[Fault]:
        """Faults that nobody judged a false alarm."""
        return [fault for fault in self.faults if fault.verdict != Judgement.FALSE_ALARM]

    @property
    def detected_at(self) -> datetime | None:
        return min((fault.detected_at for fault in self.confirmed), default=None)

    @property
    def visited(self) -> list[Visit]:
        """Visits for which somebody drove, in order."""
        driven = [visit for visit in self.visits if visit.en_route_at or visit.arrived_at]
        return sorted(driven, key=lambda visit: visit.id)

    @property
    def fixed_from_afar(self) -> bool:
        """A command ran, telemetry proved the fault gone, nobody drove, and it has not come back."""
        ran = any(command.state == CommandState.DONE for command in self.commands)
        proven = self.ticket.resolved_at is not None and self.ticket.closed_by == "telemetry"
        return ran and proven and not self.visited and not self.ticket.reopened


def kpis(session: Session, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The figures over tickets opened and faults detected in [since, until)."""
    cases = _cases(session, since=since, until=until)
    faults = session.scalars(
        select(Fault).where(
            Fault.detected_at >= since,
            Fault.detected_at < until,
            Fault.stage.in_((Stage.LIVE, Stage.AGENTS_ONLY)),
            Fault.superseded.is_(False),
        )
    ).all()
    return [asdict(figure) for figure in figures(cases, faults)]


def proactive(session: Session, *, since: datetime, until: datetime) -> dict[str, Any]:
    """The headline alone, which every page of the desk shows, over tickets opened in [since, until)."""
    window = (Ticket.opened_at >= since, Ticket.opened_at < until)
    tickets = session.scalars(select(Ticket).where(*window).order_by(Ticket.id)).all()
    ids = select(Ticket.id).where(*window)
    faults = _by_ticket(session.scalars(select(Fault).where(Fault.ticket_id.in_(ids))))
    return asdict(proactive_rate([Case(ticket, faults.get(ticket.id, []), (), (), None) for ticket in tickets]))


def figures(cases: Sequence[Case], faults: Sequence[Fault]) -> list[Figure]:
    """All figures, the headline first."""
    detection = [_s(fault.detected_at, fault.onset) for fault in faults]
    return [
        proactive_rate(cases),
        Figure("faults", len(faults), len(faults), "faults", "episodes of live and agents-only rules"),
        Figure("tickets", len(cases), len(cases), "tickets", "tickets opened, whatever opened them"),
        *_times("time_to_detect", detection, "from the first bad reading to the record"),
        *_times("time_to_notify", _notify_times(cases), "from detection to the first message that was accepted"),
        *_times("time_to_restore", _restore_times(cases), "from the first bad reading to proof by telemetry"),
        *_times("lead_time", _lead_times(cases), "from detection to the customer's first contact, where there was one"),
        *truck_rolls(cases),
        false_alarm_rate(cases),
        first_time_fix(cases),
    ]


def proactive_rate(cases: Sequence[Case]) -> Figure:
    """The headline: who knew first."""
    known = [case for case in cases if case.confirmed]
    by_contact = [case for case in cases if not case.faults and case.ticket.cause == TicketCause.CUSTOMER]
    missed = [case for case in by_contact if case.ticket.state != TicketState.CANCELLED]
    first = [case for case in known if _found_first(case)]
    definition = (
        "confirmed faults that were detected before the customer's first contact, or without one, ÷ all confirmed "
        "faults; a fault counts as confirmed unless it was judged a false alarm, and troubles that only customers "
        "told us of count as not found first"
    )
    return _rate("proactive_rate", len(first), len(known) + len(missed), definition)


def truck_rolls(cases: Sequence[Case]) -> list[Figure]:
    """Visits that were driven, and those that a remote fix spared."""
    rolls = sum(len(case.visited) for case in cases)
    spared = sum(case.fixed_from_afar for case in cases)
    visited = sum(bool(case.visited) for case in cases)
    definition = "tickets that a device command fixed, by telemetry's proof, without a visit or a relapse"
    return [
        Figure("truck_rolls", rolls, len(cases), "visits", "visits for which a technician drove"),
        Figure("truck_rolls_avoided", spared, spared + visited, "tickets", definition),
        _rate("truck_rolls_avoided_rate", spared, spared + visited, f"{definition} ÷ those and all that were visited"),
    ]


def false_alarm_rate(cases: Sequence[Case]) -> Figure:
    """How often we were wrong, as far as anybody told us."""
    alarms = [case for case in cases if case.faults]
    wrong = [case for case in alarms if not case.confirmed]
    definition = "tickets all of whose faults were judged false alarms ÷ tickets that a fault opened"
    return _rate("false_alarm_rate", len(wrong), len(alarms), definition)


def first_time_fix(cases: Sequence[Case]) -> Figure:
    """Whether one visit was enough."""
    visited = [case for case in cases if case.visited and case.visited[0].finished_at]
    at_once = [case for case in visited if _fixed_at_once(case)]
    definition = "visited tickets that the first visit fixed, without another visit or a relapse ÷ visited tickets"
    return _rate("first_time_fix", len(at_once), len(visited), definition)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _found_first(case: Case) -> bool:
    contact, detected = case.ticket.first_contact_at, case.detected_at
    return contact is None or (detected is not None and detected < contact)


def _fixed_at_once(case: Case) -> bool:
    return len(case.visited) == 1 and case.visited[0].state == VisitState.COMPLETED and not case.ticket.reopened


def _notify_times(cases: Sequence[Case]) -> list[float]:
    return [_s(c.told_at, c.detected_at) for c in cases if c.told_at is not None and c.detected_at is not None]


def _restore_times(cases: Sequence[Case]) -> list[float]:
    """By telemetry alone: the word of people is no proof."""
    return [
        _s(healthy, case.ticket.onset)
        for case in cases
        if (healthy := case.ticket.healthy_since) is not None and case.ticket.resolved_at is not None and case.confirmed
    ]


def _lead_times(cases: Sequence[Case]) -> list[float]:
    return [
        _s(case.ticket.first_contact_at, case.detected_at)
        for case in cases
        if case.ticket.first_contact_at is not None and case.detected_at is not None
    ]


def _times(name: str, values: Sequence[float], definition: str) -> list[Figure]:
    n = len(values)
    statistics: tuple[tuple[str, Callable[[Sequence[float]], float]], ...] = (
        ("median", median),
        ("p90", lambda some: percentile(some, 0.9)),
    )
    return [
        Figure(f"{name}_{label}", compute(values) if n else None, n, "s", f"{label} of the time {definition}")
        for label, compute in statistics
    ]


def _rate(name: str, part: int, whole: int, definition: str) -> Figure:
    return Figure(name, part / whole if whole else None, whole, "rate", definition)


def _s(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds()


def _cases(session: Session, *, since: datetime, until: datetime) -> list[Case]:
    window = (Ticket.opened_at >= since, Ticket.opened_at < until)
    tickets = session.scalars(select(Ticket).where(*window).order_by(Ticket.id)).all()
    ids = select(Ticket.id).where(*window)
    faults = _by_ticket(session.scalars(select(Fault).where(Fault.ticket_id.in_(ids))))
    commands = _by_ticket(session.scalars(select(Command).where(Command.ticket_id.in_(ids))))
    visits = _by_ticket(session.scalars(select(Visit).where(Visit.ticket_id.in_(ids))))
    told = _told(session, ids)
    return [
        Case(t, faults.get(t.id, []), commands.get(t.id, []), visits.get(t.id, []), told.get(t.id)) for t in tickets
    ]


def _told(session: Session, ids: Any) -> dict[int, datetime]:
    """When the first opening that reached the customer was accepted, by ticket."""
    query = select(Message.ticket_id, Message.accepted_at).where(
        Message.ticket_id.in_(ids),
        Message.recipient_kind == RecipientKind.CUSTOMER,
        Message.stage.in_(BAD_NEWS),
        Message.state.in_(REACHED),
        Message.accepted_at.is_not(None),
    )
    # Newest first, so that the oldest of a ticket is what stays.
    rows = session.execute(query.order_by(Message.accepted_at.desc())).all()
    return {number: at for number, at in rows if number is not None and at is not None}


def _by_ticket(rows: Iterable[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        if row.ticket_id is not None:
            grouped.setdefault(row.ticket_id, []).append(row)
    return grouped
