"""Taking a declared thing away again, unless something still needs it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from domain.errors import Conflict
from domain.telemetry import DeviceDeleted
from store import control, events, wordings
from store.firmware import end_firmware
from store.tables import Customer, Device, DeviceValue, Maker, Product, RuleVersion, Technician, Ticket, Visit, Wording
from store.tables.base import Base


def remove(session: Session, row: Base, *, now: datetime) -> None:
    """Delete the row. Raises Conflict that names what still points to it. A device's episodes end with it."""
    match row:
        case Device():
            session.execute(delete(DeviceValue).where(DeviceValue.device_id == row.id))
            end_firmware(session, row.id, at=now)
            control.enqueue(session, DeviceDeleted(row.id), device_id=row.id)
            events.publish(session, "device.deleted", at=now, device_id=row.id)
        case Maker():
            _refuse(session, row.id, [("product", Product.name, Product.maker)])
            for own in session.scalars(wordings.in_force().where(Wording.maker == row.id)).all():
                wordings.withdraw(session, own, now=now)
        case Product():
            _refuse(
                session,
                row.name,
                [("device", Device.id, Device.product), ("rule", RuleVersion.name, RuleVersion.product)],
            )
        case Customer():
            _refuse(
                session, row.id, [("device", Device.id, Device.customer_id), ("ticket", Ticket.id, Ticket.customer_id)]
            )
        case Technician():
            _refuse(session, row.id, [("visit", Visit.id, Visit.technician_id)])
    session.delete(row)


def _refuse(
    session: Session,
    key: str,
    users: Sequence[tuple[str, InstrumentedAttribute[object], InstrumentedAttribute[object]]],
) -> None:
    for kind, name, points in users:
        count = session.scalar(select(func.count()).where(points == key)) or 0
        if count:
            first = session.scalar(select(name).where(points == key).limit(1))
            more = f" and {count - 1} more" if count > 1 else ""
            raise Conflict(f"{key!r} is still needed by {kind} {first!r}{more}")
