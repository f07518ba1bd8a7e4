"""What the engine knows of the devices themselves: number, product, attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import polars as pl

from domain.telemetry import DeviceChanged, Value
from rules.model import Kind
from rules.samples import DTYPES, NEVER, Ints, kind_of

DEVICE_ID = "device_id"
"""A name that expressions may use beside the attributes."""


@dataclass(slots=True)
class Device:
    """One device; `registered` is False for one that was only heard."""

    device_id: str
    product: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    registered_at: int = 0
    """0: unknown."""
    registered: bool = False
    serviced: int = NEVER
    """The last service record."""


@dataclass(slots=True)
class Devices:
    """All devices by number. Numbers are not used again: None stands for one that was deleted."""

    table: list[Device | None] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Of each attribute, as first seen."""
    _groups: dict[tuple[str, ...], dict[int, str]] = field(default_factory=dict)
    """Names of peer groups, made once."""

    def slot(self, device_id: str) -> int:
        """The device's number, given out on first sight."""
        found = self.slots.get(device_id)
        if found is None:
            found = self.slots[device_id] = len(self.table)
            self.table.append(Device(device_id))
        return found

    def change(self, change: DeviceChanged) -> int:
        slot = self.slot(change.device_id)
        self.table[slot] = Device(
            change.device_id,
            change.product,
            dict(change.attributes),
            change.registered_at,
            registered=True,
            serviced=self.device(slot).serviced,
        )
        for known in self._groups.values():
            known.pop(slot, None)
        for name, value in change.attributes.items():
            self.kinds.setdefault(name, kind_of(value))
        return slot

    def delete(self, device_id: str) -> int | None:
        slot = self.slots.pop(device_id, None)
        if slot is not None:
            self.table[slot] = None
            for known in self._groups.values():
                known.pop(slot, None)
        return slot

    def device(self, slot: int) -> Device:
        found = self.table[slot]
        if found is None:
            raise LookupError(f"device number {slot} was deleted")
        return found

    def group(self, slot: int, by: tuple[str, ...]) -> str:
        """The device's group among peers: its product and these attributes; empty if it lacks one of them."""
        known = self._groups.setdefault(by, {})
        if slot not in known:
            device = self.device(slot)
            values = [device.attributes.get(name) for name in by]
            known[slot] = "" if None in values else msgspec.json.encode([device.product, *values]).decode()
        return known[slot]

    def live(self) -> list[int]:
        """Numbers of the devices that exist, ascending."""
        return sorted(self.slots.values())

    def attribute(self, name: str, kind: Kind, slots: Ints) -> pl.Series:
        """The attribute of each device, NULL where it has none or one of another kind."""
        values = (self._value(slot, name, kind) for slot in slots.tolist())
        return pl.Series(name, list(values), dtype=DTYPES[kind])

    def _value(self, slot: int, name: str, kind: Kind) -> Value | None:
        device = self.device(slot)
        if name == DEVICE_ID:
            return device.device_id
        value = device.attributes.get(name)
        if value is None or kind_of(value) is not kind:
            return None
        return float(value) if kind is Kind.NUMBER else value
