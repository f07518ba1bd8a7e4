"""Mutes as they are declared: a device's own, or a maintenance window over a site, gateway, product or rule."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.manifests.declaration import Declaration, Outcome
from api.schemas.declared import DeviceIn
from api.schemas.muting import MuteManifest
from domain.errors import NotFound, SourceError
from store import events
from store.tables import Device, Mute
from tickets import service


def put_mute(session: Session, mute: MuteManifest, *, now: datetime) -> Outcome:
    """Write it. Said a second time, `for` does not begin anew."""
    return _device(session, mute, now=now) if mute.is_plain else _window(session, mute, now=now)


def remove_mute(session: Session, name: str, *, now: datetime) -> None:
    """Lift a window: what waits for its end is looked at now. Raises NotFound."""
    row = session.get(Mute, name)
    if row is None:
        raise NotFound("mute", name)
    events.publish(session, "mute.lifted", at=now, mute=name, scope=row.scope, value=row.value)
    session.delete(row)
    session.flush()
    service.look_again(session, now=now)


def nowhere(session: Session, mute: MuteManifest, declared: list[Declaration]) -> Iterator[tuple[str, str]]:
    """(problem, cure) for a site or gateway that no device stands at or behind."""
    if mute.scope not in {"site", "gateway"}:
        return
    devices = [d.content for d in declared if d.kind == "device" and isinstance(d.content, DeviceIn)]
    if mute.site is not None:
        there = any(device.site.address == mute.site for device in devices)
        known = select(Device.id).where(Device.address == mute.site)
        problem, cure = f"no device stands at {mute.site!r}", "write a device's site.address as its manifest has it"
    else:
        there = any(mute.gateway in {device.id, device.gateway} for device in devices)
        known = select(Device.id).where(or_(Device.id == mute.gateway, Device.gateway == mute.gateway))
        problem, cure = f"no device is behind gateway {mute.gateway!r}", "name a gateway that devices have"
    if not there and session.scalar(known.limit(1)) is None:
        yield problem, cure


def _device(session: Session, mute: MuteManifest, *, now: datetime) -> Outcome:
    device, plain = session.get_one(Device, mute.value), mute.by_hand()
    until = plain.end(now)
    still = device.muted_until is not None and device.muted_until > now
    if device.muted_reason == mute.reason and (device.muted_until == until or (plain.lasts is not None and still)):
        return Outcome.UNCHANGED
    outcome = Outcome.CHANGED if device.muted_until else Outcome.CREATED
    service.mute(session, device.id, until=until, reason=mute.reason, now=now)
    return outcome


def _window(session: Session, mute: MuteManifest, *, now: datetime) -> Outcome:
    row, body = session.get(Mute, mute.key), mute.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if row is not None and row.body == body and (mute.start is not None or service.is_muting(row, now)):
        return Outcome.UNCHANGED
    columns = mute.window(now)
    if columns["duration_s"] <= 0:
        raise SourceError(f"{mute.until} is over", key="until", cure="name a time to come")
    session.merge(Mute(**columns, body=body))
    session.flush()
    service.look_again(session, now=now)
    events.publish(session, "mute.set", at=now, mute=mute.key, scope=mute.scope, value=mute.value)
    return Outcome.CREATED if row is None else Outcome.CHANGED
