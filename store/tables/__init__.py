"""Every table of the database."""

from store.tables.base import Base
from store.tables.devices import Customer, Device, DeviceValue, Maker, Playbook, Product, Technician
from store.tables.messages import Inbound, Message, MessageAttempt, SandboxMessage
from store.tables.operations import (
    ControlEntry,
    DeadLetter,
    Due,
    Event,
    Lease,
    Meta,
    PartitionLease,
    PeerShare,
    RoleReport,
    Snapshot,
)
from store.tables.tickets import Command, Fault, Rule, RuleVersion, Ticket, TimelineEntry, Visit, WorkOrder

__all__ = [
    "Base",
    "Command",
    "ControlEntry",
    "Customer",
    "DeadLetter",
    "Device",
    "DeviceValue",
    "Due",
    "Event",
    "Fault",
    "Inbound",
    "Lease",
    "Maker",
    "Message",
    "MessageAttempt",
    "Meta",
    "PartitionLease",
    "PeerShare",
    "Playbook",
    "Product",
    "RoleReport",
    "Rule",
    "RuleVersion",
    "SandboxMessage",
    "Snapshot",
    "Technician",
    "Ticket",
    "TimelineEntry",
    "Visit",
    "WorkOrder",
]
