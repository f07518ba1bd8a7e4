"""Rules, faults, tickets, messages and visits, as REST answers them."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.ids import BodyId
from api.schemas.moments import Moment, Shown
from domain.faults import Severity, Stage
from domain.tickets import TicketState
from domain.verdicts import ClosingCode


class PrecisionOut(BaseModel):
    """How often the rule was right in the last 90 days, as far as anybody said."""

    n_real: int
    n_false: int
    n_unknown: int
    """Episodes that nobody has judged."""
    precision: float | None
    """n_real ÷ (n_real + n_false); null while nothing was judged."""
    low: float
    high: float
    """Wilson's 95 % interval."""
    days: int


class NoiseOut(Shown):
    """Why a rule is noisy, and what to do about it."""

    reason: str
    cure: str


class RuleOut(Shown):
    """A rule and the version in force."""

    name: str
    stage: str
    version: int
    product: str | None
    family: str
    title: dict[str, Any]
    severity: str
    playbook: str | None
    body: dict[str, Any]
    precision: PrecisionOut
    episodes_7d: int
    noisy: NoiseOut | None


class StageMoveOut(Shown):
    """One step in the life of a rule."""

    version: int
    was: str | None
    stage: str
    at: Moment
    by: str


class RuleDetail(RuleOut):
    """A rule with its life so far."""

    moves: list[StageMoveOut]
    """Newest first."""
    legal: list[str]
    """Stages it may be moved to."""


class RuleVersionOut(Shown):
    """One immutable version."""

    name: str
    version: int
    severity: str
    created_at: Moment
    body: dict[str, Any]


class StageIn(BaseModel):
    """How far the rule may reach from now on."""

    stage: Stage


class VerdictOut(Shown):
    """What somebody said of a fault."""

    verdict: str
    source: str
    by: str
    at: Moment
    code: str | None
    note: str


class WhyOut(BaseModel):
    """Why it fired, in plain words."""

    en: str
    fr: str


class FaultOut(Shown):
    """One episode, with its frozen evidence and the version that found it."""

    id: int
    rule: str
    rule_version: int
    stage: str
    device_id: str
    episode: int
    state: str
    flapping: bool
    severity: str
    onset: Moment
    fired_at: Moment
    received_at: Moment
    detected_at: Moment
    resolved_at: Moment | None
    end_reason: str | None
    evidence: dict[str, Any]
    """when, values, attributes, comparisons with both sides' values, the rule's text, and samples by metric."""
    why: WhyOut
    inhibited_by: int | None
    """The fault for whose sake nobody acts on this one."""
    kept_back: str | None
    """Why nobody acts on it although it fires."""
    ticket_id: int | None
    verdict: str | None
    """The one that counts: an agent's over a technician's over a customer's; of one source the latest."""
    verdict_by: str | None
    verdicts: list[VerdictOut]
    would: dict[str, Any] | None
    """What it would have caused, had its rule been live; of shadow rules alone."""


class VerdictIn(BaseModel):
    """Was it a fault?"""

    verdict: Literal["real", "false_alarm"]
    note: str = Field("", max_length=2000)


class TicketOut(Shown):
    """One trouble of one device."""

    id: int
    device_id: str
    family: str
    customer_id: str | None
    state: str
    cause: str
    severity: str
    title: dict[str, Any]
    rule: str | None
    rule_version: int | None
    playbook: str | None
    opened_at: Moment
    onset: Moment
    updated_at: Moment
    healthy_since: Moment | None
    resolved_at: Moment | None
    closed_at: Moment | None
    closed_by: str | None
    reopened: int
    assignee: str | None
    agents_only: bool
    first_contact_at: Moment | None
    parent_id: int | None
    """The wider fault of which it is a part."""
    scope: str | None
    """Of a parent: what its devices have in common."""


class TimelineOut(Shown):
    """One thing that happened, who did it, and why."""

    at: Moment
    kind: str
    actor: str
    detail: dict[str, Any]


class ChildOut(Shown):
    """One of the devices of a storm."""

    id: int
    device_id: str
    state: str


class TicketDetail(TicketOut):
    """A ticket with everything that happened, in order."""

    timeline: list[TimelineOut]
    children: list[ChildOut]
    """Of a parent, the first thousand; `GET /v1/tickets?parent_id=` lists all."""
    legal: list[str]
    """States it may be moved to."""


class TicketIn(BaseModel):
    """A ticket opened by hand."""

    device_id: str
    customer_id: str | None = Field(None, description="default: the device's owner")
    title: str = Field(min_length=1, max_length=200)
    text: str = ""
    severity: Severity = Severity.MINOR
    cause: Literal["agent", "customer"] = "agent"


class MoveIn(BaseModel):
    """Where the ticket should go, and why."""

    to: TicketState
    reason: str = ""


class CommentIn(BaseModel):
    """Words for the timeline."""

    text: str = Field(min_length=1, max_length=5000)


class AssignIn(BaseModel):
    """Who takes it; null gives it back."""

    assignee: str | None


class CommandIn(BaseModel):
    """A command for a device."""

    name: str
    args: dict[str, Any] = {}
    ticket_id: BodyId | None = None
    timeout_s: float = Field(300, gt=0, le=86_400)


class AttemptOut(Shown):
    """One submission, look-up or receipt."""

    at: Moment
    kind: str
    outcome: str
    code: str
    detail: str


class MessageOut(Shown):
    """One message to one person, how far it got, and why."""

    id: int
    ticket_id: int | None
    stage: str
    recipient_kind: str
    recipient_id: str
    visit_id: int | None
    state: str
    reason: str | None
    not_before: Moment
    channel: str | None
    address: str | None
    subject: str | None
    body: str | None
    template: str | None
    """Whose words it was written with."""
    attempts: int
    provider: str | None
    provider_id: str | None
    created_at: Moment
    accepted_at: Moment | None
    finished_at: Moment | None


class MessageDetail(MessageOut):
    """A message with each attempt."""

    why: str
    """One sentence: why this person got it, or did not."""
    log: list[AttemptOut]


class WhyMessage(Shown):
    """One message, and why it is where it is."""

    id: int
    stage: str
    state: str
    why: str


class WhyPerson(Shown):
    """Why somebody was told of a ticket, or was not."""

    why: str
    """Of the newest message; without one, why there is none."""
    messages: list[WhyMessage]
    """Oldest first."""


class WorkOrderOut(Shown):
    """Hands are needed."""

    id: int
    ticket_id: int
    state: str
    skill: str | None
    duration_s: float
    asked_by: str
    created_at: Moment
    closed_at: Moment | None


class VisitOut(Shown):
    """One technician's visit."""

    id: int
    work_order_id: int
    ticket_id: int
    technician_id: str
    state: str
    window_start: Moment
    window_end: Moment
    offered_at: Moment
    answered_at: Moment | None
    en_route_at: Moment | None
    arrived_at: Moment | None
    finished_at: Moment | None
    note: str | None


class VisitMoveIn(BaseModel):
    """What the technician says with a move."""

    reason: str = ""
    outcome: Literal["fixed", "incomplete"] = "fixed"
    note: str = ""
    verdict: Literal["real", "false_alarm"] | None = None
    closing_code: ClosingCode | None = Field(None, description="what was found; a verdict follows from it")
    serviced: bool = Field(default=False, description="with complete: the device was serviced, what wears counts anew")


class ServiceIn(BaseModel):
    """A device was serviced."""

    at: AwareDatetime | None = Field(None, description="default: now")


class ServiceOut(BaseModel):
    """A device's newest service record."""

    device_id: str
    last_service: Moment | None
