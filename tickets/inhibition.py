"""Inhibition: while one fault fires, those that follow from it stand in the record and act on nobody."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from domain.faults import TransitionState
from domain.verdicts import Judgement
from store import due, timeline
from store.foresight import AIMED, AIMS, absent
from store.tables import Device, Fault, Inhibition, RuleVersion
from tickets.faults import SURFACING, version_of

DEVICE, BELOW_GATEWAY = "device", "below_gateway"


def fired(session: Session, fault: Fault, *, now: datetime) -> None:
    """`fault` fires: it is marked if another inhibits it, and those that it inhibits itself are."""
    fault.inhibited_by = inhibitor(session, fault)
    if fault.superseded or fault.stage not in SURFACING:
        return
    for target in _targets(session, fault):
        if target.inhibited_by is None and target.id not in _chain(session, fault):
            target.inhibited_by = fault.id
            if target.ticket_id is not None:
                detail = {"fault_id": target.id, "by": fault.id, "rule": fault.rule}
                timeline.note(session, target.ticket_id, "inhibited", at=now, actor=f"rule:{fault.rule}", **detail)


def ended(session: Session, fault: Fault, *, now: datetime) -> None:
    """`fault` is over, or was none: what it inhibited comes before people, unless something else inhibits it still."""
    due.cancel(session, "surface", fault.id)
    released = select(Fault).where(Fault.inhibited_by == fault.id, Fault.state == TransitionState.FIRING)
    for target in session.scalars(released.order_by(Fault.id)).all():
        target.inhibited_by = None
        target.inhibited_by = inhibitor(session, target)
        if target.inhibited_by is None:
            due.schedule(session, "surface", target.id, at=now)


def inhibitor(session: Session, fault: Fault) -> int | None:
    """The oldest firing fault that inhibits `fault`; never one that is itself inhibited because of it."""
    version = version_of(session, fault)
    family = version.family if version else fault.rule
    if absent(session, AIMED, fault.rule, family):
        return None
    aimed = or_(Inhibition.target_rule == fault.rule, Inhibition.target_family == family)
    if session.scalar(select(Inhibition.id).where(aimed).limit(1)) is None:
        return None
    device = session.get(Device, fault.device_id)
    near: list[ColumnElement[bool]] = [
        Inhibition.reach.in_((DEVICE, BELOW_GATEWAY)) & (Fault.device_id == fault.device_id)
    ]
    if device is not None and device.gateway:
        below = select(Device.id).where(Device.gateway == device.gateway)
        around = or_(Fault.device_id == device.gateway, Fault.device_id.in_(below))
        near.append(and_(Inhibition.reach == BELOW_GATEWAY, around))
    query = (
        select(Fault)
        .join(Inhibition, and_(Inhibition.rule == Fault.rule, Inhibition.version == Fault.rule_version))
        .where(*_acting(), Fault.id != fault.id, aimed, or_(*near))
    )
    found = session.scalars(query.order_by(Fault.id)).unique()
    return next((source.id for source in found if fault.id not in _chain(session, source)), None)


def _targets(session: Session, source: Fault) -> Sequence[Fault]:
    """Firing faults that `source` inhibits."""
    if absent(session, AIMS, source.rule, source.rule_version):
        return []
    here = and_(Inhibition.rule == source.rule, Inhibition.version == source.rule_version)
    if session.scalar(select(Inhibition.id).where(here).limit(1)) is None:
        return []
    device = session.get(Device, source.device_id)
    gateways = [source.device_id, *([device.gateway] if device is not None and device.gateway else [])]
    below = or_(Fault.device_id == source.device_id, Fault.device_id.in_(_behind(gateways)))
    query = (
        select(Fault)
        .join(RuleVersion, and_(RuleVersion.name == Fault.rule, RuleVersion.version == Fault.rule_version))
        .join(Inhibition, or_(Inhibition.target_rule == Fault.rule, Inhibition.target_family == RuleVersion.family))
        .where(
            here,
            Fault.state == TransitionState.FIRING,
            Fault.id != source.id,
            or_(Fault.device_id == source.device_id, and_(Inhibition.reach == BELOW_GATEWAY, below)),
        )
    )
    return session.scalars(query.order_by(Fault.id)).unique().all()


def _behind(gateways: Sequence[str]) -> ColumnElement[str]:
    return select(Device.id).where(Device.gateway.in_(gateways)).scalar_subquery()


def _acting() -> tuple[ColumnElement[bool], ...]:
    """A fault that fires, of a rule that may speak to people, and that nobody called a false alarm."""
    return (
        Fault.state == TransitionState.FIRING,
        Fault.superseded.is_(False),
        Fault.stage.in_(SURFACING),
        Fault.verdict.is_distinct_from(Judgement.FALSE_ALARM),
    )


def _chain(session: Session, fault: Fault) -> set[int]:
    """The faults because of which `fault` is inhibited, through any number of steps, and itself."""
    seen: set[int] = set()
    current: Fault | None = fault
    while current is not None and current.id not in seen:
        seen.add(current.id)
        current = session.get(Fault, current.inhibited_by) if current.inhibited_by is not None else None
    return seen
