"""The flow on one page: what each step asks of its neighbours is handed on here, in the same transaction.

devices → ingest → reading log → rules ─┐
                                        ▼
                         tickets ⇄ dispatch      (this module joins them)
                            │         │
                            ▼         ▼
                          outbox: messages, device commands → notify, ingest
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import dispatch.service as dispatching
from api import call_backs
from app import escalation
from domain.faults import Transition
from domain.tickets import Announce, Effect, VisitUnneeded, VisitWanted
from store import approvals, due, planning, registry
from store.brakes import APPROVAL
from store.deliveries import RUNG
from store.tables import Due
from tickets import commands, correlation, service

log = structlog.get_logger()


def on_transitions(session: Session, transitions: Sequence[Transition], *, now: datetime) -> None:
    """rules → tickets: what the engine found, in order."""
    for transition in transitions:
        try:
            with session.begin_nested():
                hand_on(session, correlation.on_transition(session, transition, now=now), now=now)
        except SQLAlchemyError:
            raise
        except Exception:
            # One that our own code cannot digest must not hold up every other device of the partition.
            log.exception("transition failed", rule=transition.rule, device_id=transition.device_id)
            _bury(session, transition, now=now)


def on_command_answer(session: Session, command_id: str, *, status: str, detail: str, now: datetime) -> None:
    """ingest → tickets: a device answered a command."""
    hand_on(session, commands.on_answer(session, command_id, status=status, detail=detail, now=now), now=now)


def on_due(session: Session, due_id: int, *, now: datetime) -> None:
    """clock → tickets, dispatch, ladders and the desk's telephone: an appointment has come."""
    row = due.take(session, due_id)
    if row is None:
        return
    hand_on(session, _handler(row.kind)(session, row, now=now), now=now)


def hand_on(session: Session, effects: Sequence[Effect], *, now: datetime) -> None:
    """Let notify and dispatch take up what tickets ask for, until nobody asks for more."""
    waiting = deque(effects)
    while waiting:
        match waiting.popleft():
            case Announce() as announce:
                escalation.begin(session, planning.plan(session, announce, now=now), now=now)
            case VisitWanted(ticket_id, skill, asked_by):
                waiting += dispatching.request(session, ticket_id, skill=skill, asked_by=asked_by, now=now)
            case VisitUnneeded(ticket_id):
                waiting += dispatching.call_off(session, ticket_id, now=now)


def _handler(kind: str) -> Callable[..., Sequence[Effect]]:
    if kind == RUNG:
        return escalation.on_due
    if kind == call_backs.CALL_BACK:
        return call_backs.on_due
    if kind == APPROVAL:
        return _ask_again
    return dispatching.on_due if kind in dispatching.DUE_KINDS else service.on_due


def _ask_again(session: Session, row: Due, *, now: datetime) -> list[Effect]:
    approvals.remind(session, int(row.ref), times=int(row.detail["times"]), now=now)
    return []


def _bury(session: Session, transition: Transition, *, now: datetime) -> None:
    registry.add_dead_letter(
        session,
        device_id=transition.device_id,
        reason="transition_failed",
        topic=f"rules/{transition.rule}",
        payload=repr(transition).encode(),
        detail="our own handling failed; the log of the rules role has the traceback",
        at=now,
    )
