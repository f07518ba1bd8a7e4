"""The flow on one page: what each step asks of its neighbours is handed on here, in the same transaction.

devices → ingest → reading log → rules ─┐
                                        ▼
                         tickets ⇄ dispatch      (this module joins them)
                            │         │
                            ▼         ▼
                          outbox: messages, device commands → notify, ingest
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
from tickets.foresight import foreseeing

AT_ONCE = 200

log = structlog.get_logger()


def on_transitions(session: Session, transitions: Sequence[Transition], *, now: datetime) -> None:
    """rules → tickets: what the engine found, in order; many at once, for that is much less work for the database."""
    for start in range(0, len(transitions), AT_ONCE):
        batch = transitions[start : start + AT_ONCE]
        try:
            _take_up(session, batch, now=now)
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("transitions failed together; now one by one", count=len(batch))
            _one_by_one(session, batch, now=now)


def _take_up(session: Session, batch: Sequence[Transition], *, now: datetime) -> None:
    """All of them or none."""
    with session.begin_nested(), foreseeing(session, batch):
        for turn in _turns(batch):
            effects = [effect for each in turn for effect in correlation.on_transition(session, each, now=now)]
            hand_on(session, effects, now=now)


def _turns(batch: Sequence[Transition]) -> Iterator[list[Transition]]:
    """In order, no device twice in one turn: what one step asks for is done before the device's next step."""
    turn: list[Transition] = []
    seen: set[str] = set()
    for step in batch:
        if step.device_id in seen:
            yield turn
            turn, seen = [], set()
        turn.append(step)
        seen.add(step.device_id)
    yield turn


def _one_by_one(session: Session, batch: Sequence[Transition], *, now: datetime) -> None:
    """One that our own code cannot digest must not hold up every other device of the partition."""
    for transition in batch:
        try:
            _take_up(session, [transition], now=now)
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("transition failed", rule=transition.rule, device_id=transition.device_id)
            _bury(session, transition, now=now)


def on_command_answer(session: Session, command_id: str, *, status: str, detail: str, now: datetime) -> None:
    """ingest → tickets: a device answered a command."""
    hand_on(session, commands.on_answer(session, command_id, status=status, detail=detail, now=now), now=now)


def on_due(session: Session, due_id: int, *, now: datetime) -> None:
    """clock → tickets, dispatch, ladders and the desk's telephone: an appointment has come."""
    row = due.take(session, due_id, now=now)
    if row is None:
        return
    hand_on(session, _handler(row.kind)(session, row, now=now), now=now)


def hand_on(session: Session, effects: Sequence[Effect], *, now: datetime) -> None:
    """Let notify and dispatch take up what tickets ask for, until nobody asks for more."""
    waiting = deque(effects)
    while waiting:
        match waiting.popleft():
            case Announce() as announce:
                planned = planning.plan_all(session, [announce, *_announces(waiting)], now=now)
                escalation.begin(session, planned, now=now)
            case VisitWanted(ticket_id, skill, asked_by):
                waiting += dispatching.request(session, ticket_id, skill=skill, asked_by=asked_by, now=now)
            case VisitUnneeded(ticket_id):
                waiting += dispatching.call_off(session, ticket_id, now=now)


def _announces(waiting: deque[Effect]) -> Iterator[Announce]:
    """Those that follow one another."""
    while waiting and isinstance(waiting[0], Announce):
        yield waiting.popleft()  # type: ignore[misc]


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
