"""What Prometheus reads: counted in SQL and in the roles' reports, so every process that serves `api` says the same."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.rule_facts import noisy
from api.services import Services
from domain.faults import TransitionState
from domain.messages import MessageState
from store.lines import breakers
from store.settling import STUCK, stuck
from store.summaries import OVERRIDE
from store.tables import DeadLetter, Fault, Message, Ticket, TimelineEntry
from tickets.service import tallies

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class SqlCollector(Collector):
    """Reads the figures afresh for each scrape."""

    def __init__(self, house: Services) -> None:
        self._house = house

    def collect(self) -> Iterable[Metric]:
        with self._house.database.read() as session:
            yield from _from_tables(session, now=self._house.clock.now())
        yield from _from_reports(self._house)

    def describe(self) -> Iterable[Metric]:
        return []


def _from_tables(session: Session, *, now: datetime) -> Iterator[Metric]:
    transitions = CounterMetricFamily("prevenant_fault_transitions", "Transitions of episodes", labels=["state"])
    fired = session.scalar(select(func.count(Fault.id))) or 0
    # One that flaps has ended before, and its row is firing again: a counter takes nothing back.
    ended = or_(Fault.state == TransitionState.RESOLVED, Fault.flapping)
    resolved = session.scalar(select(func.count(Fault.id)).where(ended)) or 0
    flapping = session.scalar(select(func.count(Fault.id)).where(Fault.flapping)) or 0
    for state, count in (
        (TransitionState.FIRING, fired),
        (TransitionState.RESOLVED, resolved),
        (TransitionState.FLAPPING, flapping),
    ):
        transitions.add_metric([state], count)
    yield transitions
    tickets = CounterMetricFamily("prevenant_tickets", "Tickets opened", labels=["cause"])
    for cause, count in session.execute(select(Ticket.cause, func.count()).group_by(Ticket.cause)):
        tickets.add_metric([cause], count)
    yield tickets
    yield _messages(session)
    yield from _trouble(session)
    yield _overrides(session)
    yield from _rules(session, now=now)
    letters = CounterMetricFamily("prevenant_dead_letters", "Bad input", labels=["reason"])
    for reason, count in session.execute(
        select(DeadLetter.reason, func.sum(DeadLetter.count)).group_by(DeadLetter.reason)
    ):
        letters.add_metric([reason], count)
    yield letters
    detection = session.execute(select(Fault.received_at, Fault.detected_at)).all()
    yield _histogram("prevenant_detection_seconds", "Sample received to fault committed", detection)
    told = (
        select(Fault.received_at, func.min(Message.accepted_at))
        .join(Message, Message.ticket_id == Fault.ticket_id)
        .where(Message.accepted_at.is_not(None), Message.stage.like("opening%"))
        .group_by(Fault.id, Fault.received_at)
    )
    yield _histogram(
        "prevenant_notification_seconds", "Sample received to provider accepted", session.execute(told).all()
    )


def _messages(session: Session) -> Metric:
    """How often a message came to a state, as timelines have it: rows of messages move on, and counters never fall.

    `delivered` is where a message stays, so its row tells; channels that deliver at once write no entry of it.
    """
    family = CounterMetricFamily("prevenant_messages", "Messages by state they came to", labels=["channel", "state"])
    states = {f"message_{state}": state for state in MessageState if state is not MessageState.DELIVERED}
    entries = (
        select(TimelineEntry.kind, TimelineEntry.detail["channel"].as_string().label("channel"))
        .where(TimelineEntry.kind.in_(states))
        .subquery()
    )
    came = select(entries.c.kind, entries.c.channel, func.count()).group_by(entries.c.kind, entries.c.channel)
    for kind, channel, count in session.execute(came):
        family.add_metric([channel or "none", states[kind]], count)
    stayed = select(Message.channel, func.count()).where(Message.state == MessageState.DELIVERED)
    for channel, count in session.execute(stayed.group_by(Message.channel)):
        family.add_metric([channel or "none", MessageState.DELIVERED], count)
    return family


def _trouble(session: Session) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("prevenant_messages_stuck", "Messages that wait for a person", labels=["state"])
    counts = stuck(session)
    for state in STUCK:
        waiting.add_metric([state], counts.get(state, 0))
    out = GaugeMetricFamily("prevenant_lines_open", "1 for a line that is out of order", labels=["provider", "country"])
    for provider, country in sorted({(one.line.provider, one.line.country) for one in breakers(session)}):
        out.add_metric([provider, country], 1)
    yield from (waiting, out)


def _overrides(session: Session) -> Metric:
    """How often danger passed over quiet hours, caps and absences: a rule that does so often is misused."""
    family = CounterMetricFamily(
        "prevenant_safety_overrides", "Warnings of danger that passed over what keeps others back", labels=["rule"]
    )
    noted = select(TimelineEntry.detail["rule"].as_string().label("rule")).where(TimelineEntry.kind == OVERRIDE)
    found = noted.subquery()
    for rule, count in session.execute(select(found.c.rule, func.count()).group_by(found.c.rule)):
        family.add_metric([rule or "none"], count)
    return family


def _rules(session: Session, *, now: datetime) -> Iterator[Metric]:
    judged = GaugeMetricFamily(
        "prevenant_rule_verdicts", "Episodes of the last 90 days by verdict", labels=["rule", "verdict"]
    )
    for rule, tally in tallies(session, now=now).items():
        for verdict, count in (("real", tally.real), ("false_alarm", tally.false), ("unknown", tally.unknown)):
            judged.add_metric([rule, verdict], count)
    loud = GaugeMetricFamily("prevenant_rule_noisy", "1 for a rule in force that is noisy", labels=["rule"])
    for row, _ in noisy(session, now=now):
        loud.add_metric([row.name], 1)
    yield from (judged, loud)


def _from_reports(house: Services) -> Iterator[Metric]:
    uplinks = CounterMetricFamily("prevenant_uplinks", "Messages of devices", labels=["listener", "outcome"])
    readings = CounterMetricFamily("prevenant_readings", "Readings taken into the log")
    samples = CounterMetricFamily("prevenant_samples_evaluated", "Samples evaluated by rules")
    lag = GaugeMetricFamily("prevenant_log_lag", "Log messages not evaluated yet", labels=["partition"])
    total_readings, total_samples = 0.0, 0.0
    found = house.status()
    for role in found.get("roles", []):
        # `status` may lay a role's own figures beside its name, or below `detail`.
        said = {**role, **(role.get("detail") or {})}
        listener = str(said.get("instance") or said.get("role"))
        for outcome, key in (("accepted", "uplinks"), ("dead_letter", "dead_letters")):
            if isinstance(count := said.get(key), int | float):
                uplinks.add_metric([listener, outcome], count)
        total_readings += _number(said.get("readings"))
        total_samples += _number(said.get("samples"))
    for partition in found.get("partitions", []):
        lag.add_metric([str(partition["partition"])], _number(partition.get("lag")))
    readings.add_metric([], total_readings)
    samples.add_metric([], total_samples)
    yield from (uplinks, readings, samples, lag)


def _histogram(name: str, words: str, spans: Iterable[Any]) -> HistogramMetricFamily:
    seconds = [(row[1] - row[0]).total_seconds() for row in spans if row[1] is not None]
    buckets = [(str(edge), float(sum(value <= edge for value in seconds))) for edge in BUCKETS_S]
    family = HistogramMetricFamily(name, words)
    family.add_metric([], [*buckets, ("+Inf", float(len(seconds)))], sum(seconds))
    return family


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
