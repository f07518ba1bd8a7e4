"""How the lines to providers are, shared by all processes that send."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class CircuitRow(Base):
    """The circuit breaker of one line; open while `retry_at` is set. Seconds are real epoch seconds."""

    __tablename__ = "circuits"
    __table_args__ = (UniqueConstraint("provider", "sender", "country"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    sender: Mapped[str]
    country: Mapped[str]
    good: Mapped[int] = mapped_column(default=0)
    doubtful: Mapped[int] = mapped_column(default=0)
    since: Mapped[float] = mapped_column(default=0.0)
    retry_at: Mapped[float | None]
    canary: Mapped[int | None]
    """The message that tries whether it is in order again."""
    trips: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(default="")
    opened_at: Mapped[datetime | None]
    """By the clock that people see."""


class SenderPace(Base):
    """The token bucket of one sender, in segments, and until when the provider asked it to slow down."""

    __tablename__ = "sender_paces"
    id: Mapped[int] = mapped_column(primary_key=True)
    sender: Mapped[str] = mapped_column(unique=True)
    tokens: Mapped[float]
    at: Mapped[float]
    """Real epoch seconds."""
    slow_until: Mapped[float] = mapped_column(default=0.0)
