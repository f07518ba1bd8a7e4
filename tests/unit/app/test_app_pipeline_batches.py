"""What the engine found is taken up many at a time: as if one by one, and with far fewer questions."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from structlog.testing import capture_logs

from app import pipeline
from domain.faults import EndReason, Severity, Transition, TransitionState
from store.database import Database
from store.tables import DeadLetter, Device, Due, Event, Fault, FaultSamples, Message, Ticket, TimelineEntry
from tests.fakes.desk import Desk, new_database

RULES, DEVICES = ("overheat", "leak", "offline"), ("hp-1", "hp-9", "gw-1")
STEPS = st.lists(
    st.tuples(st.sampled_from(RULES), st.sampled_from(DEVICES), st.sampled_from(TransitionState)),
    min_size=2,
    max_size=9,
)


def furnished(folder: Path) -> Desk:
    """A pump and another below a gateway whose silence inhibits what its devices report; leaks wait for a storm."""
    desk = Desk(new_database(folder))
    desk.rule("leak", severity="major", hold_s=60.0)
    desk.rule("offline", severity="major", inhibits=[(None, "cooling", "below_gateway"), ("leak", None, "device")])
    add(desk, DEVICES[2])
    add(desk, DEVICES[1], gateway="gw-1")
    return desk


def add(desk: Desk, *devices: str, gateway: str | None = None) -> None:
    with desk.write() as session:
        for device in devices:
            session.add(Device(id=device, customer_id="c-1", gateway=gateway, registered_at=desk.now))


def found(desk: Desk, steps: Sequence[tuple[str, str, TransitionState]]) -> list[Transition]:
    """As an engine might have found it; an episode begins with each firing."""
    episodes: dict[tuple[str, str], int] = {}
    made: list[Transition] = []
    for second, (rule, device, state) in enumerate(steps):
        if state is TransitionState.FIRING or (rule, device) not in episodes:
            episodes[rule, device] = episodes.get((rule, device), 0) + 1
        at = desk.now + timedelta(seconds=second - 30)
        reason = EndReason.CLEARED if state is TransitionState.RESOLVED else None
        severity = Severity.MAJOR if rule != "overheat" else Severity.MINOR
        episode = episodes[rule, device]
        made.append(Transition(rule, 1, device, episode, state, at, at, severity, desk.now, reason, {"temp": 97.5}))
    return made


def world(database: Database) -> dict[str, list[Any]]:
    """Everything that the steps can have caused, in an order of its own."""
    with database.read() as session:
        key = {ticket.id: (ticket.device_id, ticket.family) for ticket in session.scalars(select(Ticket))}
        fault = {one.id: (one.rule, one.device_id, one.episode) for one in session.scalars(select(Fault))}
        rows: dict[str, list[Any]] = {
            "faults": [
                (
                    fault[one.id],
                    one.state,
                    one.flapping,
                    one.kept_back or "",
                    key.get(one.ticket_id or 0, ()),
                    fault.get(one.inhibited_by or 0, ()),
                )
                for one in session.scalars(select(Fault))
            ],
            "tickets": [
                (
                    key[one.id],
                    one.state,
                    one.severity,
                    one.rule or "",
                    one.step,
                    one.reopened,
                    one.held,
                    one.version > 0,
                )
                for one in session.scalars(select(Ticket))
            ],
            "samples": [(fault[one.fault_id], one.due_at) for one in session.scalars(select(FaultSamples))],
            "timeline": [
                (key[one.ticket_id], one.kind, one.at, one.actor) for one in session.scalars(select(TimelineEntry))
            ],
            "messages": [
                (key.get(one.ticket_id or 0, ()), one.stage, one.occurrence, one.state, one.not_before)
                for one in session.scalars(select(Message))
            ],
            "due": [(one.kind, one.due_at) for one in session.scalars(select(Due))],
            "events": [one.kind for one in session.scalars(select(Event))],
        }
    return {name: sorted(some, key=repr) for name, some in rows.items()}


@settings(max_examples=20, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_batch_leaves_what_its_steps_leave_one_by_one(steps: list[tuple[str, str, TransitionState]]) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        together, apart = furnished(Path(one)), furnished(Path(other))
        with together.write() as session:
            pipeline.on_transitions(session, found(together, steps), now=together.now)
        with apart.write() as session:
            for step in found(apart, steps):
                pipeline.on_transitions(session, [step], now=apart.now)
        try:
            assert world(together.database) == world(apart.database)
        finally:
            together.database.close()
            apart.database.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(new_database(tmp_path))
    yield made
    made.database.close()


def firing(desk: Desk, device: str, **more: Any) -> Transition:
    facts: dict[str, Any] = {"evidence": {"temp": 97.5}, **more}
    return Transition(
        "overheat", 1, device, 1, TransitionState.FIRING, desk.now, desk.now, Severity.MINOR, desk.now, **facts
    )


class Indigestible(dict[str, Any]):
    """Evidence that our own code cannot read."""

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError("poison")

    def keys(self) -> Any:
        raise ZeroDivisionError("poison")


def test_what_our_own_code_cannot_digest_takes_no_other_of_its_batch_along(desk: Desk) -> None:
    devices = ["hp-1", *(f"hp-{number}" for number in range(12, 22))]
    add(desk, *devices[1:])
    steps = [firing(desk, device) for device in devices]
    steps[4] = firing(desk, devices[4], evidence=Indigestible(temp=1.0))
    with capture_logs(), desk.write() as session:
        pipeline.on_transitions(session, steps, now=desk.now)
    assert {one.device_id for one in desk.rows(Ticket)} == {*devices} - {devices[4]}
    assert [one.device_id for one in desk.rows(DeadLetter)] == [devices[4]]
    assert sorted(one.kind for one in desk.rows(Event)).count("ticket.opened") == len(devices) - 1, "none told twice"
    assert len(desk.rows(Message)) == len(devices) - 1


def test_a_hundred_faults_ask_the_database_hardly_more_than_one(desk: Desk) -> None:
    devices = [f"d-{number}" for number in range(101)]
    add(desk, *devices)
    statements: list[str] = []
    event.listen(desk.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    counts = []
    for batch in (devices[:1], devices[1:]):
        statements.clear()
        with desk.write() as session:
            pipeline.on_transitions(session, [firing(desk, device) for device in batch], now=desk.now)
        counts.append(len(statements))
    assert counts[1] <= counts[0] + 3
    assert len(desk.rows(Message)) == len(devices)
