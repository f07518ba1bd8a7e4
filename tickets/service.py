"""The counter of `tickets/`: everything that its neighbours call, in one place, and what is done when a time comes."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from domain.tickets import Effect
from store.tables import Due
from tickets import correlator, firmwares, recovery, steps
from tickets.acknowledging import acknowledge, nobody_answers
from tickets.commanding import check_args, queue_command
from tickets.commands import on_answer, on_command_outcome, on_timeout
from tickets.correlation import on_quiet_end, on_transition
from tickets.desk import assign, comment, move, open_by_hand
from tickets.figures import kpis, proactive
from tickets.firmwares import comparisons
from tickets.lifecycle import close_when_due
from tickets.mutes import mute, on_mute_end, unmute
from tickets.playbooks import Playbook, parse_playbook
from tickets.precision import Noise, Tally, noise, tallies
from tickets.promotion import on_promoted
from tickets.quiet import is_muting, look_again, muting_until
from tickets.replies import on_reply, on_unanswered
from tickets.strangers import on_stranger
from tickets.unreached import on_unreached
from tickets.verdicts import judge_ticket, verdict

__all__ = [
    "DUE_KINDS",
    "Noise",
    "Playbook",
    "Tally",
    "acknowledge",
    "assign",
    "check_args",
    "comment",
    "comparisons",
    "is_muting",
    "judge_ticket",
    "kpis",
    "look_again",
    "move",
    "mute",
    "muting_until",
    "nobody_answers",
    "noise",
    "on_answer",
    "on_command_outcome",
    "on_due",
    "on_reply",
    "on_stranger",
    "on_transition",
    "open_by_hand",
    "parse_playbook",
    "proactive",
    "queue_command",
    "tallies",
    "unmute",
    "verdict",
]

Handler = Callable[[Session, Due, datetime], list[Effect]]


def on_due(session: Session, due: Due, *, now: datetime) -> list[Effect]:
    """Do what `due` says; late, repeated and outdated appointments do no harm. Raises KeyError for another's kind."""
    return _HANDLERS[due.kind](session, due, now)


def _step(session: Session, due: Due, now: datetime) -> list[Effect]:
    return steps.on_time(session, int(due.ref), due.kind, step=int(due.detail["step"]), now=now)


def _close(session: Session, due: Due, now: datetime) -> list[Effect]:
    close_when_due(session, int(due.ref), now=now)
    return []


def _correlate(session: Session, due: Due, now: datetime) -> list[Effect]:
    correlator.correlate(session, int(due.ref), now=now)
    return []


def _compare_firmwares(session: Session, due: Due, now: datetime) -> list[Effect]:  # noqa: ARG001
    firmwares.on_day(session, now=now)
    return []


_HANDLERS: dict[str, Handler] = {
    "step": _step,
    "verify": _step,
    "reply_wait": _step,
    "close": _close,
    "command_timeout": lambda session, due, now: on_timeout(session, due.ref, now=now),
    "healthy": lambda session, due, now: recovery.on_healthy(session, int(due.ref), now=now),
    "major_visit": lambda session, due, now: steps.on_lasting(session, int(due.ref), now=now),
    "proof": lambda session, due, now: recovery.on_proof_missing(session, int(due.ref), now=now),
    "storm": _correlate,
    "child_end": lambda session, due, now: correlator.on_child_end(session, int(due.ref), now=now),
    "parent_end": lambda session, due, now: correlator.on_parent_end(session, int(due.ref), now=now),
    "settle": lambda session, due, now: correlator.on_settled(session, int(due.ref), now=now),
    "firmware": _compare_firmwares,
    "surface": lambda session, due, now: on_quiet_end(session, int(due.ref), now=now),
    "promoted": lambda session, due, now: on_promoted(session, due.ref, now=now),
    "unreached": lambda session, due, now: on_unreached(session, int(due.ref), now=now),
    "which_one": lambda session, due, now: on_unanswered(
        session, int(due.ref), ticket_id=int(due.detail["ticket_id"]), now=now
    ),
    "unmute": lambda session, due, now: on_mute_end(session, due.ref, now=now),
}
DUE_KINDS = frozenset(_HANDLERS)
"""Kinds of appointments that `on_due` understands."""
