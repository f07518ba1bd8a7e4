"""Devices, people and what they say, as REST answers them."""

from typing import Any, Self

from sqlalchemy.orm import Session, object_session

from api.schemas.moments import Moment, Shown
from store import consent, contacts, people
from store.notes import in_force
from store.tables import Customer, Device, Maker, Product, Technician
from store.tables.base import Base


def _columns(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.columns}


class MakerOut(Shown):
    """A maker."""

    id: str
    name: str

    @classmethod
    def of(cls, row: Maker) -> Self:
        """From its row."""
        return cls.model_validate(row)


class ProductOut(Shown):
    """A kind of device."""

    name: str
    maker: str | None
    title: dict[str, Any]
    noun: dict[str, Any]
    metrics: dict[str, Any]
    commands: dict[str, Any]
    strict: bool

    @classmethod
    def of(cls, row: Product) -> Self:
        """From its row."""
        return cls.model_validate(row)


class CustomerOut(Shown):
    """A person with a product."""

    id: str
    name: str
    language: str
    phone: str | None
    email: str | None
    webhook: str | None
    postal: list[str]
    channels: list[str]
    timezone: str | None
    quiet_hours: dict[str, Any] | None
    digest: str | None
    away_until: Moment | None
    contact_of: list[dict[str, str]]
    """The devices that concern this person, each with what the person is to it."""
    opted_out: list[str]

    @classmethod
    def of(cls, row: Customer) -> Self:
        """From its row, still in its session, and the consent ledger."""
        session = object_session(row)
        no = consent.channels_refused(people.customer(session, row.id).refused) if session else []
        told = {"quiet_hours": _quiet_hours(row), "opted_out": no, "contact_of": _contact_of(session, row)}
        return cls.model_validate({**_columns(row), **told})


def _quiet_hours(row: Customer) -> dict[str, Any] | None:
    if not row.quiet_from or not row.quiet_to:
        return None
    more = {"sundays": row.quiet_sundays, "holidays": row.quiet_holidays}
    return {"from": row.quiet_from, "to": row.quiet_to, **{name: value for name, value in more.items() if value}}


def _contact_of(session: Session | None, row: Customer) -> list[dict[str, str]]:
    devices = contacts.devices_of(session, row.id) if session else []
    roles = ((device.id, contacts.role_of(device, row.id, owner_id=device.customer_id)) for device in devices)
    return [{"device": device_id, "role": role} for device_id, role in roles]


class TechnicianOut(Shown):
    """A person who repairs."""

    id: str
    name: str
    language: str
    phone: str | None
    email: str | None
    skills: list[str]
    home: dict[str, float] | None
    timezone: str
    shifts: dict[str, list[str]]

    @classmethod
    def of(cls, row: Technician) -> Self:
        """From its row."""
        home = None if row.home_lat is None or row.home_lon is None else {"lat": row.home_lat, "lon": row.home_lon}
        return cls.model_validate({**_columns(row), "home": home})


class ValueOut(Shown):
    """The newest value of one metric, by event time."""

    value: float | bool | str
    event_time: Moment


class OpenFault(Shown):
    """A fault that has not ended."""

    id: int
    rule: str
    severity: str
    onset: Moment
    ticket_id: int | None


class DeviceOut(Shown):
    """A connected product."""

    id: str
    product: str | None
    customer: str | None
    contacts: list[dict[str, Any]]
    gateway: str | None
    site: dict[str, Any]
    attributes: dict[str, Any]
    """In force: what the device reports, overlaid by what was declared."""
    registered_at: Moment
    last_seen: Moment | None
    presence: str | None
    muted_until: Moment | None
    muted_reason: str | None

    @classmethod
    def of(cls, row: Device) -> Self:
        """From its row."""
        return cls.model_validate(device_fields(row))


def device_fields(row: Device) -> dict[str, Any]:
    """What a device's row says, by the names of `DeviceOut`."""
    site = {"address": row.address, "lat": row.lat, "lon": row.lon, "timezone": row.timezone}
    return {
        **_columns(row),
        "customer": row.customer_id,
        "site": {name: value for name, value in site.items() if value is not None},
        "attributes": in_force(row.reported, row.attributes),
    }


class DeviceDetail(DeviceOut):
    """One device with what it last said."""

    values: dict[str, ValueOut]
    open_faults: list[OpenFault]


class CommandOut(Shown):
    """One device command and its outcome."""

    id: str
    device_id: str
    name: str
    args: dict[str, Any]
    state: str
    ticket_id: int | None
    asked_by: str
    created_at: Moment
    sent_at: Moment | None
    finished_at: Moment | None
    detail: str | None


class Point(Shown):
    """One reading."""

    ts: Moment
    value: float | bool | str


class SeriesOut(Shown):
    """The history of one metric, in order of event time, thinned without losing extremes."""

    metric: str
    items: list[Point]
    """At most `max_points`: the first, the last, and each stretch's lowest and highest."""
    total: int
    """How many readings there were before thinning."""


class ReadingsOut(SeriesOut):
    """The history of one metric of a device."""

    device_id: str
    complete: bool
    """False while the newest readings cannot be read: the reading log is away, or far ahead of the history."""


class ManyReadingsOut(Shown):
    """The history of several metrics of a device, in the order in which they were asked for."""

    device_id: str
    series: list[SeriesOut]
    complete: bool
    """As above."""


class DeadLetterOut(Shown):
    """Bad input, counted together per device and reason."""

    id: int
    device_id: str
    reason: str
    count: int
    first_at: Moment
    last_at: Moment
    topic: str
    payload: str
    """The first one, cut at 4 kB; bytes that are no UTF-8 are escaped."""
    detail: str
