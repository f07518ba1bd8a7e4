"""The facts of a visit: fault, evidence, what was tried, skill and device, in the technician's language."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.findings import findings
from api.views import times
from api.views.phrases import number, said
from api.views.technician_words import LANGUAGES
from store.notes import in_force
from store.tables import Command, Device, DeviceValue, Fault, Product, RuleVersion, Ticket, WorkOrder

Fact = tuple[str, str, bool]
"""What, its value, and whether it stands out."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: language, zone, and the time it is."""

    language: str
    zone: ZoneInfo
    now: datetime

    @property
    def words(self) -> Mapping[str, str]:
        """The page's words."""
        return LANGUAGES[self.language]

    def at(self, moment: datetime) -> str:
        """A time as they say it."""
        return times.at(moment, self.zone, now=self.now, language=self.language)


def facts_of(session: Session, ticket: Ticket, device: Device | None, reader: Reader) -> list[Fact]:
    """Facts first, numbers with units, no adjectives."""
    product = session.get(Product, device.product) if device and device.product else None
    return [
        *_faults(session, ticket, (product.metrics if product else None) or {}, reader),
        *_tried(session, ticket, product, reader),
        *_order(session, ticket, reader),
        *_device(session, ticket, device, product, reader),
    ]


def values_of(session: Session, device: Device | None, reader: Reader) -> list[tuple[str, str]]:
    """What the device reports now."""
    if device is None:
        return []
    product = session.get(Product, device.product) if device.product else None
    metrics = (product.metrics if product else None) or {}
    rows = session.scalars(select(DeviceValue).where(DeviceValue.device_id == device.id).order_by(DeviceValue.metric))
    return [
        (_title(r.metric, metrics, reader), _value(r.metric, r.value["v"], metrics, reader)) for r in list(rows)[:8]
    ]


def _faults(session: Session, ticket: Ticket, metrics: Mapping[str, Any], reader: Reader) -> Iterator[Fact]:
    words = reader.words
    newest = select(Fault).where(Fault.ticket_id == ticket.id).order_by(Fault.id.desc()).limit(2)
    for fault in reversed(session.scalars(newest).all()):
        version = session.get(RuleVersion, (fault.rule, fault.rule_version))
        title = said(version.title if version else None, reader.language) or fault.rule.replace("-", " ")
        yield words["fault"], f"{title}, {words['since'].format(at=reader.at(fault.onset))}", True
        (finding,) = findings(session, [fault])
        why = finding.explanation.why[reader.language]
        values = (fault.evidence or {}).get("values") or {}
        shown = [f"{_title(name, metrics, reader)} {_value(name, v, metrics, reader)}" for name, v in values.items()]
        if why.clauses or shown:
            yield words["evidence"], why.sentence() or "; ".join(shown), False


def _tried(session: Session, ticket: Ticket, product: Product | None, reader: Reader) -> Iterator[Fact]:
    declared = (product.commands if product else None) or {}
    for command in session.scalars(select(Command).where(Command.ticket_id == ticket.id).order_by(Command.created_at)):
        title = said((declared.get(command.name) or {}).get("title"), reader.language, default=command.name)
        outcome = reader.words.get(f"command_{command.state}", command.state)
        yield reader.words["tried"], f"{title}, {reader.at(command.sent_at or command.created_at)}: {outcome}", False


def _order(session: Session, ticket: Ticket, reader: Reader) -> Iterator[Fact]:
    newest = select(WorkOrder).where(WorkOrder.ticket_id == ticket.id).order_by(WorkOrder.id.desc()).limit(1)
    order = session.scalars(newest).first()
    if order is None:
        return
    if order.skill:
        yield reader.words["skill"], reader.words.get(f"skill_{order.skill}", order.skill), True
    yield reader.words["takes"], times.span(order.duration_s, language=reader.language), False


def _device(
    session: Session, ticket: Ticket, device: Device | None, product: Product | None, reader: Reader
) -> Iterator[Fact]:
    words = reader.words
    attributes = in_force(device.reported, device.attributes) if device else {}
    parts = [
        said(product.title, reader.language, default=product.name) if product else "",
        str(attributes.get("firmware", "")),
        ticket.device_id,
    ]
    yield words["device"], " · ".join(part for part in parts if part), False
    others = select(func.count(Ticket.id)).where(Ticket.device_id == ticket.device_id, Ticket.id != ticket.id)
    before = session.scalar(others) or 0
    yield words["before"], words["before_some"].format(n=before) if before else words["before_none"], False


def _title(metric: str, metrics: Mapping[str, Any], reader: Reader) -> str:
    return said((metrics.get(metric) or {}).get("title"), reader.language) or metric.replace("_", " ")


def _value(metric: str, value: object, metrics: Mapping[str, Any], reader: Reader) -> str:
    return number(value, (metrics.get(metric) or {}).get("unit"), language=reader.language)
