"""What ingest notes in the database, on PostgreSQL: the same SQL has to mean the same there."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from domain.clock import from_ms
from domain.intake import DeadLetter, Heard
from store.commands import SqlCommandOutbox
from store.database import Database
from store.notes import SqlNotes
from store.registry import SqlRegistry
from store.tables import Base, Command, ControlEntry, Device, DeviceValue
from store.tables import DeadLetter as DeadLetterRow
from tests.fakes.postgres import postgres
from tests.ingest_house import register

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
T0 = 1_772_442_000_000


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with postgres() as url:
        made = Database(url)
        Base.metadata.create_all(made.engine)
        yield made
        made.close()


def test_pages_registry_and_commands(database: Database) -> None:
    register(database, "d", "é*>", admitted=False)
    registry = SqlRegistry(database)
    registry.refresh()
    assert list(registry.candidates()) == ["d", "é*>"]
    registry.admit(["d", "é*>"])
    assert registry.candidates() == []
    notes = SqlNotes(database)
    letter = DeadLetter("d", "invalid_json", "detail", "topic", b"\x00\xff", T0, 2)
    for at in (T0 + 5, T0 + 1):
        heard = Heard(at, "online", at, {"temp": (at, 2.5), "on": (at, True), "text": (at, "x")}, {"fw": "1"})
        notes.write({"d": heard}, [letter], now=NOW)
    with database.read() as session:
        device = session.get_one(Device, "d")
        assert (device.last_seen, device.presence, device.reported) == (from_ms(T0 + 5), "online", {"fw": "1"})
        values = {row.metric: (row.value["v"], row.event_time) for row in session.scalars(select(DeviceValue))}
        assert values == {"temp": (2.5, from_ms(T0 + 5)), "on": (True, from_ms(T0 + 5)), "text": ("x", from_ms(T0 + 5))}
        assert [(row.count, row.payload) for row in session.scalars(select(DeadLetterRow))] == [(4, b"\x00\xff")]
        assert len(session.scalars(select(ControlEntry)).all()) == 1


def test_the_command_outbox(database: Database) -> None:
    outbox = SqlCommandOutbox(database)
    with database.write() as session:
        row = {"id": "c1", "device_id": "d", "name": "restart", "state": "queued", "asked_by": "agent"}
        session.add(Command(**row, created_at=NOW, idempotent=True))
    assert [command.id for command in outbox.take()] == ["c1"]
    assert outbox.take() == ()
    assert [command.id for command in outbox.interrupted()] == ["c1"]
    outbox.sent("c1", now=NOW)
    with database.read() as session:
        assert session.get_one(Command, "c1").state == "sent"
