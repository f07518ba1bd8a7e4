"""Declared people and things as rows; a device's change is announced to the engines in the same transaction."""

from collections.abc import Mapping
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
    """Write a maker."""
    return put(session, Maker, maker.id, {"id": maker.id, "name": maker.name, "body": _said(maker)})


def put_product(session: Session, product: ProductIn) -> Outcome:
    """Write a product."""
    values = product.model_dump(mode="json")
    values["metrics"] = {name: _spare(metric) for name, metric in product.metrics.items()}
    return put(session, Product, product.name, {**values, "body": _said(product)})


def put_customer(session: Session, customer: CustomerIn) -> Outcome:
    """Write a customer. Opt-outs are the customer's own and stay."""
    values = customer.model_dump(mode="json", exclude={"quiet_hours"})
    quiet = customer.quiet_hours
    values |= {"quiet_from": quiet and quiet.start, "quiet_to": quiet and quiet.end, "body": _said(customer)}
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
        "contacts": [contact.model_dump() for contact in device.contacts],
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
