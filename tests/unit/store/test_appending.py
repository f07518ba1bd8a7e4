"""Rows that are gathered: seen by whoever looks, written together, gone with the savepoint in which they were said."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from store import due, events, timeline
from store.database import Database
from store.ids import Reserve
from store.tables import Due, Event, Ticket, TimelineEntry
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    house = House(tmp_path)
    yield house.database
    house.database.close()


def kinds(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(TimelineEntry.kind).order_by(TimelineEntry.id)))


def note(session: object, kind: str) -> None:
    timeline.note(session, 1, kind, at=START, actor="clock")  # type: ignore[arg-type]


def test_what_was_said_is_there_for_the_next_question(database: Database) -> None:
    with database.write() as session:
        note(session, "one")
        assert session.scalars(select(TimelineEntry.kind)).all() == ["one"]
        note(session, "two")
    assert kinds(database) == ["one", "two"]


def test_a_savepoint_that_is_taken_back_takes_along_what_was_said_in_it_and_nothing_else(database: Database) -> None:
    with database.write() as session:
        note(session, "before")
        savepoint = session.begin_nested()
        note(session, "within")
        # Both are written now; only one of them belongs to the savepoint.
        assert len(session.scalars(select(TimelineEntry.kind)).all()) == 2
        savepoint.rollback()
        note(session, "after")
        with session.begin_nested():
            note(session, "kept")
            session.scalars(select(TimelineEntry.kind)).all()
    assert kinds(database) == ["before", "after", "kept"]


def test_what_was_said_before_a_rollback_of_all_is_forgotten(database: Database) -> None:
    with database.write() as session:
        note(session, "never")
        events.publish(session, "never", at=START)
        session.rollback()
        note(session, "said")
    assert kinds(database) == ["said"]
    with database.read() as session:
        assert session.scalars(select(Event)).all() == []


def test_of_two_appointments_of_one_kind_the_later_word_counts(database: Database) -> None:
    with database.write() as session:
        due.schedule(session, "step", 1, at=START, step=1)
        due.schedule(session, "step", 1, at=START.replace(year=2030), step=2)
    with database.read() as session:
        (row,) = session.scalars(select(Due)).all()
        assert (row.due_at.year, row.detail) == (2030, {"step": 2})
    with database.write() as session:
        assert due.take(session, row.id, now=START) is None, "it was put off"
        assert due.take(session, row.id) is not None


def test_ids_drawn_ahead_leave_those_that_the_database_gives_alone(database: Database) -> None:
    facts = {"customer_id": None, "state": "closed", "cause": "fault", "severity": "minor"}
    times = {"opened_at": START, "onset": START, "updated_at": START}
    with database.write() as session:
        reserve = Reserve(session, Ticket, 2)
        drawn = [reserve.draw() for _ in range(3)]
        session.add_all(Ticket(id=one, device_id="d", family=str(one), **facts, **times) for one in drawn)
    with database.write() as session:
        last = Ticket(device_id="d", family="last", **facts, **times)
        session.add(last)
        session.flush()
        assert len({1, *drawn, last.id}) == 5
