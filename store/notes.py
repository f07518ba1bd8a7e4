"""What ingest notes of devices, a page in one transaction: last seen, values, presence, attributes, bad input."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from domain.clock import from_ms, to_ms
from domain.intake import DeadLetter, Heard
from domain.telemetry import DeviceChanged, Value
from store import control, events
from store.database import Database
from store.firmware import note_firmware
from store.tables import DeadLetter as DeadLetterRow
from store.tables import Device, DeviceValue
from store.upsert import insert

_CHUNK = 400
_EVENTS_AT_ONCE = 20
UNKNOWN_DEVICE = "unknown_device"


class SqlNotes:
    """Implements `ingest.ledger.Notes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, heard: Mapping[str, Heard], dead: Sequence[DeadLetter], *, now: datetime) -> None:
        """All of it in one transaction. Raises StoreUnavailable; nothing is written then."""
        with self._database.write() as session:
            for ids in _chunks(sorted(heard)):
                _write_heard(session, {device_id: heard[device_id] for device_id in ids}, now=now)
            write_dead_letters(session, _still_unknown(session, dead), now=now)


def in_force(reported: Mapping[str, Any] | None, declared: Mapping[str, Any] | None) -> dict[str, Value]:
    """A device's whole set of attributes: what it reported, overlaid by what was declared."""
    return {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in {**(reported or {}), **(declared or {})}.items()
    }


def changed(device: Device) -> DeviceChanged:
    """What the engines are told of a device."""
    attributes = in_force({**site_of(device), **(device.reported or {})}, device.attributes)
    return DeviceChanged(device.id, device.product or "", attributes, to_ms(device.registered_at))


def site_of(device: Device) -> dict[str, Value]:
    """Where the device stands, as attributes that rules may name; what is declared or reported under a name wins."""
    known = {"site": device.address, "site.lat": device.lat, "site.lon": device.lon, "timezone": device.timezone}
    return {name: value for name, value in known.items() if value is not None}


def write_dead_letters(session: Session, letters: Sequence[DeadLetter], *, now: datetime) -> None:
    """Count them by device and reason; the first payload of each is kept. The feed hears of a handful at a time."""
    for letter in letters:
        values = {
            "device_id": letter.device_id,
            "reason": str(letter.reason),
            "count": letter.count,
            "first_at": from_ms(letter.at),
            "last_at": from_ms(letter.at),
            "topic": letter.topic,
            "payload": letter.payload,
            "detail": letter.detail,
        }
        row = insert(session, DeadLetterRow).values(**values)
        new = row.excluded
        session.execute(
            row.on_conflict_do_update(
                index_elements=["device_id", "reason"],
                set_={"count": DeadLetterRow.count + new.count, "last_at": new.last_at, "detail": new.detail},
            )
        )
    for letter in letters[:_EVENTS_AT_ONCE]:
        events.publish(
            session, "dead_letter", at=now, device_id=letter.device_id, reason=str(letter.reason), count=letter.count
        )


def _still_unknown(session: Session, dead: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Without the complaints about devices that have been registered meanwhile: what they sent is taken in."""
    suspects = [letter.device_id for letter in dead if letter.reason == UNKNOWN_DEVICE]
    known: set[str] = set()
    for ids in _chunks(suspects):
        known.update(session.scalars(select(Device.id).where(Device.id.in_(ids))))
    return [letter for letter in dead if not (letter.reason == UNKNOWN_DEVICE and letter.device_id in known)]


def _write_heard(session: Session, heard: Mapping[str, Heard], *, now: datetime) -> None:
    known = set(session.scalars(select(Device.id).where(Device.id.in_(heard))))
    seen = [
        {"key": device_id, "seen": from_ms(entry.last_seen)}
        for device_id, entry in heard.items()
        if device_id in known and entry.last_seen is not None
    ]
    if seen:
        older = or_(Device.last_seen.is_(None), Device.last_seen < bindparam("seen", type_=Device.last_seen.type))
        statement = update(Device.__table__).where(Device.id == bindparam("key"), older)  # type: ignore[arg-type]
        session.connection().execute(statement.values(last_seen=bindparam("seen")), seen)
    _write_values(session, {device_id: heard[device_id] for device_id in heard if device_id in known})
    told = [device_id for device_id in known if heard[device_id].presence is not None or heard[device_id].reported]
    for row in session.scalars(select(Device).where(Device.id.in_(told)).with_for_update()):
        _write_presence(session, row, heard[row.id], now=now)
        _write_reported(session, row, heard[row.id], now=now)


def _write_values(session: Session, heard: Mapping[str, Heard]) -> None:
    rows = [
        {"device_id": device_id, "metric": metric, "value": {"v": value}, "event_time": from_ms(at)}
        for device_id, entry in heard.items()
        for metric, (at, value) in entry.values.items()
    ]
    if not rows:
        return
    row = insert(session, DeviceValue)
    statement = row.on_conflict_do_update(
        index_elements=["device_id", "metric"],
        set_={"value": row.excluded.value, "event_time": row.excluded.event_time},
        where=row.excluded.event_time >= DeviceValue.event_time,
    )
    session.connection().execute(statement, rows)


def _write_presence(session: Session, row: Device, entry: Heard, *, now: datetime) -> None:
    if entry.presence is None:
        return
    changed = row.presence != entry.presence
    row.presence, row.presence_at = entry.presence, from_ms(entry.presence_at)
    if changed:
        events.publish(session, "device.presence", at=now, device_id=row.id, presence=entry.presence)


def _write_reported(session: Session, row: Device, entry: Heard, *, now: datetime) -> None:
    reported = {**(row.reported or {}), **entry.reported}
    if reported == row.reported:
        return
    before = changed(row)
    row.reported = reported
    after = changed(row)
    if before != after:
        note_firmware(session, after, at=now)
        control.enqueue(session, after, device_id=row.id)


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
