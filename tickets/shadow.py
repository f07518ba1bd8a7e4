"""What a shadow rule would have done: the first steps of its fault's story, written down instead of taken."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.faults import Severity
from domain.messages import Purpose
from store import people
from store.tables import Customer, Device, Fault, RuleVersion, Ticket
from store.tables import Playbook as PlaybookRow
from tickets import quiet
from tickets.faults import is_stale
from tickets.playbooks import DEFAULT, CommandStep, MessageStep, Playbook, VisitStep, parse_playbook

STALE = "stale evidence"
"""Opens a ticket, and contacts nobody."""


def would(
    session: Session, fault: Fault, version: RuleVersion | None, *, placement: str, ticket: Ticket | None, now: datetime
) -> dict[str, Any]:
    """What the fault would have caused, had its rule been live: {ticket, ticket_id, command, tell, visit, not}.

    `placement` is attach, reopen or open; `ticket` the one that it would have joined or brought back. `not` says why
    nobody would have been contacted. Later steps depend on what people and telemetry answer: they are not guessed.
    """
    device = session.get(Device, fault.device_id)
    customer_id = ticket.customer_id if ticket else device.customer_id if device else None
    joins = placement == "attach"
    playbook = _playbook(session, version)
    reason = _withheld(session, fault, now=now)
    unheard = reason is not None or joins
    return {
        "ticket": None if reason not in {None, STALE} and not joins else placement,
        "ticket_id": ticket.id if ticket else None,
        "command": None if unheard else _command(playbook),
        "tell": None if unheard else _tell(session, customer_id, device, playbook),
        "visit": None if unheard else _visit(fault, playbook),
        "not": "joins an open ticket" if joins and reason is None else reason,
    }


def _withheld(session: Session, fault: Fault, *, now: datetime) -> str | None:
    if fault.superseded:
        return "superseded"
    kept_back = quiet.of_device(session, fault.device_id, now) or quiet.of_fault(session, fault, now)
    if kept_back is not None:
        return kept_back.reason
    return STALE if is_stale(session, fault) else None


def _playbook(session: Session, version: RuleVersion | None) -> Playbook:
    row = session.get(PlaybookRow, version.playbook) if version and version.playbook else None
    return parse_playbook(row.body) if row else DEFAULT


def _command(playbook: Playbook) -> str | None:
    """The one that would have been sent at once."""
    first = playbook.step(0)
    return first.name if isinstance(first, CommandStep) else None


def _tell(
    session: Session, customer_id: str | None, device: Device | None, playbook: Playbook
) -> dict[str, Any] | None:
    """Who would have been told on which channel, and whether at once or only if a remote try had not helped."""
    if customer_id is None or session.get(Customer, customer_id) is None:
        return None
    if not any(isinstance(step, MessageStep) for step in playbook.steps):
        return None
    who = people.customer(session, customer_id, device=device)
    open_to = [one for one in who.channels if who.address(one) and not who.refuses(one, Purpose.SERVICE)]
    at_once = isinstance(playbook.step(0), MessageStep)
    return {
        "customer_id": customer_id,
        "channel": str(open_to[0]) if open_to else None,
        "when": "at once" if at_once else "if the steps before had not helped",
    }


def _visit(fault: Fault, playbook: Playbook) -> dict[str, Any] | None:
    """The visit that would have come without being asked for."""
    step = next((step for step in playbook.steps if isinstance(step, VisitStep)), None)
    if step is not None:
        return {"skill": step.skill or playbook.visit.skill, "when": "as a step of the playbook"}
    if Severity(fault.severity).rank >= Severity.MAJOR.rank:
        return {"skill": playbook.visit.skill, "when": f"had it lasted {playbook.visit.after_s / 3600:g} h"}
    return None
