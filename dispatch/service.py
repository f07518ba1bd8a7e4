"""The counter of `dispatch/`: everything that its neighbours call, in one place, and what is done when a time comes."""

from datetime import datetime

from sqlalchemy.orm import Session

from dispatch.candidates import rank
from dispatch.offers import EXPIRES, accept, decline, expire, request
from dispatch.shifts import parse_shifts
from dispatch.visits import arrive, call_off, complete, en_route, pause
from domain.tickets import Effect
from store.tables import Due

__all__ = [
    "DUE_KINDS",
    "accept",
    "arrive",
    "call_off",
    "complete",
    "decline",
    "en_route",
    "on_due",
    "parse_shifts",
    "pause",
    "rank",
    "request",
]

DUE_KINDS = frozenset({EXPIRES})
"""Kinds of appointments that `on_due` understands."""


def on_due(session: Session, due: Due, *, now: datetime) -> list[Effect]:
    """An offer was not answered in time; late and repeated appointments do no harm."""
    return expire(session, int(due.ref), now=now)
