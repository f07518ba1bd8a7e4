"""Which device ran which firmware from when until when: noted whenever its attributes change."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain.telemetry import DeviceChanged
from store.tables import FirmwarePeriod

ATTRIBUTE = "firmware"


def note_firmware(session: Session, changed: DeviceChanged, *, at: datetime) -> None:
    """A device as it is from `at` on: another firmware, or another product, begins another period."""
    value = changed.attributes.get(ATTRIBUTE)
    here = (FirmwarePeriod.device_id == changed.device_id, FirmwarePeriod.until.is_(None))
    running = session.scalar(select(FirmwarePeriod).where(*here))
    if running is not None and (running.product, running.firmware) == (changed.product, _text(value)):
        return
    end_firmware(session, changed.device_id, at=at)
    if changed.product and value is not None:
        period = {"device_id": changed.device_id, "product": changed.product, "firmware": _text(value)}
        session.add(FirmwarePeriod(**period, since=at))


def end_firmware(session: Session, device_id: str, *, at: datetime) -> None:
    """The device runs nothing any more that we know of."""
    here = (FirmwarePeriod.device_id == device_id, FirmwarePeriod.until.is_(None))
    session.execute(update(FirmwarePeriod).where(*here).values(until=at))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
