"""Whatever happens in whatever order: tickets and visits keep their promises, and what is asked twice is done once."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from dispatch import service as dispatching
from dispatch.orders import BOOKED, ORDER_OPEN, PROMISED
from domain.errors import Conflict, Forbidden
from domain.faults import EndReason, Severity
from domain.messages import ReplyIntent
from domain.tickets import COMMAND_RUNNING, OPEN_STATES, TicketState
from store.database import Database
from store.tables import Command, Due, Fault, Message, Ticket, Visit, WorkOrder
from tests.fakes.desk import LADDER, Desk, new_database, wiped
from tickets import service as ticketing
from tickets.lifecycle import WAITS

RULES = ("overheat", "hot", "hint")
DEVICES = ("hp-1", "hp-1", "hp-2")
MOVES = ("accept", "decline", "en_route", "arrive", "pause", "complete")
STORY: tuple[Callable[[Desk], Any], ...] = (
    lambda desk: desk.fires("hot", severity=Severity.MAJOR),
    lambda desk: desk.device_answers("done"),
    lambda desk: desk.advance(minutes=16),
    lambda desk: desk.deliver(),
    lambda desk: desk.reply(ReplyIntent.SEND_SOMEONE),
    lambda desk: desk.visit_move(dispatching.accept),
    lambda desk: desk.visit_move(dispatching.en_route),
    lambda desk: desk.visit_move(dispatching.arrive),
    lambda desk: desk.visit_move(dispatching.complete),
    lambda desk: desk.clears("hot"),
)


@cache
def database() -> Database:
    """One for all runs."""
    return new_database(Path(tempfile.mkdtemp()))


def fresh() -> Desk:
    """Three rules on one family, and two technicians."""
    desk = Desk(wiped(database()))
    desk.playbook(LADDER)
    desk.rule("hot", family="cooling", playbook="restart-then-ask", severity="major")
    desk.rule("hint", family="cooling", stage="agents_only")
    desk.technician("near")
    desk.technician("far", lat=48.70)
    return desk


@dataclass
class World:
    """Everything there is at a moment."""

    tickets: list[Ticket]
    orders: list[WorkOrder]
    visits: list[Visit]
    commands: list[Command]
    faults: list[Fault]
    due: list[Due]

    @property
    def open_tickets(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.state in OPEN_STATES]


def one_open_ticket_per_trouble(world: World) -> None:
    for_each = Counter((ticket.device_id, ticket.family) for ticket in world.open_tickets)
    assert not [key for key, n in for_each.items() if n > 1]


def one_order_and_one_visit_at_a_time_for_a_ticket(world: World) -> None:
    orders = [order.ticket_id for order in world.orders if order.state in ORDER_OPEN]
    assert len(set(orders)) == len(orders)
    booked = [visit.work_order_id for visit in world.visits if visit.state in BOOKED]
    assert len(set(booked)) == len(booked)


def nobody_is_in_two_places(world: World) -> None:
    promised = [visit for visit in world.visits if visit.state in PROMISED]
    for one, other in combinations(promised, 2):
        apart = one.window_end <= other.window_start or other.window_end <= one.window_start
        assert apart or one.technician_id != other.technician_id


def one_command_at_a_time_for_a_device(world: World) -> None:
    running = [command.device_id for command in world.commands if command.state in COMMAND_RUNNING]
    assert len(set(running)) == len(running)


def what_is_over_waits_for_nothing(world: World) -> None:
    over = {str(ticket.id) for ticket in world.tickets if ticket.state not in OPEN_STATES}
    assert not [(row.kind, row.ref) for row in world.due if row.kind in WAITS and row.ref in over]


def nobody_sets_out_for_what_is_over(world: World) -> None:
    over = {ticket.id for ticket in world.tickets if ticket.state not in OPEN_STATES}
    assert not [
        visit.id for visit in world.visits if visit.state in {"offered", "accepted"} and visit.ticket_id in over
    ]


def healthy_means_that_nothing_fires(world: World) -> None:
    firing = {fault.ticket_id for fault in world.faults if fault.state == "firing" and fault.verdict != "false_alarm"}
    assert not [ticket.id for ticket in world.open_tickets if ticket.healthy_since and ticket.id in firing]


def no_ticket_is_forgotten(world: World, *, by_hand: set[int]) -> None:
    """Unless an agent put it there, a pending ticket has a time at which it goes on, or a visit to come."""
    waits = {(row.kind, row.ref) for row in world.due}
    booked = {visit.ticket_id for visit in world.visits if visit.state in BOOKED}
    for ticket in world.open_tickets:
        if ticket.id in by_hand:
            continue
        if ticket.state == TicketState.PENDING_DEVICE:
            mine = {(kind, str(ticket.id)) for kind in ("step", "verify", "healthy", "proof")}
            assert waits & (mine | {("command_timeout", ticket.command_id)})
        if ticket.state == TicketState.PENDING_VISIT:
            assert ticket.id in booked


PROMISES = (
    one_open_ticket_per_trouble,
    one_order_and_one_visit_at_a_time_for_a_ticket,
    nobody_is_in_two_places,
    one_command_at_a_time_for_a_device,
    what_is_over_waits_for_nothing,
    nobody_sets_out_for_what_is_over,
    healthy_means_that_nothing_fires,
)


class Months(RuleBasedStateMachine):
    """A few devices, people and technicians, and everything that may befall them."""

    @initialize(depth=st.integers(0, len(STORY)))
    def open(self, depth: int) -> None:
        """Somewhere in a usual story; what comes then is anything but usual."""
        self.desk = fresh()
        self.firing: set[tuple[str, str]] = set()
        self.by_hand: set[int] = set()
        for step in STORY[:depth]:
            step(self.desk)
        if 0 < depth < len(STORY):
            self.firing.add(("hot", "hp-1"))

    @rule(
        name=st.sampled_from(RULES), device=st.sampled_from(DEVICES), how=st.sampled_from(["well", "old", "unproven"])
    )
    def fault_comes_or_goes(self, name: str, device: str, how: str) -> None:
        if (name, device) in self.firing:
            self.firing.remove((name, device))
            reason = EndReason.RULE_RETIRED if how == "unproven" else EndReason.CLEARED
            self.desk.clears(name, device=device, reason=reason)
        else:
            self.firing.add((name, device))
            age = timedelta(hours=3) if how == "old" else timedelta()
            self.desk.fires(name, device=device, age=age, severity=Severity.MAJOR if name == "hot" else Severity.MINOR)

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

        before, announced = count(), list(self.desk.announced)
        with self.desk.write() as session:
            self.desk.hand_on(session, announced)
            for order in self.desk.rows(WorkOrder):
                visits = [v.state for v in self.desk.rows(Visit) if v.work_order_id == order.id]
                if order.state in ORDER_OPEN and set(visits) & BOOKED:
                    self.desk.hand_on(session, dispatching.request(session, order.ticket_id, now=self.desk.now))
        assert count() == before
        self.desk.announced = announced

    @invariant()
    def every_promise_is_kept(self) -> None:
        if not hasattr(self, "desk"):
            return
        with self.desk.database.read() as session:
            world = World(
                *(list(session.scalars(select(table))) for table in (Ticket, WorkOrder, Visit, Command, Fault, Due))
            )
        for promise in PROMISES:
            promise(world)
        no_ticket_is_forgotten(world, by_hand=self.by_hand)

    def _try(self, act: Callable[..., Any], *args: Any, **more: Any) -> None:
        """People may ask for what cannot be: they are refused, and nothing else."""
        with suppress(Conflict, Forbidden):
            act(*args, **more)


Months.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMonths = Months.TestCase
