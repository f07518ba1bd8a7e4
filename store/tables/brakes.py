"""What brakes many messages at once: how many people have heard of a cause, and what a day has cost."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class CauseRow(Base):
    """One thing that many people may hear of."""

    __tablename__ = "causes"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """storm:ID | rule:NAME:VERSION | firmware:PRODUCT:NAME"""
    told: Mapped[int] = mapped_column(default=0)
    """People since `since`."""
    since: Mapped[datetime]
    last_at: Mapped[datetime]
    """When somebody was told of it last, or would have been."""
    state: Mapped[str] = mapped_column(default="counting")
    """counting | waiting | approved | declined"""
    ticket_id: Mapped[int | None]
    """One of its tickets: the first that had to wait."""
    wanted_at: Mapped[datetime | None]
    """Since when a person has to agree."""
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")


class SpendingRow(Base):
    """What messages of one day (UTC) were expected to cost one purse."""

    __tablename__ = "spending"
    __table_args__ = (UniqueConstraint("day", "scope"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[str]
    scope: Mapped[str]
    """maker:ID | customer:ID"""
    amount: Mapped[float] = mapped_column(default=0.0)
    told: Mapped[int] = mapped_column(default=0)
    """Per cent of the ceiling of which the dispatcher has been told."""
