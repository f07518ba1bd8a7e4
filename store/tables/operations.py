"""How the processes keep their place: positions, leases, snapshots, due times, dead letters, the feed of events."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Meta(Base):
    """Facts about this installation: schema version, signing key, clock origin, sending paused."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class PartitionLease(Base):
    """Who evaluates a partition, under which epoch, and how far everything is committed."""

    __tablename__ = "partitions"
    partition: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[float] = mapped_column(default=0.0)
    """Real epoch seconds."""
    position: Mapped[int] = mapped_column(default=0)
    """Sequence of the last log message whose effects are committed."""


class Snapshot(Base):
    """Engine state of a partition at a position; two generations are kept."""

    __tablename__ = "snapshots"
    partition: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]


class Lease(Base):
    """A named task that one process at a time does."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    until: Mapped[float] = mapped_column(default=0.0)
    """Real epoch seconds."""


class Due(Base):
    """Something to be done at a time: the clock role takes it, does it and deletes it in one transaction."""

    __tablename__ = "due"
    __table_args__ = (UniqueConstraint("kind", "ref"), Index("ix_due_at", "due_at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    ref: Mapped[str]
    """Id of what it is about."""
    due_at: Mapped[datetime]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ControlEntry(Base):
    """A log entry that is not a reading, on its way into the log: written with the change that it announces."""

    __tablename__ = "control"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """A LogEntry as the log encodes it."""
    device_id: Mapped[str | None]
    """Its partition is this device's; NULL: every partition."""
    published: Mapped[dict[str, Any] | None]
    """{partition: sequence} once the log has it."""


class PeerShare(Base):
    """What one partition's devices last said of a group of peers: summed up over all partitions each minute."""

    __tablename__ = "peer_shares"
    partition: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """The metric, and the attributes that make devices peers."""
    peers: Mapped[str] = mapped_column(primary_key=True)
    """The group."""
    at: Mapped[datetime]
    n: Mapped[int]
    points: Mapped[list[Any]]
    """All `n` values ascending, or as many quantiles as are kept."""


class RoleReport(Base):
    """What a process of a role last said of itself."""

    __tablename__ = "roles"
    instance: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    pid: Mapped[int]
    at: Mapped[float]
    """Real epoch seconds."""
    ready: Mapped[bool] = mapped_column(default=False)
    trouble: Mapped[str | None]
    """One line on what it waits for, NULL when all is well."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class DeadLetter(Base):
    """Bad input, counted together per device and reason; keeps the first payload, cut at 4 kB."""

    __tablename__ = "dead_letters"
    __table_args__ = (UniqueConstraint("device_id", "reason"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    reason: Mapped[str]
    count: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    topic: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    detail: Mapped[str]


class Event(Base):
    """The feed of what changes, written in the same transaction as the change."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    """fault.firing, fault.resolved, ticket.opened, message.accepted, visit.accepted, command.done, device.presence …"""
    body: Mapped[dict[str, Any]]
