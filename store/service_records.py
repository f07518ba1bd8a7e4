"""Service records: what wears begins to count anew, in the database and in the engines."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain.clock import to_ms
from domain.errors import NotFound
from domain.telemetry import Serviced
from store import control, events
from store.tables import Device


def record(session: Session, device_id: str, *, at: datetime, now: datetime) -> Device:
    """The device was serviced at `at`. A record older than the newest one changes nothing. Raises NotFound."""
    device = session.get(Device, device_id, with_for_update=True)
    if device is None:
        raise NotFound("device", device_id)
    if device.last_service is None or device.last_service < at:
        device.last_service = at
        control.enqueue(session, Serviced(device_id, to_ms(at)), device_id=device_id)
        events.publish(session, "device.serviced", at=now, device_id=device_id)
    return device
