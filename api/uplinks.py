"""Readings over HTTP take the same way as over MQTT: decoded alike, into the log, bad input to the dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import structlog

from api.services import Services
from domain.clock import from_ms, to_ms
from domain.errors import NotFound, StoreUnavailable
from domain.intake import Heard, KnownDevice, RawUplink
from domain.telemetry import Uplink, partition_of
from ingest.decode import Decoded, decode
from ingest.topics import Address, Kind
from store.notes import SqlNotes
from store.tables import Device, Product

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one payload."""

    readings: int
    refused: list[dict[str, str]] = field(default_factory=list)
    """{reason, detail} of what was bad."""


def take(house: Services, device_id: str, payload: bytes) -> Taken:
    """Returns once the log holds the readings. Raises NotFound for a stranger, LogUnavailable, StoreUnavailable."""
    device = _known(house, device_id)
    now = house.clock.now()
    received_at = to_ms(now)
    decoded = decode(Address(device_id, Kind.TELEMETRY), payload, received_at=received_at, device=device)
    uplink = decoded.uplink
    if uplink is not None and device.admitted:
        partition = partition_of(device_id, house.partitions)
        house.log.append({partition: [uplink]}, msg_id=f"http-{uuid4().hex}")
    elif uplink is not None:
        # Its registration is on its way into the log: what it sends meanwhile follows right after.
        raw = RawUplink(f"devices/{device_id}/telemetry", payload, received_at)
        house.log.keep_unknown({device_id: [raw]}, msg_id=f"http-{uuid4().hex}")
    _note(house, device_id, decoded, received_at)
    readings = sum(len(sample.values) for sample in uplink.samples) if uplink else 0
    return Taken(readings, [{"reason": letter.reason, "detail": letter.detail} for letter in decoded.dead])


def _known(house: Services, device_id: str) -> KnownDevice:
    with house.database.read() as session:
        row = session.get(Device, device_id)
        if row is None:
            raise NotFound("device", device_id)
        product = session.get(Product, row.product) if row.product else None
        return KnownDevice(
            device_id,
            row.product,
            _kinds(product.metrics) if product else {},
            strict=bool(product and product.strict),
            admitted=row.announced and row.admitted,
        )


def _kinds(metrics: Mapping[str, Any]) -> dict[str, str]:
    return {name: str((about or {}).get("kind") or "") for name, about in metrics.items()}


def _note(house: Services, device_id: str, decoded: Decoded, received_at: int) -> None:
    """Last seen, newest values, dead letters. The log has the readings: that the desk is behind must not undo that."""
    heard = Heard(last_seen=received_at, values=_newest(decoded.uplink))
    try:
        SqlNotes(house.database).write({device_id: heard}, decoded.dead, now=from_ms(received_at))
    except StoreUnavailable as exc:
        if decoded.uplink is None:
            raise
        log.warning("uplink not noted", device_id=device_id, detail=str(exc))


def _newest(uplink: Uplink | None) -> dict[str, tuple[int, float | bool | str]]:
    samples = uplink.samples if uplink else ()
    return {metric: (sample.event_time, value) for sample in samples for metric, value in sample.values.items()}
