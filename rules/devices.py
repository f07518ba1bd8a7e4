"""What the engine knows of the devices themselves: number, product, attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.telemetry import DeviceChanged, Value
from rules.model import Kind
from rules.samples import DTYPES, NEVER, Ints, kind_of
from rules.slots import SlotInts

DEVICE_ID = "device_id"
"""A name that expressions may use beside the attributes."""
UNASKED = -1
NO_ATTRIBUTES: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as it is now; `registered` is False for one that was only heard."""

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
    """All devices by number: one list per property. Numbers are not used again: a deleted device has no id."""

    ids: list[str | None] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    attributes: list[Mapping[str, Value]] = field(default_factory=list)
    registered_at: SlotInts = field(default_factory=lambda: SlotInts(empty=0))
    registered: bytearray = field(default_factory=bytearray)
    serviced: SlotInts = field(default_factory=SlotInts)
    slots: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Of each attribute, as first seen."""
    answers: dict[tuple[str | None, str | None], SlotInts] = field(default_factory=dict)
    """Whether a product and an `applies_to` fit, by these two: asked once per device, and again when it changes."""
    deleted: int = 0
    """How many there were that are gone."""
    directory: object = None
    """Cache of `rules.directory`."""
    _groups: dict[tuple[str, ...], dict[int, str]] = field(default_factory=dict)
    """Names of peer groups, made once."""
    _columns: dict[tuple[str, Kind], NDArray[Any]] = field(default_factory=dict)
    """Attributes that rules ask for, by device."""

    def slot(self, device_id: str) -> int:
        """The device's number, given out on first sight."""
        found = self.slots.get(device_id)
        if found is None:
            found = self.slots[device_id] = len(self.ids)
            self.ids.append(device_id)
            self.products.append("")
            self.attributes.append(NO_ATTRIBUTES)
            self.registered.append(False)
        return found

    def change(self, change: DeviceChanged) -> int:
        slot = self.slot(change.device_id)
        self.products[slot] = change.product
        self.attributes[slot] = dict(change.attributes)
        self.registered_at.put_one(slot, change.registered_at)
        self.registered[slot] = True
        for name, value in change.attributes.items():
            self.kinds.setdefault(name, kind_of(value))
        self._ask_again(slot)
        return slot

    def delete(self, device_id: str) -> int | None:
        slot = self.slots.pop(device_id, None)
        if slot is not None:
            self.serviced.put_one(slot, NEVER)
            self.ids[slot], self.products[slot], self.attributes[slot] = None, "", NO_ATTRIBUTES
            self.deleted += 1
            self._ask_again(slot)
        return slot

    def device(self, slot: int) -> Device:
        return Device(
            self.device_id(slot),
            self.products[slot],
            self.attributes[slot],
            self.registered_at.one(slot),
            registered=bool(self.registered[slot]),
            serviced=self.serviced.one(slot),
        )

    def device_id(self, slot: int) -> str:
        found = self.ids[slot]
        if found is None:
            raise LookupError(f"device number {slot} was deleted")
        return found

    def group(self, slot: int, by: tuple[str, ...]) -> str:
        """The device's group among peers: its product and these attributes; empty if it lacks one of them."""
        known = self._groups.setdefault(by, {})
        if slot not in known:
            values = [self.attributes[slot].get(name) for name in by]
            known[slot] = "" if None in values else msgspec.json.encode([self.products[slot], *values]).decode()
        return known[slot]

    def live(self) -> Ints:
        """Numbers of the devices that exist, ascending."""
        if len(self.slots) == len(self.ids):
            return np.arange(len(self.ids))
        return np.sort(np.fromiter(self.slots.values(), dtype=np.int64, count=len(self.slots)))

    def answer(self, product: str | None, applies_to: str | None) -> SlotInts:
        """What is known of who fits these two: 1, 0, or UNASKED. A byte a device, for all rules that ask alike."""
        return self.answers.setdefault((product, applies_to), SlotInts(empty=UNASKED, dtype=np.int8))

    def attribute(self, name: str, kind: Kind, slots: Ints) -> pl.Series:
        """The attribute of each device, NULL where it has none or one of another kind."""
        if name == DEVICE_ID:
            return pl.Series(name, [self.device_id(slot) for slot in slots.tolist()], dtype=DTYPES[kind])
        values = self._column(name, kind)[slots]
        if kind is Kind.NUMBER:
            return pl.Series(name, values).fill_nan(None)
        return pl.Series(name, values.tolist(), dtype=DTYPES[kind])

    def _column(self, name: str, kind: Kind) -> NDArray[Any]:
        column = self._columns.get((name, kind))
        known = 0 if column is None else len(column)
        if column is None or known < len(self.ids):
            more = [_value(attributes.get(name), kind) for attributes in self.attributes[known:]]
            dtype = np.float64 if kind is Kind.NUMBER else object
            added = np.array(more, dtype=dtype)
            column = self._columns[name, kind] = added if column is None else np.concatenate([column, added])
        return column

    def _ask_again(self, slot: int) -> None:
        for groups in self._groups.values():
            groups.pop(slot, None)
        for answer in self.answers.values():
            answer.put_one(slot, UNASKED)
        for (name, kind), column in self._columns.items():
            if slot < len(column):
                column[slot] = _value(self.attributes[slot].get(name), kind)


def _value(value: Value | None, kind: Kind) -> Value | None:
    if value is None or kind_of(value) is not kind:
        return None
    return float(value) if kind is Kind.NUMBER else value
