"""A whole desk on a real database: rules speak, people answer, time passes, effects are handed on as in the flow."""

from collections import deque
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from dispatch import service as dispatching
from domain.clock import FakeClock
from domain.faults import EndReason, Severity, Transition, TransitionState
from domain.messages import OUTGOING, Channel, MessageStage, MessageState, ReplyIntent
from domain.tickets import Announce, Effect, TicketState, VisitUnneeded, VisitWanted
from store import consent, due, people, planning, timeline
from store.database import Database
from store.tables import (
    Base,
    Command,
    Customer,
    Device,
    Event,
    Inhibition,
    Message,
    Playbook,
    Product,
    Rule,
    RuleVersion,
    Technician,
    Ticket,
    TimelineEntry,
    Visit,
)
from tickets import service as ticketing

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LADDER = {
    "name": "restart-then-ask",
    "healthy_for": "10m",
    "close_after": "20m",
    "steps": [{"command": {"name": "restart", "timeout": "5m"}}, {"verify": {"for": "15m"}}, {"message": "customer"}],
    "visit": {"skill": "refrigerant", "duration": "45m"},
}


def new_database(folder: Path) -> Database:
    """A file for many desks, one after the other: a fresh engine would compile every statement anew."""
    database = Database(f"sqlite:///{folder / 'desk.db'}")
    Base.metadata.create_all(database.engine)
    return database


def wiped(database: Database) -> Database:
    """The same database without a row."""
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
    return database


class Desk:
    """Everything around tickets and dispatch that a story needs; `now` is Monday, 9 in the morning UTC."""

    def __init__(self, database: Database, *, now: datetime = MONDAY) -> None:
        self.database, self.clock = database, FakeClock(now)
        self.announced: list[Announce] = []
        self._episodes: dict[tuple[str, str], int] = {}
        self._people()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # What the world looks like

    def rule(self, name: str, **columns: Any) -> None:
        """Another rule, live unless said otherwise; `inhibits` as (rule, family, reach)."""
        stage, inhibits = columns.pop("stage", "live"), columns.pop("inhibits", ())
        facts = {"family": name, "title": {"en": name}, "severity": "minor", "playbook": None, "hold_s": 0.0, **columns}
        with self.write() as session:
            session.add(Rule(name=name, stage=stage, version=1))
            session.add(
                RuleVersion(name=name, version=1, body={"when": "temp > 95"}, created_at=self.now, says={}, **facts)
            )
            for rule, family, reach in inhibits:
                session.add(Inhibition(rule=name, version=1, target_rule=rule, target_family=family, reach=reach))

    def playbook(self, body: dict[str, Any]) -> None:
        with self.write() as session:
            session.add(Playbook(name=body["name"], body=body))

    def technician(
        self, name: str, *, lat: float = 48.86, skills: Sequence[str] = ("refrigerant",), **columns: Any
    ) -> None:
        shifts = columns.pop("shifts", {"mon-fri": ["08:00-12:00", "13:00-17:00"]})
        with self.write() as session:
            session.add(
                Technician(id=name, name=name, skills=[*skills], home_lat=lat, home_lon=2.35, shifts=shifts, **columns)
            )

    # What happens

    def fires(self, rule: str = "overheat", *, device: str = "hp-1", age: timedelta = timedelta(), **more: Any) -> None:
        """A rule begins a new episode; its evidence is `age` old."""
        self._episodes[rule, device] = self._episodes.get((rule, device), 0) + 1
        at = self.now - age
        self.transition(TransitionState.FIRING, rule, device, at=at, onset=at - timedelta(minutes=5), **more)

    def clears(
        self, rule: str = "overheat", *, device: str = "hp-1", reason: EndReason = EndReason.CLEARED, **more: Any
    ) -> None:
        self.transition(TransitionState.RESOLVED, rule, device, at=self.now, reason=reason, **more)

    def flaps(self, rule: str = "overheat", *, device: str = "hp-1") -> None:
        self.transition(TransitionState.FLAPPING, rule, device, at=self.now)

    def transition(self, state: TransitionState, rule: str, device: str, *, at: datetime, **more: Any) -> None:
        facts: dict[str, Any] = {
            "onset": at,
            "severity": Severity.MINOR,
            "episode": self._episodes.get((rule, device), 1),
            "evidence": {"temp": 97.5},
            "version": 1,
            "received_at": self.now,
            **more,
        }
        step = Transition(rule=rule, device_id=device, state=state, at=at, **facts)
        with self.write() as session:
            self.hand_on(session, ticketing.on_transition(session, step, now=self.now))

    def reply(self, intent: ReplyIntent, *, text: str = "", customer: str = "c-1", **more: Any) -> int | None:
        """A customer answers by SMS."""
        facts = {"channel": "sms", **more}
        with self.write() as session:
            ticket_id, effects = ticketing.on_reply(
                session, customer_id=customer, intent=intent, text=text, now=self.now, **facts
            )
            self.hand_on(session, effects)
            return ticket_id

    def device_answers(self, status: str, *, detail: str = "", nth: int = -1) -> None:
        with self.write() as session:
            command = self._rows(session, Command)[nth]
            effects = ticketing.on_answer(session, command.id, status=status, detail=detail, now=self.now)
            self.hand_on(session, effects)

    def visit_move(self, move: Any, *, visit_id: int | None = None, **more: Any) -> None:
        """`dispatch.service.accept` and its like, on the newest visit."""
        with self.write() as session:
            number = visit_id or self._rows(session, Visit)[-1].id
            self.hand_on(session, move(session, number, now=self.now, **more))

    def do(self, service: Any, *args: Any, **more: Any) -> Any:
        """Any other service that answers with effects, or with effects at the end of a pair."""
        with self.write() as session:
            answer = service(session, *args, now=self.now, **more)
            self.hand_on(session, answer[1] if isinstance(answer, tuple) else answer or [])
            return answer

    def deliver(self) -> None:
        """Everything that waits to be sent reaches its person."""
        with self.write() as session:
            for message in self._rows(session, Message):
                if message.state in OUTGOING:
                    message.state, message.accepted_at = MessageState.ACCEPTED, self.now

    def refused(self, customer_id: str = "c-1") -> list[Channel]:
        """The channels on which the customer wants no service messages."""
        with self.write() as session:
            return consent.channels_refused(people.customer(session, customer_id).refused)

    def withhold(self, refusal: str) -> None:
        """Everything that waits to be sent is suppressed, as the sender would write it."""
        with self.write() as session:
            for message in self._rows(session, Message):
                if message.state in OUTGOING:
                    message.state = MessageState.SUPPRESSED
                    detail = {"message_id": message.id, "stage": message.stage, "refusal": refusal}
                    timeline.note(
                        session, message.ticket_id or 0, "message_suppressed", at=self.now, actor="notify", **detail
                    )

    def advance(self, **delta: float) -> None:
        """Time passes, and what falls due is done at its time."""
        until = self.now + timedelta(**delta)
        while (row := self._next_due(until)) is not None:
            self.clock.advance(seconds=max(0.0, (row.due_at - self.now).total_seconds()))
            with self.write() as session:
                taken = due.take(session, row.id)
                assert taken is not None
                handler = dispatching.on_due if taken.kind in dispatching.DUE_KINDS else ticketing.on_due
                self.hand_on(session, handler(session, taken, now=self.now))
        self.clock.advance(seconds=(until - self.now).total_seconds())

    def sleep_through(self, **delta: float) -> None:
        """Time passes while the clock role is down."""
        self.clock.advance(**delta)

    # What can be seen

    def tickets(self) -> list[Ticket]:
        return self.rows(Ticket)

    @property
    def ticket(self) -> Ticket:
        (only,) = self.tickets()
        return only

    @property
    def state(self) -> TicketState:
        return TicketState(self.ticket.state)

    @property
    def visit(self) -> Visit:
        return self.rows(Visit)[-1]

    def stages(self) -> list[MessageStage]:
        """What has been announced, in order."""
        return [announce.stage for announce in self.announced]

    def story(self, ticket_id: int | None = None) -> list[str]:
        """The kinds of the timeline's entries."""
        return [entry.kind for entry in self.entries(ticket_id)]

    def entries(self, ticket_id: int | None = None) -> list[TimelineEntry]:
        number = ticket_id or self.ticket.id
        return [entry for entry in self.rows(TimelineEntry) if entry.ticket_id == number]

    def feed(self) -> list[str]:
        return [event.kind for event in self.rows(Event)]

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as session:
            return self._rows(session, table)

    @contextmanager
    def write(self) -> Any:
        with self.database.write() as session:
            yield session

    def hand_on(self, session: Any, effects: Sequence[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            effect = waiting.popleft()
            match effect:
                case Announce():
                    self.announced.append(effect)
                    planning.plan(session, effect, now=self.now)
                case VisitWanted(ticket_id, skill, asked_by):
                    waiting += dispatching.request(session, ticket_id, skill=skill, asked_by=asked_by, now=self.now)
                case VisitUnneeded(ticket_id):
                    waiting += dispatching.call_off(session, ticket_id, now=self.now)

    def _next_due(self, until: datetime) -> Any:
        with self.database.read() as session:
            return due.oldest(session, now=until)

    def _rows(self, session: Any, table: Any) -> list[Any]:
        key = table.__table__.primary_key.columns.values()
        order = table.created_at if table is Command else key[0]
        return list(session.scalars(select(table).order_by(order)))

    def _people(self) -> None:
        commands = {
            "restart": {"title": {"en": "Restart"}, "args": {}, "idempotent": True},
            "set_limit": {"args": {"celsius": {"type": "number", "minimum": 40, "maximum": 90, "required": True}}},
        }
        with self.write() as session:
            session.add(Product(name="heatpump", commands=commands))
            session.add(Customer(id="c-1", name="Alice Martin", phone="+33612345678", email="alice@example.net"))
            session.add(Customer(id="c-2", name="Bob Petit", phone="+33612345679"))
            session.flush()
            for number in (1, 2):
                session.add(
                    Device(
                        id=f"hp-{number}",
                        product="heatpump",
                        customer_id=f"c-{number}",
                        lat=48.869,
                        lon=2.331,
                        registered_at=self.now,
                    )
                )
        self.rule("overheat", family="cooling", title={"en": "Compressor too hot"})

    def heard(self, device: str = "hp-1") -> None:
        """Telemetry came in just now."""
        with self.write() as session:
            session.get_one(Device, device).last_seen = self.now
