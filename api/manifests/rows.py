"""Declared people and things as rows; a device's change is announced to the engines in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.manifests.declaration import Outcome
from api.schemas.declared import CustomerIn, Declared, DeviceIn, MakerIn, ProductIn, TechnicianIn
from store import control
from store.firmware import note_firmware
from store.notes import changed
from store.tables import Customer, Device, Maker, Playbook, Product, Technician
from store.tables.base import Base

CHOSEN: Mapping[str, Sequence[str]] = {
    "language": ("language",),
    "channels": ("channels",),
    "quiet_hours": ("quiet_from", "quiet_to", "quiet_sundays", "quiet_holidays"),
    "digest": ("digest",),
    "away_until": ("away_until",),
}
"""What a person may choose for themselves: keys of a manifest, and the columns that they fill."""


def put(session: Session, table: type[Base], key: str, values: Mapping[str, Any]) -> Outcome:
    """Create the row or change what differs. `body` keeps the manifest and alone is no change."""
    row = session.get(table, key)
    if row is None:
        row = table(**values)
        session.add(row)
        session.flush()
        # On insert an explicit None gives way to the column's default.
        for name in (name for name, value in values.items() if value is None):
            setattr(row, name, None)
        return Outcome.CREATED
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return Outcome.CHANGED if any(name != "body" for name in changed) else Outcome.UNCHANGED


def put_maker(session: Session, maker: MakerIn) -> Outcome:
    """Write a maker. Its settings stand in `body` alone, so there they count as a change."""
    row, said = session.get(Maker, maker.id), _said(maker)
    before = None if row is None else row.body
    outcome = put(session, Maker, maker.id, {"id": maker.id, "name": maker.name, "body": said})
    return Outcome.CHANGED if before is not None and before != said else outcome


def put_product(session: Session, product: ProductIn) -> Outcome:
    """Write a product."""
    values = product.model_dump(mode="json")
    values["metrics"] = {name: _spare(metric) for name, metric in product.metrics.items()}
    return put(session, Product, product.name, {**values, "body": _said(product)})


def put_customer(session: Session, customer: CustomerIn) -> Outcome:
    """Write a customer. What they have chosen on their page stays, as long as the manifest says what it said before;
    opt-outs are the customer's own and stay anyway.
    """
    said, quiet = _said(customer), customer.quiet_hours
    values = customer.model_dump(mode="json", exclude={"quiet_hours"})
    values |= {"away_until": customer.away_until, "body": said}
    values |= {"quiet_from": quiet and quiet.start, "quiet_to": quiet and quiet.end}
    values |= {"quiet_sundays": bool(quiet and quiet.sundays), "quiet_holidays": quiet and quiet.holidays}
    row = session.get(Customer, customer.id)
    if row is not None:
        kept = {
            column
            for key, columns in CHOSEN.items()
            if row.body.get(key, ...) == said.get(key, ...)
            for column in columns
        }
        values = {name: value for name, value in values.items() if name not in kept}
    return put(session, Customer, customer.id, values)


def put_technician(session: Session, technician: TechnicianIn) -> Outcome:
    """Write a technician."""
    values = technician.model_dump(mode="json", exclude={"home"})
    home = technician.home
    values |= {"home_lat": home and home.lat, "home_lon": home and home.lon, "body": _said(technician)}
    return put(session, Technician, technician.id, values)


def put_playbook(session: Session, name: str, body: Mapping[str, Any]) -> Outcome:
    """Write a playbook as its manifest says it."""
    row = session.get(Playbook, name)
    if row is not None and row.body == dict(body):
        return Outcome.UNCHANGED
    if row is None:
        session.add(Playbook(name=name, body=dict(body)))
        return Outcome.CREATED
    row.body = dict(body)
    return Outcome.CHANGED


def put_device(session: Session, device: DeviceIn, *, now: datetime) -> Outcome:
    """Write a device, and tell the engines if it is new or what they see of it changed."""
    row = session.get(Device, device.id)
    before = None if row is None else changed(row)
    values = {
        "id": device.id,
        "product": device.product,
        "customer_id": device.customer,
        "contacts": [contact.model_dump(exclude_none=True) for contact in device.contacts],
        "gateway": device.gateway,
        "address": device.site.address,
        "lat": device.site.lat,
        "lon": device.site.lon,
        "timezone": device.site.timezone,
        "attributes": device.attributes,
        "body": _said(device),
    }
    if row is None:
        row = Device(**values, reported={}, registered_at=now, announced=False)
        session.add(row)
        outcome = Outcome.CREATED
    else:
        outcome = put(session, Device, device.id, values)
    if before != changed(row):
        session.flush()
        note_firmware(session, changed(row), at=now)
        control.enqueue(session, changed(row), device_id=row.id)
    return outcome


def _said(model: Declared) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _spare(model: Declared) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True)
