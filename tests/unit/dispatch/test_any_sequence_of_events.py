"""Whatever happens in whatever order: tickets and visits keep their promises, and what is asked twice is done once."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dispatch import service as dispatching
from dispatch.orders import BOOKED, ORDER_OPEN, PROMISED
from domain.errors import Conflict, Forbidden
from domain.faults import EndReason, Severity
from domain.messages import ReplyIntent
from domain.tickets import COMMAND_RUNNING, OPEN_STATES, TicketState
from store.database import Database
from store.tables import Base, Command, Due, Fault, Message, Ticket, Visit, WorkOrder
from tests.fakes.desk import LADDER, Desk
from tickets import service as ticketing

RULES = ("overheat", "hot", "hint")
DEVICES = ("hp-1", "hp-2")
MOVES = ("accept", "decline", "en_route", "arrive", "pause", "complete")
_template = Path(tempfile.mkdtemp()) / "template.db"


def fresh(path: Path) -> Desk:
    """A desk on a copy of one prepared file: making tables takes longer than the events do."""
    if not _template.exists():
        database = Database(f"sqlite:///{_template}")
        Base.metadata.create_all(database.engine)
        desk = Desk(database)
        desk.playbook(LADDER)
        desk.rule("hot", family="cooling", playbook="restart-then-ask", severity="major")
        desk.rule("hint", family="cooling", stage="agents_only")
        desk.technician("near")
        desk.technician("far", lat=48.70)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        database.close()
    shutil.copy(_template, path)
    return Desk(Database(f"sqlite:///{path}"), empty=False)


class Months(RuleBasedStateMachine):
    """A few devices, people and technicians, and everything that may befall them."""

    @initialize()
    def open(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.desk = fresh(Path(self._folder.name) / "story.db")
        self.firing: set[tuple[str, str]] = set()
        self.by_hand: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.database.close()
            self._folder.cleanup()

    @rule(name=st.sampled_from(RULES), device=st.sampled_from(DEVICES), old=st.booleans())
    def fault_fires(self, name: str, device: str, old: bool) -> None:
        if (name, device) not in self.firing:
            self.firing.add((name, device))
            age = timedelta(hours=3) if old else timedelta()
            self.desk.fires(name, device=device, age=age, severity=Severity.MAJOR if name == "hot" else Severity.MINOR)

    @rule(name=st.sampled_from(RULES), device=st.sampled_from(DEVICES), reason=st.sampled_from(EndReason))
    def fault_ends(self, name: str, device: str, reason: EndReason) -> None:
        if (name, device) in self.firing:
            self.firing.remove((name, device))
            # Most ends are good ones.
            good = reason is not EndReason.RULE_RETIRED
            self.desk.clears(name, device=device, reason=EndReason.CLEARED if good else reason)

    @rule(name=st.sampled_from(RULES), device=st.sampled_from(DEVICES))
    def fault_flaps(self, name: str, device: str) -> None:
        self.desk.flaps(name, device=device)
        if any((f.rule, f.device_id, f.state) == (name, device, "firing") for f in self.desk.rows(Fault)):
            self.firing.add((name, device))

    @rule(minutes=st.sampled_from([1, 6, 16, 40, 300, 1500]), asleep=st.booleans())
    def time_passes(self, minutes: int, asleep: bool) -> None:
        if asleep:
            self.desk.sleep_through(minutes=minutes)
        self.desk.advance(minutes=0 if asleep else minutes)

    @rule(sent=st.booleans())
    def messages_go_out(self, sent: bool) -> None:
        if sent:
            self.desk.deliver()
        else:
            self.desk.withhold("no_longer_true")

    @rule(intent=st.sampled_from(ReplyIntent), customer=st.sampled_from(["c-1", "c-2"]))
    def customer_answers(self, intent: ReplyIntent, customer: str) -> None:
        self.desk.reply(intent, customer=customer, text="?")

    @rule(intent=st.sampled_from(ReplyIntent), nth=st.integers(0, 3))
    def customer_uses_an_old_link(self, intent: ReplyIntent, nth: int) -> None:
        for ticket in self.desk.tickets()[nth : nth + 1]:
            self._try(self.desk.reply, intent, customer=ticket.customer_id, ticket_id=ticket.id, text="?")

    @rule(status=st.sampled_from(["done", "failed"]))
    def device_answers(self, status: str) -> None:
        if self.desk.rows(Command):
            self.desk.device_answers(status)

    @rule(move=st.sampled_from(MOVES), nth=st.integers(-3, -1))
    def technician_moves(self, move: str, nth: int) -> None:
        visits = self.desk.rows(Visit)
        if len(visits) >= -nth:
            self._try(self.desk.visit_move, getattr(dispatching, move), visit_id=visits[nth].id)

    @rule(to=st.sampled_from(TicketState), nth=st.integers(-4, -1))
    def agent_moves(self, to: TicketState, nth: int) -> None:
        tickets = self.desk.tickets()
        if len(tickets) >= -nth:
            self.by_hand.add(tickets[nth].id)
            self._try(self.desk.do, ticketing.move, tickets[nth].id, to, actor="agent", reason="because")

    @rule(device=st.sampled_from(DEVICES), hours=st.sampled_from([0, 1, 10]))
    def device_is_muted(self, device: str, hours: int) -> None:
        if hours:
            self.desk.do(ticketing.mute, device, until=self.desk.now + timedelta(hours=hours), reason="service")
        else:
            self.desk.do(ticketing.unmute, device)

    @rule(judgement=st.sampled_from(["real", "false_alarm"]))
    def agent_judges(self, judgement: str) -> None:
        for fault in self.desk.rows(Fault)[-1:]:
            self.desk.do(ticketing.verdict, fault.id, judgement, actor="agent")

    @rule()
    def effects_are_handed_on_again(self) -> None:
        def count() -> tuple[int, int]:
            return len(self.desk.rows(Message)), sum(v.state in BOOKED for v in self.desk.rows(Visit))

        before = count()
        with self.desk.write() as session:
            self.desk.hand_on(session, list(self.desk.announced))
            for order in self.desk.rows(WorkOrder):
                visits = [v.state for v in self.desk.rows(Visit) if v.work_order_id == order.id]
                if order.state in ORDER_OPEN and set(visits) & BOOKED:
                    self.desk.hand_on(session, dispatching.request(session, order.ticket_id, now=self.desk.now))
        assert count() == before

    @invariant()
    def one_open_ticket_per_trouble(self) -> None:
        for_each = Counter((t.device_id, t.family) for t in self._open_tickets())
        assert not [key for key, n in for_each.items() if n > 1]

    @invariant()
    def one_order_and_one_visit_at_a_time_for_a_ticket(self) -> None:
        orders = [order for order in self._rows(WorkOrder) if order.state in ORDER_OPEN]
        assert len({order.ticket_id for order in orders}) == len(orders)
        booked = [visit.work_order_id for visit in self._rows(Visit) if visit.state in BOOKED]
        assert len(set(booked)) == len(booked)

    @invariant()
    def nobody_is_in_two_places(self) -> None:
        promised = [visit for visit in self._rows(Visit) if visit.state in PROMISED]
        for one, other in combinations(promised, 2):
            apart = one.window_end <= other.window_start or other.window_end <= one.window_start
            assert apart or one.technician_id != other.technician_id

    @invariant()
    def one_command_at_a_time_for_a_device(self) -> None:
        running = [command.device_id for command in self._rows(Command) if command.state in COMMAND_RUNNING]
        assert len(set(running)) == len(running)

    @invariant()
    def what_is_over_waits_for_nothing(self) -> None:
        over = {str(t.id) for t in self._rows(Ticket) if t.state not in OPEN_STATES}
        waiting = [d for d in self._rows(Due) if d.kind in {"step", "verify", "reply_wait", "healthy", "major_visit"}]
        assert not [(d.kind, d.ref) for d in waiting if d.ref in over]

    @invariant()
    def healthy_means_that_nothing_fires(self) -> None:
        firing = {f.ticket_id for f in self._rows(Fault) if f.state == "firing" and f.verdict != "false_alarm"}
        assert not [t.id for t in self._open_tickets() if t.healthy_since is not None and t.id in firing]

    @invariant()
    def no_ticket_is_forgotten(self) -> None:
        """Unless an agent put it there, a pending ticket has a time at which it goes on, or a visit to come."""
        waits = {(row.kind, row.ref) for row in self._rows(Due)}
        booked = {visit.ticket_id for visit in self._rows(Visit) if visit.state in BOOKED}
        for ticket in self._open_tickets():
            if ticket.id in self.by_hand:
                continue
            if ticket.state == TicketState.PENDING_DEVICE:
                mine = {(kind, str(ticket.id)) for kind in ("step", "verify", "healthy", "proof")}
                assert waits & (mine | {("command_timeout", ticket.command_id)})
            if ticket.state == TicketState.PENDING_VISIT:
                assert ticket.id in booked

    def _open_tickets(self) -> list[Ticket]:
        return [ticket for ticket in self._rows(Ticket) if ticket.state in OPEN_STATES]

    def _rows(self, table: Any) -> list[Any]:
        return self.desk.rows(table) if hasattr(self, "desk") else []

    def _try(self, act: Callable[..., Any], *args: Any, **more: Any) -> None:
        """People may ask for what cannot be: they are refused, and nothing else."""
        with suppress(Conflict, Forbidden):
            act(*args, **more)


Months.TestCase.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMonths = Months.TestCase
