"""Runs a ticket's playbook, one step at a time: where it stands is a row, so that no restart forgets it."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.clock import iso
from domain.errors import Conflict, NotFound, SourceError
from domain.faults import Severity
from domain.messages import MessageStage
from domain.tickets import CommandState, Effect, TicketState, VisitWanted
from store import due, timeline
from store.tables import Command, Ticket
from tickets import foresight, quiet
from tickets.commanding import queue_command
from tickets.faults import firing_of_ticket, fresh_of_ticket, of_ticket
from tickets.lifecycle import find_ticket, is_open, playbook_of, shift
from tickets.playbooks import CommandStep, MessageStep, Playbook, VerifyStep, VisitStep
from tickets.told import again, announce_opening, kept_quiet

REMOTE_FIX_HELD = timedelta(days=1)
TOO_OLD = "the evidence is too old to act on"
AFTER_HEALTHY = timedelta(minutes=1)
"""A step whose time comes while telemetry is healthy waits for the verdict on that, and then this much."""


def start(session: Session, ticket: Ticket, *, now: datetime, at: int = 0) -> list[Effect]:
    """Begin the playbook at step `at`."""
    ticket.step, ticket.command_id = at, None
    plan_lasting_visit(session, ticket, now=now)
    return begin(session, ticket, now=now)


def advance(session: Session, ticket: Ticket, *, now: datetime, over_verify: bool = False) -> list[Effect]:
    """On to the next step; `over_verify` leaves out a verification of what never ran."""
    ticket.step, ticket.command_id = ticket.step + 1, None
    if over_verify and isinstance(playbook_of(session, ticket).step(ticket.step), VerifyStep):
        ticket.step += 1
    return begin(session, ticket, now=now)


def begin(session: Session, ticket: Ticket, *, now: datetime) -> list[Effect]:
    """Do the step that the ticket stands at; later, while it is quiet or telemetry is healthy."""
    if not is_open(ticket) or ticket.agents_only:
        return []
    later = _not_before(session, ticket, now=now)
    if later is not None:
        due.schedule(session, "step", ticket.id, at=later, step=ticket.step)
        return []
    playbook = playbook_of(session, ticket)
    actor = f"playbook:{playbook.name}"
    match playbook.step(ticket.step):
        case CommandStep() as step:
            return _command(session, ticket, step, actor=actor, now=now)
        case VerifyStep(for_s):
            shift(
                session, ticket, TicketState.PENDING_DEVICE, actor=actor, now=now, reason="watching whether it helped"
            )
            due.schedule(session, "verify", ticket.id, at=now + timedelta(seconds=for_s), step=ticket.step)
            return []
        case MessageStep() as step:
            return _message(session, ticket, step, playbook, actor=actor, now=now)
        case VisitStep(skill):
            if not fresh_of_ticket(session, ticket.id):
                shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason=TOO_OLD)
                return []
            shift(session, ticket, TicketState.PENDING_VISIT, actor=actor, now=now, reason="hands are needed")
            return [VisitWanted(ticket.id, skill or playbook.visit.skill, asked_by=actor)]
        case None:
            reason = "the playbook is at its end"
            shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason=reason)
            return []


def on_time(session: Session, ticket_id: int, kind: str, *, step: int, now: datetime) -> list[Effect]:
    """The time of a `step`, `verify` or `reply_wait` of step number `step` has come."""
    ticket = find_ticket(session, ticket_id)
    waiting = {"verify": TicketState.PENDING_DEVICE, "reply_wait": TicketState.PENDING_CUSTOMER}
    if not is_open(ticket) or ticket.step != step or ticket.state != waiting.get(kind, ticket.state):
        return []
    if kind == "step":
        return begin(session, ticket, now=now)
    later = _not_before(session, ticket, now=now)
    if later is not None:
        due.schedule(session, kind, ticket.id, at=later, step=step)
        return []
    if kind == "verify":
        timeline.note(session, ticket.id, "verify_failed", at=now, actor="telemetry", reason="the fault is still there")
    return advance(session, ticket, now=now)


def on_lasting(session: Session, ticket_id: int, *, now: datetime) -> list[Effect]:
    """A grave fault has lasted as long as its playbook bears without a visit."""
    ticket = find_ticket(session, ticket_id)
    if not is_open(ticket) or ticket.agents_only or Severity(ticket.severity).rank < Severity.MAJOR.rank:
        return []
    later = _not_before(session, ticket, now=now)
    if later is not None:
        due.schedule(session, "major_visit", ticket.id, at=later)
        return []
    if not fresh_of_ticket(session, ticket.id):
        return []
    playbook = playbook_of(session, ticket)
    return [VisitWanted(ticket.id, playbook.visit.skill, asked_by=f"playbook:{playbook.name}")]


def plan_lasting_visit(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """A `major` or worse fault gets a visit after a while, whether or not somebody asks; not one that is old news."""
    if Severity(ticket.severity).rank < Severity.MAJOR.rank or ticket.agents_only:
        return
    if not fresh_of_ticket(session, ticket.id):
        return
    onset = min((fault.onset for fault in firing_of_ticket(session, ticket.id)), default=now)
    after = timedelta(seconds=playbook_of(session, ticket).visit.after_s)
    due.schedule(session, "major_visit", ticket.id, at=max(now, onset + after))


def opening_stage(session: Session, ticket: Ticket, *, now: datetime) -> tuple[MessageStage, str]:
    """How the customer first hears of it, and the command that was tried from afar without success, if one was."""
    tried = tried_command(session, ticket, now=now)
    return (MessageStage.OPENING_AFTER_REMOTE_TRY, tried) if tried else (MessageStage.OPENING, "")


def retell(session: Session, ticket: Ticket, *, now: datetime) -> list[Effect]:
    """Have the customer told after all, if the opening was withheld while the fault was away or the device muted."""
    if ticket.state != TicketState.PENDING_CUSTOMER or not kept_quiet(session, ticket):
        return []
    if _not_before(session, ticket, now=now) is not None:
        return []
    stage, command = opening_stage(session, ticket, now=now)
    return announce_opening(session, ticket, stage, now=now, occurrence=iso(now), command=command)


def _command(session: Session, ticket: Ticket, step: CommandStep, *, actor: str, now: datetime) -> list[Effect]:
    if not fresh_of_ticket(session, ticket.id):
        return _no_command(session, ticket, step, TOO_OLD, actor=actor, now=now)
    try:
        command = queue_command(
            session,
            ticket.device_id,
            step.name,
            step.args,
            asked_by=actor,
            ticket_id=ticket.id,
            timeout_s=step.timeout_s,
            now=now,
        )
    except (NotFound, SourceError, Conflict) as exc:
        return _no_command(session, ticket, step, str(exc), actor=actor, now=now)
    ticket.command_id = command.id
    shift(session, ticket, TicketState.PENDING_DEVICE, actor=actor, now=now, reason=f"command {step.name}")
    return []


def _no_command(
    session: Session, ticket: Ticket, step: CommandStep, reason: str, *, actor: str, now: datetime
) -> list[Effect]:
    timeline.note(session, ticket.id, "command_not_sent", at=now, actor=actor, name=step.name, reason=reason)
    return advance(session, ticket, now=now, over_verify=True)


def _message(
    session: Session, ticket: Ticket, step: MessageStep, playbook: Playbook, *, actor: str, now: datetime
) -> list[Effect]:
    if ticket.customer_id is None:
        shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason="there is nobody to tell")
        return []
    stage, command = opening_stage(session, ticket, now=now)
    effects = announce_opening(session, ticket, stage, now=now, occurrence=again(ticket), command=command)
    if firing_of_ticket(session, ticket.id) and not fresh_of_ticket(session, ticket.id):
        # What was announced is withheld with that reason at its release, where everybody can read it.
        shift(session, ticket, TicketState.PENDING_AGENT, actor=actor, now=now, reason=TOO_OLD)
        return effects
    shift(session, ticket, TicketState.PENDING_CUSTOMER, actor=actor, now=now, reason="the customer is told")
    if playbook.step(ticket.step + 1) is not None:
        wait = timedelta(seconds=playbook.visit.after_s if step.wait_s is None else step.wait_s)
        due.schedule(session, "reply_wait", ticket.id, at=now + wait, step=ticket.step)
    return effects


def tried_command(session: Session, ticket: Ticket, *, now: datetime) -> str:
    """Name of the last command that the device carried out for this trouble; empty if there is none.

    One that failed or was not answered was no remote fix; after one that held for a day, trouble is new trouble.
    """
    if foresight.is_new(session, ticket):
        return ""
    query = select(Command.name).where(
        Command.ticket_id == ticket.id,
        Command.state == CommandState.DONE,
        Command.finished_at >= now - REMOTE_FIX_HELD,
    )
    return session.scalar(query.order_by(Command.finished_at.desc()).limit(1)) or ""


def _not_before(session: Session, ticket: Ticket, *, now: datetime) -> datetime | None:
    """When a step that is due now may be done after all; None: now."""
    kept = quiet.of_ticket(session, ticket, now)
    if kept is not None:
        return kept.until or quiet.SOMEDAY
    if ticket.healthy_since is None or not of_ticket(session, ticket.id):
        return None
    verdict = ticket.healthy_since + timedelta(seconds=playbook_of(session, ticket).healthy_for_s)
    return max(now, verdict) + AFTER_HEALTHY
