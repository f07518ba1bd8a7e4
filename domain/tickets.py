"""Tickets: states, legal moves, and what asks others to act."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.messages import MessageStage


class TicketState(StrEnum):
    """Where a ticket stands (ITIL terms)."""

    OPEN = "open"
    PENDING_DEVICE = "pending_device"
    """A command runs, or its effect is being verified."""
    PENDING_CUSTOMER = "pending_customer"
    PENDING_VISIT = "pending_visit"
    PENDING_AGENT = "pending_agent"
    """A person is wanted: a call was asked for, or nobody could be sent."""
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN_STATES = frozenset(
    {
        TicketState.OPEN,
        TicketState.PENDING_DEVICE,
        TicketState.PENDING_CUSTOMER,
        TicketState.PENDING_VISIT,
        TicketState.PENDING_AGENT,
    }
)

_WORKING = tuple(sorted(OPEN_STATES))

LEGAL_MOVES: dict[TicketState, tuple[TicketState, ...]] = {
    **{
        state: (
            *(other for other in _WORKING if other is not state),
            TicketState.RESOLVED,
            TicketState.CLOSED,
            TicketState.CANCELLED,
        )
        for state in OPEN_STATES
    },
    TicketState.RESOLVED: (TicketState.OPEN, TicketState.CLOSED),
    TicketState.CLOSED: (TicketState.OPEN,),
    TicketState.CANCELLED: (),
}
"""The lifecycle table: everything that is not here is illegal."""


class TicketCause(StrEnum):
    """What opened a ticket."""

    FAULT = "fault"
    CUSTOMER = "customer"
    AGENT = "agent"
    STORM = "storm"
    """Faults of many devices that have something in common."""
    FLEET = "fleet"
    """Most devices of a product fell silent."""
    FIRMWARE = "firmware"
    """A firmware has more faults than the others."""


class CommandState(StrEnum):
    """The life of one device command."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


COMMAND_RUNNING = frozenset({CommandState.QUEUED, CommandState.SUBMITTING, CommandState.SENT})


class VisitState(StrEnum):
    """The life of one visit: an offer to one technician, and what came of it."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    EN_ROUTE = "en_route"
    ON_SITE = "on_site"
    PAUSED = "paused"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"


VISIT_MOVES: dict[VisitState, tuple[VisitState, ...]] = {
    VisitState.OFFERED: (VisitState.ACCEPTED, VisitState.DECLINED, VisitState.EXPIRED, VisitState.CANCELLED),
    VisitState.ACCEPTED: (VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.DECLINED, VisitState.CANCELLED),
    VisitState.EN_ROUTE: (VisitState.ON_SITE, VisitState.CANCELLED),
    VisitState.ON_SITE: (VisitState.PAUSED, VisitState.COMPLETED, VisitState.INCOMPLETE),
    VisitState.PAUSED: (VisitState.ON_SITE, VisitState.COMPLETED, VisitState.INCOMPLETE),
    VisitState.DECLINED: (),
    VisitState.EXPIRED: (),
    VisitState.COMPLETED: (),
    VisitState.INCOMPLETE: (),
    VisitState.CANCELLED: (),
}


class WorkOrderState(StrEnum):
    """Derived from its visits."""

    PENDING_DISPATCH = "pending_dispatch"
    ASSIGNED = "assigned"
    """Offered, awaiting acceptance."""
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Announce:
    """Somebody should be told; `notify` decides whether, when and how."""

    ticket_id: int
    stage: MessageStage
    occurrence: str = ""
    """Tells apart two announcements of one stage that are both wanted: a second visit, a second relapse."""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VisitWanted:
    """Hands are needed; `dispatch` finds them."""

    ticket_id: int
    skill: str | None = None
    asked_by: str = "playbook"


@dataclass(frozen=True, slots=True)
class VisitUnneeded:
    """The fault is gone; a visit that has not begun is called off."""

    ticket_id: int


Effect = Announce | VisitWanted | VisitUnneeded
"""What a ticket asks of its neighbours; `app/pipeline.py` hands it on in the same transaction."""
