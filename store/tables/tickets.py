"""Rules, the faults they found, the tickets those opened, and the hands and commands that mend them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from domain.tickets import OPEN_STATES
from store.tables.base import Base


class Rule(Base):
    """A rule by name, and which of its versions is in force."""

    __tablename__ = "rules"
    name: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    version: Mapped[int]
    """The newest version: the one in force unless the stage is draft or retired."""


class StageMove(Base):
    """One step in the life of a rule: how far it reached before and from then on. Append-only."""

    __tablename__ = "stage_moves"
    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    was: Mapped[str | None]
    """NULL: it was new."""
    stage: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    """agent, or manifest: who or what moved it."""


class RuleVersion(Base):
    """One immutable version of a rule, with what others than the engine need to know of it."""

    __tablename__ = "rule_versions"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    """The manifest, as the engine gets it."""
    product: Mapped[str | None]
    family: Mapped[str]
    title: Mapped[dict[str, Any]] = mapped_column(default=dict)
    says: Mapped[dict[str, Any]] = mapped_column(default=dict)
    severity: Mapped[str]
    playbook: Mapped[str | None]
    hold_s: Mapped[float] = mapped_column(default=60.0)
    max_evidence_age_s: Mapped[float] = mapped_column(default=3600.0)
    storm: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{by: [gateway, …], devices, share, silent}; what is left out is as `tickets.storms` has it."""
    active: Mapped[list[Any]] = mapped_column(default=list)
    """[{days: [0 … 6], from: "08:00", to: "20:00"}] on the site's clock; none: always."""
    silence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Its signals of silence by name: the metric, or "" for the device; none: the rule does not use silence."""
    created_at: Mapped[datetime]


class Inhibition(Base):
    """While a fault of this rule version fires, those of a rule or family act on nobody."""

    __tablename__ = "inhibitions"
    __table_args__ = (Index("ix_inhibitions_rule", "rule", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str]
    version: Mapped[int]
    target_rule: Mapped[str | None] = mapped_column(index=True)
    target_family: Mapped[str | None] = mapped_column(index=True)
    reach: Mapped[str]
    """device | below_gateway"""


class Fault(Base):
    """One episode of one rule on one device."""

    __tablename__ = "faults"
    __table_args__ = (UniqueConstraint("rule", "device_id", "episode"), Index("ix_faults_device", "device_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str]
    rule_version: Mapped[int]
    stage: Mapped[str]
    """The rule's stage when it fired."""
    device_id: Mapped[str]
    episode: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    """firing | resolved"""
    flapping: Mapped[bool] = mapped_column(default=False)
    severity: Mapped[str]
    onset: Mapped[datetime]
    fired_at: Mapped[datetime]
    received_at: Mapped[datetime]
    """When the sample that fired was received."""
    detected_at: Mapped[datetime]
    """When the transition was committed."""
    resolved_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Frozen at firing: {"when": …, "values": {name: value}}, and "attributes": which of the names were attributes."""
    superseded: Mapped[bool] = mapped_column(default=False)
    inhibited_by: Mapped[int | None] = mapped_column(index=True)
    """The fault for whose sake nobody acts on this one; NULL once that has ended."""
    kept_back: Mapped[str | None]
    """Why nobody acts on it although it fires, in words."""
    late_evidence_s: Mapped[float | None]
    """How old the newest word of its device was when it came before people late; NULL if it came at once."""
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    ticket: Mapped["Ticket | None"] = relationship()
    """So that both, when they are new, are written in the right order."""
    verdict: Mapped[str | None]
    """real | false_alarm: of all verdicts, the one that counts."""
    verdict_by: Mapped[str | None]
    would: Mapped[dict[str, Any] | None]
    """What it would have caused, had its rule been live: of faults that only a shadow rule found."""


class FaultSamples(Base):
    """The readings around a fault, frozen by the clock role; a row is written with the fault, and says what is due."""

    __tablename__ = "fault_samples"
    fault_id: Mapped[int] = mapped_column(ForeignKey("faults.id"), primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When they are to be read next; NULL: never again."""
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """By metric, up to the sample that fired: [[event time in epoch ms, value], …]."""
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """From there to the end of the episode, thinned."""


class Verdict(Base):
    """Somebody's word on whether a fault was real. Append-only; which one counts stands on the fault."""

    __tablename__ = "verdicts"
    id: Mapped[int] = mapped_column(primary_key=True)
    fault_id: Mapped[int] = mapped_column(ForeignKey("faults.id"), index=True)
    verdict: Mapped[str]
    """real | false_alarm"""
    source: Mapped[str]
    """agent | technician | customer"""
    by: Mapped[str]
    """agent, technician:ID, customer:ID."""
    at: Mapped[datetime]
    code: Mapped[str | None]
    """A technician's closing code: fixed | not_found | other_cause."""
    note: Mapped[str] = mapped_column(default="")


_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))


class Ticket(Base):
    """One trouble of one device, from notice to proof."""

    __tablename__ = "tickets"
    __table_args__ = (
        # "One open ticket per device and fault family" is the database's word, not a hope.
        Index(
            "uq_one_open_ticket",
            "device_id",
            "family",
            unique=True,
            sqlite_where=text(f"state IN ({_OPEN})"),
            postgresql_where=text(f"state IN ({_OPEN})"),
        ),
        Index("ix_tickets_customer", "customer_id"),
        Index("ix_tickets_state", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    """Of a parent: what its devices have in common, as `gateway/gw-1`; a device's own id has no slash."""
    family: Mapped[str]
    customer_id: Mapped[str | None]
    state: Mapped[str]
    cause: Mapped[str]
    severity: Mapped[str]
    title: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rule: Mapped[str | None]
    rule_version: Mapped[int | None]
    playbook: Mapped[str | None]
    step: Mapped[int] = mapped_column(default=0)
    """Index of the playbook step it stands at."""
    command_id: Mapped[str | None]
    """The command whose outcome its playbook waits for."""
    announced_at: Mapped[datetime | None]
    """When an opening was last announced for the customer; its message may not be planned yet."""
    opened_at: Mapped[datetime]
    onset: Mapped[datetime]
    updated_at: Mapped[datetime]
    healthy_since: Mapped[datetime | None]
    """Event time at which the last of its faults cleared; NULL while one is firing."""
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    """telemetry | customer | agent"""
    reopened: Mapped[int] = mapped_column(default=0)
    assignee: Mapped[str | None]
    agents_only: Mapped[bool] = mapped_column(default=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    """The wider fault of which it is a part; while that is open, nobody acts on this one by itself."""
    scope: Mapped[str | None]
    """Of a parent, or of a comparison: gateway, site, firmware, fleet, or another attribute."""
    held: Mapped[bool] = mapped_column(default=False)
    """Whether it still waits to be seen as one of a storm."""
    held_until: Mapped[datetime | None]
    """When its rule's `hold` is over; NULL where no storm was possible."""
    first_contact_at: Mapped[datetime | None]
    """When the customer first contacted us about it, if they did."""
    acknowledged_at: Mapped[datetime | None]
    """When somebody first said that they had seen it, or took it over; since it was last reopened."""
    acknowledged_by: Mapped[str | None]
    """customer:ID, technician:ID or agent."""
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TimelineEntry(Base):
    """One thing that happened to a ticket, who did it, and why. Append-only."""

    __tablename__ = "timeline"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    """onset, fault_fired, ticket_opened, command_sent, command_done, message_accepted, reply, visit_accepted …"""
    actor: Mapped[str]
    """rule:NAME, playbook:NAME, customer:ID, technician:ID, agent, telemetry, clock."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Command(Base):
    """One device command: an outbox row, never blindly repeated."""

    __tablename__ = "commands"
    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    args: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    asked_by: Mapped[str]
    idempotent: Mapped[bool] = mapped_column(default=False)
    timeout_s: Mapped[float] = mapped_column(default=300.0)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    detail: Mapped[str | None]


class WorkOrder(Base):
    """Hands are needed for a ticket; its state follows from its visits."""

    __tablename__ = "work_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    state: Mapped[str] = mapped_column(index=True)
    skill: Mapped[str | None]
    duration_s: Mapped[float] = mapped_column(default=3600.0)
    asked_by: Mapped[str]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Visit(Base):
    """One technician's visit: offered, accepted, travelled, done."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    work_order_id: Mapped[int] = mapped_column(ForeignKey("work_orders.id"), index=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    technician_id: Mapped[str] = mapped_column(ForeignKey("technicians.id"), index=True)
    state: Mapped[str] = mapped_column(index=True)
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    offered_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    en_route_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    note: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
