"""Quiet: a fault stands in the record, and for a while nobody is contacted, sent or commanded for its sake."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why nobody may act, in words, and until when; None: until something else happens."""

    reason: str
    until: datetime | None = None
