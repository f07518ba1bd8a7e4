"""What devices have in common, and how many they are: the figures on which storms are decided, from the registry."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from domain.faults import TransitionState
from store.notes import in_force
from store.tables import Device, DeviceValue, Fault, FirmwarePeriod, RuleVersion
from tickets.storms import FLEET, Group, Policy, Population, read_policy

GATEWAY, SITE, FIRMWARE = "gateway", "site", "firmware"
HEARD_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that fires: of which metric ("" for the whole device), and when it was heard last."""

    metric: str
    since: datetime

    def midway(self, now: datetime) -> datetime:
        """Who has not been heard since half-way between then and now is silent, too.

        Devices report at their own pace and cross the rule's limit one after the other; in a fleet that lives, most
        have been heard much later than one that has just been found silent.
        """
        return self.since + (now - self.since) / 2


def silence_of(fault: Fault, version: RuleVersion) -> Silence | None:
    """The silence that `fault` found; None if its rule does not look for any."""
    values = fault.evidence.get("values") or {}
    for name, metric in version.silence.items():
        seconds = values.get(name)
        if isinstance(seconds, int | float):
            return Silence(metric, fault.fired_at - timedelta(seconds=seconds))
    return Silence(next(iter(version.silence.values())), fault.onset) if version.silence else None


def groups_of(session: Session, device: Device | None, version: RuleVersion) -> tuple[Group, ...]:
    """What `device` may have in common with others, as the rule's `storm` lists it; for silence, the fleet first."""
    if device is None:
        return ()
    policy = read_policy(version.storm)
    attributes = in_force(device.reported, device.attributes)
    fleet = [Group(FLEET, device.product)] if version.silence and device.product else []
    found = (_group(session, device, by, attributes) for by in policy.by)
    return (*fleet, *(group for group in found if group is not None))


def _group(session: Session, device: Device, by: str, attributes: Mapping[str, object]) -> Group | None:
    if by == GATEWAY:
        below = select(Device.id).where(Device.gateway == device.id).limit(1)
        gateway = device.gateway or (device.id if session.scalar(below) is not None else None)
        return Group(GATEWAY, gateway) if gateway else None
    if by == SITE:
        return Group(SITE, device.address) if device.address else None
    value = attributes.get(by)
    # A firmware, model or region means something only within one product.
    return None if value is None else Group(by, f"{device.product or ''}/{_text(value)}")


def can_storm(session: Session, groups: Sequence[Group], policy: Policy) -> bool:
    """Whether any of the groups has enough devices for a storm: where none has, nobody need wait for one."""
    for group in groups:
        rows = _rows(group)
        if rows is None:
            return True  # an attribute of the maker's own: counted when it comes to it
        if len(session.scalars(rows.limit(policy.devices)).all()) >= policy.devices:
            return True
    return False


def population(
    session: Session,
    group: Group,
    *,
    products: Collection[str],
    family: str,
    silence: Silence | None,
    now: datetime,
) -> Population:
    """Of `group`, within `products`; `silence` is one that fires in it, of `family`."""
    rows = _rows(group)
    if rows is None:
        return Population(_count_attribute(session, group))
    if group.by == FIRMWARE:
        return Population(session.scalar(select(func.count()).select_from(rows.subquery())) or 0)
    here = and_(_here(group), or_(Device.product.in_(products), Device.product.is_(None)))
    devices = session.scalar(select(func.count(Device.id)).where(here)) or 0
    if silence is None:
        return Population(devices)
    heard, silent = _heard(session, here, family=family, silence=silence, now=now)
    return Population(devices, heard, silent)


def _heard(
    session: Session, here: ColumnElement[bool], *, family: str, silence: Silence, now: datetime
) -> tuple[int, int]:
    last: ColumnElement[Any] = Device.last_seen.expression
    query = select(func.count(Device.id))
    if silence.metric:
        value = and_(DeviceValue.device_id == Device.id, DeviceValue.metric == silence.metric)
        query, last = query.join(DeviceValue, value), DeviceValue.event_time.expression
    firing = (
        select(Fault.device_id)
        .join(RuleVersion, and_(RuleVersion.name == Fault.rule, RuleVersion.version == Fault.rule_version))
        .where(Fault.state == TransitionState.FIRING, RuleVersion.family == family)
    )
    heard = query.where(here, last > silence.since - HEARD_WITHIN)
    silent = heard.where(or_(last <= silence.midway(now), Device.id.in_(firing)))
    return session.scalar(heard) or 0, session.scalar(silent) or 0


def _rows(group: Group) -> Select[str] | None:
    """Ids of its devices; None for an attribute of the maker's own."""
    if group.by == FIRMWARE:
        product, _, firmware = group.value.partition("/")
        here = (FirmwarePeriod.product == product, FirmwarePeriod.firmware == firmware)
        return select(FirmwarePeriod.device_id).where(*here, FirmwarePeriod.until.is_(None))
    return select(Device.id).where(_here(group)) if group.by in {GATEWAY, SITE, FLEET} else None


def _here(group: Group) -> ColumnElement[bool]:
    if group.by == GATEWAY:
        return or_(Device.gateway == group.value, Device.id == group.value)
    return (Device.address if group.by == SITE else Device.product) == group.value


def _count_attribute(session: Session, group: Group) -> int:
    product, _, value = group.value.partition("/")
    query = select(Device.reported, Device.attributes).where(Device.product == product)
    sets = (in_force(reported, declared) for reported, declared in session.execute(query))
    return sum(1 for attributes in sets if group.by in attributes and _text(attributes[group.by]) == value)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
