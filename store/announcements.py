"""What the engines must know besides readings, as log entries: rules in force, and devices with their attributes."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.clock import to_ms
from domain.faults import Stage
from domain.telemetry import RuleActivated, Serviced, partition_of
from store import control
from store.notes import changed
from store.tables import Device, Rule, RuleVersion

ACTIVE = frozenset({Stage.SHADOW, Stage.AGENTS_ONLY, Stage.LIVE})
"""Stages of rules that are evaluated."""


def announce_anew(session: Session, partition: int, *, partitions: int) -> None:
    """Rules in force, and the devices of `partition`, once more: an engine that knows them already does nothing."""
    same = (RuleVersion.name == Rule.name) & (RuleVersion.version == Rule.version)
    query = select(Rule, RuleVersion.body).join(RuleVersion, same).where(Rule.stage.in_(sorted(ACTIVE)))
    for rule, body in session.execute(query):
        control.enqueue(session, RuleActivated(rule.name, rule.version, rule.stage, body))
    for device in session.scalars(select(Device).where(Device.announced)):
        if partition_of(device.id, partitions) == partition:
            control.enqueue(session, changed(device), device_id=device.id)
            if device.last_service is not None:
                control.enqueue(session, Serviced(device.id, to_ms(device.last_service)), device_id=device.id)
