"""Words that makers chose for their messages, in immutable versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Wording(Base):
    """One version of the words of a moment on a channel. The newest counts, unless it withdraws them."""

    __tablename__ = "templates"
    __table_args__ = (UniqueConstraint("name", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    """Grows with every change: the mark by which others see that there was one."""
    name: Mapped[str]
    """`thermia.opening.sms`, or `opening.sms` for all makers."""
    version: Mapped[int]
    maker: Mapped[str] = mapped_column(default="")
    moment: Mapped[str]
    channel: Mapped[str]
    words: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """By language, then by part: {"fr": {"text": …}}."""
    withdrawn: Mapped[bool] = mapped_column(default=False)
    """From this version on, the moment has its other words again."""
    created_at: Mapped[datetime]
