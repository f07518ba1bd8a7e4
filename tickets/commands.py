"""What became of a device command: its row, the ticket's timeline, and the playbook that waited for it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.tickets import COMMAND_RUNNING, CommandState, Effect
from store import due, events, timeline
from store.locking import locked
from store.tables import Command, Ticket
from tickets.lifecycle import find_ticket, playbook_of
from tickets.playbooks import CommandStep
from tickets.steps import advance

_ANSWERS = {"done": CommandState.DONE, "failed": CommandState.FAILED}


def on_answer(session: Session, command_id: str, *, status: str, detail: str, now: datetime) -> list[Effect]:
    """The device answered `done` or `failed`. An answer that repeats or comes late changes nothing but the record."""
    command = _find(session, command_id)
    if command is None or status not in _ANSWERS:
        return []
    if command.state == CommandState.TIMED_OUT:
        _late(session, command, status=status, detail=detail, now=now)
        return []
    if command.state not in COMMAND_RUNNING:
        return []
    if command.sent_at is None:
        # The answer proves it, where a crash or a busy database kept the broker's own word from the record.
        command.sent_at = now
        _tell(session, command, "command_sent", actor=command.asked_by, detail="", now=now)
    return _finish(session, command, _ANSWERS[status], detail=detail, actor="device", now=now)


def on_timeout(session: Session, command_id: str, *, now: datetime) -> list[Effect]:
    """No answer in time."""
    command = _find(session, command_id)
    if command is None or command.state not in COMMAND_RUNNING:
        return []
    detail = "it was never sent" if command.state == CommandState.QUEUED else "the device did not answer in time"
    return _finish(session, command, CommandState.TIMED_OUT, detail=detail, actor="clock", now=now)


def on_command_outcome(session: Session, command: Command, *, now: datetime) -> list[Effect]:
    """The playbook that waited for `command`, which is over now, goes on. Any other command moves nothing."""
    ticket = _waiting_ticket(session, command)
    if ticket is None:
        return []
    # What did not run needs no watching.
    return advance(session, ticket, now=now, over_verify=command.state != CommandState.DONE)


def _finish(
    session: Session, command: Command, state: CommandState, *, detail: str, actor: str, now: datetime
) -> list[Effect]:
    command.state, command.detail, command.finished_at = state, detail or None, now
    due.cancel(session, "command_timeout", command.id)
    _tell(session, command, f"command_{state}", actor=actor, detail=detail, now=now)
    return on_command_outcome(session, command, now=now)


def _late(session: Session, command: Command, *, status: str, detail: str, now: datetime) -> None:
    said = f"answered {status} after its time-out"
    if command.detail is not None and said in command.detail:
        return
    command.detail = f"{said}: {detail}" if detail else said
    _tell(session, command, "command_answered_late", actor="device", detail=command.detail, now=now)


def _find(session: Session, command_id: str) -> Command | None:
    return session.scalar(locked(select(Command).where(Command.id == command_id)))


def _waiting_ticket(session: Session, command: Command) -> Ticket | None:
    if command.ticket_id is None or command.state in COMMAND_RUNNING:
        return None
    ticket = find_ticket(session, command.ticket_id)
    standing = playbook_of(session, ticket).step(ticket.step)
    return ticket if ticket.command_id == command.id and isinstance(standing, CommandStep) else None


def _tell(session: Session, command: Command, kind: str, *, actor: str, detail: str, now: datetime) -> None:
    body = {"command_id": command.id, "name": command.name}
    if command.ticket_id is not None:
        timeline.note(session, command.ticket_id, kind, at=now, actor=actor, **body, detail=detail)
    news = kind.replace("_", ".", 1)
    events.publish(session, news, at=now, **body, device_id=command.device_id, ticket_id=command.ticket_id)
