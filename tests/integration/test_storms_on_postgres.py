"""Storms on a real PostgreSQL: workers of several partitions and several clocks at once make one parent."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from app import pipeline
from domain.faults import EndReason, Severity, Transition, TransitionState
from domain.tickets import TicketState
from store import due
from store.database import Database
from store.tables import Base, Due, Ticket
from tests.fakes.desk import Desk
from tests.fakes.fleet import stand
from tests.fakes.postgres import postgres
from tickets.service import move

DEVICES, WORKERS, CLOCKS = 24, 4, 3


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
        thread.join(60)
    assert raised == []


def commit(desk: Desk, devices: list[str], state: TransitionState) -> None:
    """One partition's worker commits what it found of these devices."""
    now = desk.now
    reason = EndReason.CLEARED if state is TransitionState.RESOLVED else None
    steps = [
        Transition("offline", 1, device, 1, state, now, now, Severity.MINOR, now, reason=reason) for device in devices
    ]
    with desk.write() as session:
        pipeline.on_transitions(session, steps, now=now)


def tick(desk: Desk) -> None:
    """One clock does everything that is due."""
    while True:
        with desk.database.read() as session:
            row = due.oldest(session, now=desk.now)
        if row is None:
            return
        with desk.write() as session:
            pipeline.on_due(session, row.id, now=desk.now)


def test_workers_and_clocks_side_by_side_make_one_parent_and_end_it_once(desk: Desk) -> None:
    desk.rule("offline", family="link", hold_s=60.0)
    devices = stand(desk, DEVICES, gateway="gw-1")
    shares = [devices[worker::WORKERS] for worker in range(WORKERS)]
    at_once(*(lambda share=share: commit(desk, share, TransitionState.FIRING) for share in shares))
    desk.clock.advance(minutes=2)
    at_once(*[lambda: tick(desk)] * CLOCKS)
    tickets = desk.tickets()
    (parent,) = [ticket for ticket in tickets if ticket.scope]
    assert {ticket.parent_id for ticket in tickets if not ticket.scope} == {parent.id}
    assert desk.story(parent.id).count("storm_seen") == 1
    clears = [lambda share=share: commit(desk, share, TransitionState.RESOLVED) for share in shares]
    at_once(*clears, *[lambda: tick(desk)] * CLOCKS)
    desk.clock.advance(minutes=1)
    at_once(*[lambda: tick(desk)] * CLOCKS)
    (parent,) = [ticket for ticket in desk.tickets() if ticket.scope]
    assert parent.state == "resolved"
    assert desk.story(parent.id).count("ticket_resolved") == 1
    assert {row.kind for row in desk.rows(Due)} == {"close"}


def test_a_parent_closed_while_devices_recover_lets_each_go_once(desk: Desk) -> None:
    desk.rule("offline", family="link", hold_s=60.0)
    devices = stand(desk, DEVICES, gateway="gw-1")
    commit(desk, devices, TransitionState.FIRING)
    desk.clock.advance(minutes=2)
    tick(desk)
    with desk.database.read() as session:
        parent = session.scalars(select(Ticket.id).where(Ticket.scope.is_not(None))).one()
    at_once(
        lambda: desk.do(move, parent, TicketState.CLOSED, actor="agent", reason="not common cause"),
        lambda: commit(desk, devices[:8], TransitionState.RESOLVED),
        *[lambda: tick(desk)] * CLOCKS,
    )
    desk.clock.advance(seconds=1)
    at_once(*[lambda: tick(desk)] * CLOCKS)
    desk.clock.advance(minutes=2)
    at_once(*[lambda: tick(desk)] * CLOCKS)
    open_children = [ticket for ticket in desk.tickets() if ticket.parent_id and ticket.state == "pending_customer"]
    assert len(open_children) == DEVICES - 8
    assert len([entry for entry in open_children if desk.story(entry.id).count("released") == 1]) == DEVICES - 8
