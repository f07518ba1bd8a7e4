"""States as small coloured words: which of the four tones, and what to call them."""

from typing import NamedTuple

from domain.messages import MessageState
from domain.tickets import CommandState, TicketState, VisitState


class Pill(NamedTuple):
    """A word with a tone: alarm, watch, good or calm."""

    tone: str
    text: str


TICKET = {
    TicketState.OPEN: Pill("watch", "open"),
    TicketState.PENDING_DEVICE: Pill("calm", "watching the device"),
    TicketState.PENDING_CUSTOMER: Pill("watch", "waiting for a reply"),
    TicketState.PENDING_VISIT: Pill("calm", "visit"),
    TicketState.PENDING_AGENT: Pill("alarm", "needs you"),
    TicketState.RESOLVED: Pill("good", "resolved"),
    TicketState.CLOSED: Pill("good", "closed"),
    TicketState.CANCELLED: Pill("calm", "cancelled"),
}

VISIT = {
    VisitState.OFFERED: Pill("watch", "offered"),
    VisitState.ACCEPTED: Pill("calm", "accepted"),
    VisitState.DECLINED: Pill("watch", "declined"),
    VisitState.EXPIRED: Pill("watch", "not answered in time"),
    VisitState.EN_ROUTE: Pill("calm", "on the way"),
    VisitState.ON_SITE: Pill("calm", "on site"),
    VisitState.PAUSED: Pill("watch", "paused"),
    VisitState.COMPLETED: Pill("good", "completed"),
    VisitState.INCOMPLETE: Pill("watch", "incomplete"),
    VisitState.CANCELLED: Pill("calm", "called off"),
}

COMMAND = {
    CommandState.QUEUED: Pill("calm", "queued"),
    CommandState.SUBMITTING: Pill("calm", "being sent"),
    CommandState.SENT: Pill("calm", "sent"),
    CommandState.DONE: Pill("good", "done"),
    CommandState.FAILED: Pill("alarm", "failed"),
    CommandState.TIMED_OUT: Pill("watch", "no answer"),
}

MESSAGE = {
    MessageState.HELD: Pill("watch", "held"),
    MessageState.READY: Pill("calm", "about to go"),
    MessageState.SUBMITTING: Pill("calm", "being sent"),
    MessageState.ACCEPTED: Pill("good", "accepted"),
    MessageState.SENT: Pill("good", "sent"),
    MessageState.DELIVERED: Pill("good", "delivered"),
    MessageState.UNDELIVERED: Pill("alarm", "not delivered"),
    MessageState.FAILED: Pill("alarm", "failed"),
    MessageState.IN_DOUBT: Pill("alarm", "in doubt"),
    MessageState.SUPPRESSED: Pill("calm", "not sent"),
    MessageState.SUPERSEDED: Pill("calm", "not needed"),
    MessageState.EXPIRED: Pill("calm", "expired"),
    MessageState.DEAD: Pill("alarm", "given up"),
}


def fault_pill(*, firing: bool, flapping: bool, kept_back: bool = False) -> Pill:
    """Of a fault: one that comes and goes is a state of its own to whoever looks at it."""
    if not firing:
        return Pill("good", "resolved")
    if kept_back:
        return Pill("calm", "kept back")
    return Pill("watch", "unstable") if flapping else Pill("alarm", "firing")


def ticket_pill(state: str) -> Pill:
    """Of a ticket."""
    return TICKET[TicketState(state)]


def visit_pill(state: str) -> Pill:
    """Of a visit."""
    return VISIT[VisitState(state)]


def command_pill(state: str) -> Pill:
    """Of a device command."""
    return COMMAND[CommandState(state)]


def message_pill(state: str) -> Pill:
    """Of a message."""
    return MESSAGE[MessageState(state)]
