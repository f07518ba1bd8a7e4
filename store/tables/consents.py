"""The ledger of wishes: who may be told what on which channel, and who said so. Append-only."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Consent(Base):
    """One word on one channel; the newest that fits counts."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_person", "person_kind", "person_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    person_kind: Mapped[str]
    person_id: Mapped[str]
    channel: Mapped[str]
    purposes: Mapped[list[Any]]
    granted: Mapped[bool]
    source: Mapped[str]
    """stop | start | carrier | bounce | dead_number | unsubscribe | page | agent | import"""
    actor: Mapped[str]
    evidence: Mapped[str] = mapped_column(default="")
    """Their words, or the provider's."""
    address: Mapped[str | None]
    """Set where the word is about this address alone: it lapses when the person has another."""
    at: Mapped[datetime]
