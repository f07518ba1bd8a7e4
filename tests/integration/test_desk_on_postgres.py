"""Tickets and visits on a real PostgreSQL, where writers work side by side."""

import threading
from collections.abc import Iterator
from functools import partial
from itertools import combinations

import pytest

from api.findings import findings
from dispatch import service
from dispatch.orders import PROMISED
from domain.messages import ReplyIntent
from domain.tickets import TicketState
from store.database import Database
from store.tables import Base, Customer, Device, Fault, Verdict, Visit
from tests.fakes.desk import LADDER, Desk
from tests.fakes.postgres import postgres
from tickets import service as ticketing

HOUSES = 4


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def desk(server: str) -> Iterator[Desk]:
    database = Database(server)
    Base.metadata.drop_all(database.engine)
    Base.metadata.create_all(database.engine)
    yield Desk(database)
    database.close()


def at_once(*acts: object) -> None:
    """Start all at the same moment, and wait for all; what one raises fails the test."""
    gate, raised = threading.Barrier(len(acts)), []

    def run(act: object) -> None:
        gate.wait()
        try:
            act()  # type: ignore[operator]
        except Exception as exc:  # noqa: BLE001
            raised.append(exc)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert raised == []


def test_a_whole_story(desk: Desk) -> None:
    desk.playbook(LADDER)
    desk.rule("hot", playbook="restart-then-ask")
    desk.technician("t-1")
    desk.fires("hot")
    desk.device_answers("done")
    desk.advance(minutes=16)
    desk.deliver()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    for move in (service.accept, service.en_route, service.arrive, service.complete):
        desk.visit_move(move)
    desk.clears("hot")
    desk.advance(minutes=40)
    assert (desk.state, desk.ticket.closed_by) == (TicketState.CLOSED, "telemetry")
    desk.fires("hot")
    assert desk.ticket.reopened == 1


def test_everybody_asks_at_once_and_nobody_is_promised_to_two(desk: Desk) -> None:
    desk.technician("only", skills=())
    with desk.write() as session:
        for number in range(3, 3 + HOUSES):
            session.add(Customer(id=f"c-{number}", name="C"))
            session.flush()
            session.add(Device(id=f"hp-{number}", customer_id=f"c-{number}", registered_at=desk.now))
    houses = range(3, 3 + HOUSES)
    for number in houses:
        desk.fires(device=f"hp-{number}")
    at_once(*(lambda n=n: desk.reply(ReplyIntent.SEND_SOMEONE, customer=f"c-{n}") for n in houses))
    offered = [visit.id for visit in desk.rows(Visit)]
    assert len(offered) == HOUSES
    at_once(*(lambda v=v: desk.visit_move(service.accept, visit_id=v) for v in offered))
    while waiting := [visit.id for visit in desk.rows(Visit) if visit.state == "offered"]:
        at_once(*(lambda v=v: desk.visit_move(service.accept, visit_id=v) for v in waiting))
    promised = [visit for visit in desk.rows(Visit) if visit.state in PROMISED]
    assert len(promised) == HOUSES
    for one, other in combinations(promised, 2):
        assert one.window_end <= other.window_start or other.window_end <= one.window_start


def test_one_ticket_is_moved_by_many_at_once(desk: Desk) -> None:
    desk.technician("t-1", skills=())
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    visit = desk.visit.id
    at_once(
        lambda: desk.visit_move(service.accept, visit_id=visit),
        lambda: desk.visit_move(service.accept, visit_id=visit),
        lambda: desk.reply(ReplyIntent.UNCLEAR, text="when?"),
        lambda: desk.reply(ReplyIntent.SEND_SOMEONE, text="2"),
    )
    assert desk.story().count("visit_accepted") == 1
    assert len(desk.rows(Visit)) == 1


def test_verdicts_and_precision_are_the_same_here(desk: Desk) -> None:
    desk.rule("early", stage="shadow", family="cooling")
    for number, verdict in enumerate(("real", "false_alarm", None)):
        desk.fires()
        if verdict:
            desk.do(ticketing.verdict, desk.rows(Fault)[number].id, verdict, actor="agent")
        desk.flaps()
        desk.clears()
        desk.advance(hours=1)
    desk.fires("early")
    with desk.database.read() as session:
        found = ticketing.tallies(session, now=desk.now)
        shown = [one.shown() for one in findings(session, desk.rows(Fault))]
    known = found["overheat"]
    assert (known.real, known.false, known.unknown, known.episodes, known.flapping) == (1, 1, 1, 3, 3)
    assert [len(one["verdicts"]) for one in shown] == [1, 1, 0, 0]
    assert shown[-1]["would"]["ticket"] == "reopen"


def test_a_customer_and_an_agent_judge_at_once_and_the_agent_counts(desk: Desk) -> None:
    for number in range(12):
        rule = f"r{number}"
        desk.rule(rule, stage="shadow" if number % 2 else "live")
        desk.fires(rule)
        fault = desk.rows(Fault)[-1].id
        at_once(
            partial(desk.do, ticketing.verdict, fault, "false_alarm", actor="customer:c-1"),
            partial(desk.do, ticketing.verdict, fault, "real", actor="agent"),
        )
    assert [one.verdict for one in desk.rows(Fault)] == ["real"] * 12
    assert len(desk.rows(Verdict)) == 24
