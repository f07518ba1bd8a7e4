"""Who owns what, who repairs it, and what it last said."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Maker(Base):
    """A maker of products; `name` is what customers know it by."""

    __tablename__ = "makers"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Product(Base):
    """A kind of device: its metrics, its commands, and what customers call it."""

    __tablename__ = "products"
    name: Mapped[str] = mapped_column(primary_key=True)
    maker: Mapped[str | None]
    title: Mapped[dict[str, Any]] = mapped_column(default=dict)
    noun: Mapped[dict[str, Any]] = mapped_column(default=dict)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    commands: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """By name: {title: {en, fr}, args: {…JSON Schema properties…}, idempotent: bool}."""
    strict: Mapped[bool] = mapped_column(default=False)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Customer(Base):
    """A person with a product. What they want to hear on which channel stands in the consent ledger."""

    __tablename__ = "customers"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    language: Mapped[str] = mapped_column(default="en")
    phone: Mapped[str | None] = mapped_column(index=True)
    email: Mapped[str | None] = mapped_column(index=True)
    channels: Mapped[list[Any]] = mapped_column(default=lambda: ["sms", "email"])
    timezone: Mapped[str | None]
    quiet_from: Mapped[str | None] = mapped_column(default="21:00")
    """`HH:MM`; both NULL when quiet hours are switched off."""
    quiet_to: Mapped[str | None] = mapped_column(default="08:00")
    push: Mapped[str | None]
    """The newest browser that asked for notifications: its PushSubscription, as JSON."""
    webhook: Mapped[str | None]
    postal: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """Lines on an envelope."""
    quiet_sundays: Mapped[bool] = mapped_column(default=False, server_default=false())
    quiet_holidays: Mapped[str | None]
    """Country whose public holidays are quiet."""
    digest: Mapped[str | None]
    """daily, or NULL: each message by itself."""
    away_until: Mapped[datetime | None]
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Technician(Base):
    """A person who repairs. `shifts`: {"mon-fri": ["08:00-12:00", …]} in `timezone`."""

    __tablename__ = "technicians"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    language: Mapped[str] = mapped_column(default="en")
    phone: Mapped[str | None] = mapped_column(index=True)
    email: Mapped[str | None]
    skills: Mapped[list[Any]] = mapped_column(default=list)
    home_lat: Mapped[float | None]
    home_lon: Mapped[float | None]
    timezone: Mapped[str] = mapped_column(default="UTC")
    shifts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Device(Base):
    """A connected product."""

    __tablename__ = "devices"
    __table_args__ = (
        Index("ix_devices_customer", "customer_id"),
        Index("ix_devices_gateway", "gateway"),
        Index("ix_devices_address", "address"),
        Index("ix_devices_product", "product"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str | None] = mapped_column(ForeignKey("products.name"))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customers.id"))
    contacts: Mapped[list[Any]] = mapped_column(default=list)
    """Whom else it concerns: [{customer, role, tells: [purpose, …] or none for what the role is told}]."""
    gateway: Mapped[str | None]
    address: Mapped[str | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    timezone: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Declared in the manifest."""
    reported: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Sent by the device; a declared attribute wins."""
    registered_at: Mapped[datetime]
    announced: Mapped[bool] = mapped_column(default=False)
    """Whether the log holds its DeviceChanged: only then may its readings enter."""
    admitted: Mapped[bool] = mapped_column(default=False)
    """Whether the log also holds what it sent in the hour before: from then on its readings follow."""
    last_seen: Mapped[datetime | None]
    presence: Mapped[str | None]
    presence_at: Mapped[datetime | None]
    last_service: Mapped[datetime | None]
    """The newest service record."""
    muted_until: Mapped[datetime | None]
    muted_reason: Mapped[str | None]
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Disowned(Base):
    """A person's word that a device is not theirs: they are told of it no more."""

    __tablename__ = "disowned"
    __table_args__ = (UniqueConstraint("device_id", "customer_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    customer_id: Mapped[str] = mapped_column(index=True)
    source: Mapped[str]
    """reply | page | agent"""
    at: Mapped[datetime]


class DeviceValue(Base):
    """The newest value of each metric, by event time."""

    __tablename__ = "device_values"
    device_id: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    """{"v": number | boolean | string}."""
    event_time: Mapped[datetime]


class FirmwarePeriod(Base):
    """From when until when a device ran a firmware: the exposure that faults are compared over."""

    __tablename__ = "firmware_periods"
    __table_args__ = (
        Index("ix_firmware_periods_device", "device_id", "until"),
        Index("ix_firmware_periods_firmware", "product", "firmware", "until"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    product: Mapped[str]
    firmware: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """NULL: it still does."""


class Mute(Base):
    """A maintenance window: once, or again and again. What it covers acts on nobody meanwhile."""

    __tablename__ = "mutes"
    __table_args__ = (Index("ix_mutes_scope", "scope", "value"),)
    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str]
    """device | site | gateway | product | rule"""
    value: Mapped[str]
    start: Mapped[str]
    """ISO 8601 on the wall clock of `timezone`."""
    timezone: Mapped[str]
    duration_s: Mapped[float]
    rrule: Mapped[str | None]
    """RFC 5545; NULL: once."""
    reason: Mapped[str] = mapped_column(default="")
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Playbook(Base):
    """What is done about a fault, step by step, as its manifest says."""

    __tablename__ = "playbooks"
    name: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)
