"""A rule reaches further than it did: what it sees at this moment comes before those whom it reaches now."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.faults import Stage, TransitionState
from domain.tickets import Effect
from domain.verdicts import Judgement
from store.tables import Fault
from tickets import quiet
from tickets.correlation import surface
from tickets.faults import SURFACING, stage_of
from tickets.lifecycle import find_ticket, is_open
from tickets.steps import start

_BELOW = {Stage.AGENTS_ONLY: (Stage.SHADOW,), Stage.LIVE: (Stage.SHADOW, Stage.AGENTS_ONLY)}


def on_promoted(session: Session, rule: str, *, now: datetime) -> list[Effect]:
    """Faults that fired while the rule reached fewer people, and still fire. Nothing if it was taken back meanwhile."""
    stage = stage_of(session, rule)
    if stage not in SURFACING:
        return []
    firing = select(Fault).where(
        Fault.rule == rule, Fault.state == TransitionState.FIRING, Fault.stage.in_(_BELOW[stage])
    )
    effects: list[Effect] = []
    for fault in session.scalars(firing.order_by(Fault.fired_at, Fault.id)).all():
        if fault.verdict != Judgement.FALSE_ALARM:
            fault.stage = stage
            effects += _promote(session, fault, now=now)
    return effects


def _promote(session: Session, fault: Fault, *, now: datetime) -> list[Effect]:
    if fault.ticket_id is None:
        quiet.freshen(session, fault, now=now)
        return surface(session, fault, now=now)
    ticket = find_ticket(session, fault.ticket_id)
    if not (ticket.agents_only and is_open(ticket) and ticket.parent_id is None):
        return []
    ticket.agents_only = False
    return start(session, ticket, now=now)
