"""Devices as tiles: how each is, in one word and one colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.pages.frame import address
from api.views import times
from api.views.phrases import first_upper, said
from api.views.states import Pill
from domain.faults import TransitionState
from store.tables import Customer, Device, Fault, Product

QUIET_AFTER = timedelta(hours=1)
_ORDER = ("alarm", "watch", "calm", "good")


@dataclass(frozen=True, slots=True)
class Tile:
    """One device."""

    href: str
    name: str
    what: str
    pill: Pill
    seen: str


def tiles_of(session: Session, devices: Sequence[Device], *, now: datetime) -> list[Tile]:
    """Those in trouble first."""
    firing = select(Fault.device_id, Fault.flapping).where(Fault.state == TransitionState.FIRING)
    found = session.execute(firing).all()
    faulty, steady = {device for device, _ in found}, {device for device, flapping in found if not flapping}
    products = {row.name: row for row in session.scalars(select(Product))}
    owners = {row.id: row.name for row in session.scalars(select(Customer))}
    tiles = []
    for device in devices:
        product = products.get(device.product or "")
        noun = said(product.noun or product.title, "en", default=product.name) if product else "no product"
        owner = owners.get(device.customer_id or "", "")
        what = " · ".join(part for part in (first_upper(noun), owner) if part)
        seen = f"last seen {times.ago(device.last_seen, now=now)}" if device.last_seen else "never heard of yet"
        tiles.append(
            Tile(
                address(device.id),
                device.id,
                what,
                device_pill(device, firing=device.id in faulty, unstable=device.id not in steady, now=now),
                seen,
            )
        )
    return sorted(tiles, key=lambda tile: (_ORDER.index(tile.pill.tone), tile.name))


def device_pill(device: Device, *, firing: bool, unstable: bool = False, now: datetime) -> Pill:
    """How a device is; `unstable`: all that fires on it comes and goes."""
    if device.muted_until and device.muted_until > now:
        return Pill("calm", "muted")
    if firing:
        return Pill("watch", "unstable") if unstable else Pill("alarm", "fault")
    if device.presence == "offline":
        return Pill("watch", "offline")
    if device.last_seen is None:
        return Pill("calm", "new")
    if now - device.last_seen > QUIET_AFTER:
        return Pill("watch", "quiet")
    return Pill("good", "healthy")
