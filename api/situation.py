"""Where a ticket stands, as its customer may know it: the rows behind their page and what a call tells them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.views import customer_story
from api.views.phrases import first_name
from domain.faults import Severity, TransitionState
from domain.messages import ReplyIntent
from domain.tickets import CommandState, TicketState, VisitState
from store import timeline
from store.tables import Command, Customer, Fault, Playbook, Product, RuleVersion, Technician, Ticket, Visit

IDLE = frozenset({ReplyIntent.ACKNOWLEDGED, ReplyIntent.HELP, ReplyIntent.WHEN})
"""Words that take back no wish, and ask for no work."""
_COUNTS = (VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED, VisitState.COMPLETED)


def facts_of(
    session: Session, ticket: Ticket, customer: Customer | None, product: Product | None
) -> customer_story.Facts:
    """What may be told of `ticket`, as the rows are now."""
    faults = session.scalars(select(Fault).where(Fault.ticket_id == ticket.id)).all()
    version = session.get(RuleVersion, (ticket.rule, ticket.rule_version)) if ticket.rule else None
    playbook = session.get(Playbook, ticket.playbook) if ticket.playbook else None
    entries = timeline.of_ticket(session, ticket.id)
    heard = (entry.detail.get("intent") for entry in entries if entry.kind == "reply")
    # "I know" takes back no wish.
    asked = [intent for intent in heard if intent not in IDLE]
    return customer_story.Facts(
        state=TicketState(ticket.state),
        severity=Severity(ticket.severity),
        title=ticket.title,
        noun=(product.noun or product.title) if product else {},
        says=version.says if version else {},
        notice=(playbook.body.get("notice") or {}) if playbook else {},
        product=product.title if product else {},
        onset=ticket.onset,
        healthy_since=ticket.healthy_since,
        found_by_rule=bool(faults),
        firing=any(fault.state == TransitionState.FIRING for fault in faults),
        false_alarm=bool(faults) and all(fault.verdict == "false_alarm" for fault in faults),
        call_wanted=bool(asked) and asked[-1] in {ReplyIntent.CALL_ME, ReplyIntent.UNCLEAR, ReplyIntent.PHOTO},
        closed_by=ticket.closed_by,
        phone=customer.phone if customer else None,
        visit=_visit(session, ticket),
        tried=_tried(session, ticket, product),
        seen=ticket.acknowledged_at is not None,
    )


def _visit(session: Session, ticket: Ticket) -> customer_story.Visiting | None:
    query = select(Visit).where(Visit.ticket_id == ticket.id, Visit.state.in_(_COUNTS)).order_by(Visit.id.desc())
    visit = session.scalars(query.limit(1)).first()
    if visit is None:
        return None
    technician = session.get(Technician, visit.technician_id)
    who = first_name(technician.name) if technician else ""
    return customer_story.Visiting(VisitState(visit.state), who, visit.window_start, visit.window_end, visit.arrived_at)


def _tried(session: Session, ticket: Ticket, product: Product | None) -> customer_story.Tried | None:
    query = select(Command).where(Command.ticket_id == ticket.id, Command.sent_at.is_not(None))
    command = session.scalars(query.order_by(Command.sent_at.desc()).limit(1)).first()
    if command is None:
        return None
    declared: Mapping[str, Any] = ((product.commands if product else None) or {}).get(command.name) or {}
    at = command.sent_at or command.created_at
    return customer_story.Tried(command.name, declared.get("title") or {}, CommandState(command.state), at)
