"""The devices as ingest sees them, and what it notes of them."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from domain.clock import from_ms
from domain.errors import StoreUnavailable
from domain.intake import DeadLetter, Heard, KnownDevice
from domain.telemetry import DeviceChanged
from domain.tickets import CommandState
from store import control
from store.commands import SqlCommandOutbox
from store.database import Database
from store.notes import SqlNotes
from store.registry import SqlRegistry, add_dead_letter
from store.tables import Command, Device, DeviceValue, Event, Product, Ticket, TimelineEntry
from store.tables import DeadLetter as DeadLetterRow

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
T0 = 1_772_442_000_000


def add_device(database: Database, device_id: str, **more: object) -> None:
    with database.write() as session:
        if session.get(Product, "pump") is None:
            metrics = {"temp": {"unit": "°C", "kind": "number"}, "any": {}, "odd": None}
            session.add(Product(name="pump", metrics=metrics, strict=True))
            session.flush()
        session.add(Device(**{"id": device_id, "product": "pump", "registered_at": NOW, **more}))


def test_devices_are_known_after_a_refresh_with_what_their_product_declares(database: Database) -> None:
    registry = SqlRegistry(database)
    assert not registry.loaded()
    registry.refresh()
    assert registry.loaded()
    assert registry.known("d") is None
    add_device(database, "d", announced=True, admitted=True)
    registry.refresh()
    assert registry.known("d") is None, "not more often than once a second"
    registry.refresh(at_once=True)
    kinds = {"temp": "number", "any": "", "odd": ""}
    assert registry.known("d") == KnownDevice("d", "pump", kinds, strict=True, admitted=True)


def test_a_device_is_admitted_after_its_registration_is_in_the_log(database: Database) -> None:
    registry = SqlRegistry(database)
    add_device(database, "d")
    registry.refresh(at_once=True)
    assert registry.candidates() == []
    assert not _admitted(registry, "d")
    with database.write() as session:
        session.get_one(Device, "d").announced = True
    registry.refresh(at_once=True)
    assert list(registry.candidates()) == ["d"]
    assert not _admitted(registry, "d")
    registry.open(["d"])
    assert _admitted(registry, "d")
    registry.refresh(at_once=True)
    assert _admitted(registry, "d"), "a refresh before the database knows does not close it again"
    registry.admit(["d"])
    assert list(registry.candidates()) == []
    assert _admitted(SqlRegistry_loaded(database), "d")


def test_a_device_that_was_deleted_and_registered_again_has_to_be_admitted_again(database: Database) -> None:
    registry = SqlRegistry(database)
    add_device(database, "d", announced=True)
    registry.refresh(at_once=True)
    registry.open(["d"])
    registry.admit(["d"])
    with database.write() as session:
        session.delete(session.get_one(Device, "d"))
    registry.refresh(at_once=True)
    assert registry.known("d") is None
    add_device(database, "d", announced=True)
    registry.refresh(at_once=True)
    assert not _admitted(registry, "d")


def SqlRegistry_loaded(database: Database) -> SqlRegistry:  # noqa: N802
    registry = SqlRegistry(database)
    registry.refresh(at_once=True)
    return registry


def _admitted(registry: SqlRegistry, device_id: str) -> bool:
    device = registry.known(device_id)
    assert device is not None
    return device.admitted


def test_last_seen_and_values_only_move_forward(database: Database) -> None:
    add_device(database, "d")
    notes = SqlNotes(database)
    notes.write({"d": Heard(last_seen=T0 + 5, values={"temp": (T0 + 5, 2.5), "on": (T0, True)})}, [], now=NOW)
    notes.write({"d": Heard(last_seen=T0 + 1, values={"temp": (T0 + 1, 1.0)})}, [], now=NOW)
    notes.write({"gone": Heard(last_seen=T0, values={"temp": (T0, 1.0)}, presence="online")}, [], now=NOW)
    with database.read() as session:
        assert session.get_one(Device, "d").last_seen == from_ms(T0 + 5)
        rows = {row.metric: (row.value, row.event_time) for row in session.scalars(select(DeviceValue))}
    assert rows == {"temp": ({"v": 2.5}, from_ms(T0 + 5)), "on": ({"v": True}, from_ms(T0))}


def test_many_devices_are_written_in_one_go(database: Database) -> None:
    with database.write() as session:
        session.add_all(Device(id=f"d{n}", registered_at=NOW) for n in range(1500))
    heard = {f"d{n}": Heard(last_seen=T0 + n, values={"a": (T0, 1.0), "b": (T0, "x")}) for n in range(1500)}
    SqlNotes(database).write(heard, [], now=NOW)
    with database.read() as session:
        assert session.get_one(Device, "d1499").last_seen == from_ms(T0 + 1499)
        assert len(session.scalars(select(DeviceValue.metric)).all()) == 3000


def test_presence_is_told_to_the_feed_when_it_changes(database: Database) -> None:
    add_device(database, "d")
    notes = SqlNotes(database)
    for presence, at in (("online", T0), ("online", T0 + 1), ("offline", T0 + 2)):
        notes.write({"d": Heard(presence=presence, presence_at=at)}, [], now=NOW)
    with database.read() as session:
        bodies = [event.body for event in session.scalars(select(Event)) if event.kind == "device.presence"]
        assert session.get_one(Device, "d").presence_at == from_ms(T0 + 2)
    assert bodies == [{"device_id": "d", "presence": "online"}, {"device_id": "d", "presence": "offline"}]


def test_reported_attributes_reach_the_engines_unless_declared_ones_stand_over_them(database: Database) -> None:
    add_device(database, "d", attributes={"region": "EU", "max": 90})
    notes = SqlNotes(database)
    notes.write({"d": Heard(reported={"firmware": "1", "region": "US"})}, [], now=NOW)
    notes.write({"d": Heard(reported={"firmware": "1"})}, [], now=NOW)
    notes.write({"d": Heard(reported={"region": "CN"})}, [], now=NOW)
    with database.read() as session:
        waiting = control.waiting(session)
        assert session.get_one(Device, "d").reported == {"firmware": "1", "region": "CN"}
    assert [(item.entry, item.device_id) for item in waiting] == [
        (DeviceChanged("d", "pump", {"firmware": "1", "region": "EU", "max": 90.0}, T0), "d")
    ]


def letter(device_id: str = "d", reason: str = "invalid_json", *, count: int = 1, payload: bytes = b"x") -> DeadLetter:
    return DeadLetter(device_id, reason, "detail", "topic", payload, T0, count)


def test_dead_letters_are_counted_by_device_and_reason_and_keep_the_first_payload(database: Database) -> None:
    notes = SqlNotes(database)
    notes.write({}, [letter(count=2, payload=b"first"), letter(reason="wrong_type")], now=NOW)
    notes.write({}, [letter(count=3, payload=b"second")], now=NOW)
    with database.write() as session:
        add_dead_letter(
            session, device_id="d", reason="invalid_json", topic="t", payload=b"y" * 9000, detail="again", at=NOW
        )
        add_dead_letter(session, device_id="e", reason="other", topic="t", payload=b"y" * 9000, detail="new", at=NOW)
    with database.read() as session:
        rows = {(r.device_id, r.reason): (r.count, len(r.payload)) for r in session.scalars(select(DeadLetterRow))}
    assert rows == {("d", "invalid_json"): (6, 5), ("d", "wrong_type"): (1, 1), ("e", "other"): (1, 4096)}


def test_who_has_been_registered_meanwhile_was_not_unknown(database: Database) -> None:
    add_device(database, "d")
    SqlNotes(database).write({}, [letter("d", "unknown_device"), letter("e", "unknown_device")], now=NOW)
    with database.read() as session:
        assert session.scalars(select(DeadLetterRow.device_id)).all() == ["e"]


def test_a_locked_database_is_said_and_nothing_is_written(database: Database) -> None:
    add_device(database, "d")
    impatient = Database(database.url, busy_timeout_s=0.05)
    lock = sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable):
        SqlNotes(impatient).write({"d": Heard(last_seen=T0)}, [letter()], now=NOW)
    lock.execute("ROLLBACK")
    lock.close()
    impatient.close()
    with database.read() as session:
        assert session.get_one(Device, "d").last_seen is None


def add_command(database: Database, command_id: str, **more: object) -> None:
    defaults = {"id": command_id, "device_id": "d", "name": "restart", "state": "queued", "asked_by": "agent"}
    with database.write() as session:
        session.add(Command(**{**defaults, "created_at": NOW, "args": {"n": 1}, **more}))


def state(database: Database, command_id: str) -> str:
    with database.read() as session:
        return session.get_one(Command, command_id).state


def test_a_queued_command_is_submitting_before_anybody_may_send_it(database: Database) -> None:
    outbox = SqlCommandOutbox(database)
    add_command(database, "late", created_at=NOW + timedelta(seconds=1))
    add_command(database, "c1")
    assert [(c.id, c.device_id, c.name, c.args) for c in outbox.take()] == [
        ("c1", "d", "restart", {"n": 1}),
        ("late", "d", "restart", {"n": 1}),
    ]
    assert state(database, "c1") == CommandState.SUBMITTING
    assert outbox.take() == ()
    outbox.give_back("late")
    assert [c.id for c in outbox.take()] == ["late"]


def test_sent_is_noted_once_in_the_tickets_timeline(database: Database) -> None:
    outbox = SqlCommandOutbox(database)
    with database.write() as session:
        ticket = Ticket(**_ticket_fields())
        session.add(ticket)
        session.flush()
        ticket_id = ticket.id
    add_command(database, "c1", ticket_id=ticket_id, asked_by="playbook:p")
    outbox.take()
    for _ in range(2):
        outbox.sent("c1", now=NOW)
    assert state(database, "c1") == CommandState.SENT
    with database.read() as session:
        entries = session.scalars(select(TimelineEntry)).all()
        assert [(e.kind, e.actor, e.detail["name"]) for e in entries] == [("command_sent", "playbook:p", "restart")]


def test_an_answer_that_was_faster_than_the_note_stands(database: Database) -> None:
    outbox = SqlCommandOutbox(database)
    add_command(database, "c1", state="done")
    outbox.sent("c1", now=NOW)
    outbox.give_back("c1")
    assert state(database, "c1") == CommandState.DONE
    assert outbox.addressee("c1") == "d"
    assert outbox.addressee("nothing") is None


def test_only_idempotent_commands_are_said_again_after_a_crash(database: Database) -> None:
    add_command(database, "c1", state="submitting", idempotent=True)
    add_command(database, "c2", state="submitting")
    add_command(database, "c3", state="sent", idempotent=True)
    assert [c.id for c in SqlCommandOutbox(database).interrupted()] == ["c1"]


def _ticket_fields() -> dict[str, object]:
    fields = {"state": "open", "cause": "fault", "device_id": "d", "family": "f", "severity": "minor"}
    return {**fields, "opened_at": NOW, "onset": NOW, "updated_at": NOW}
