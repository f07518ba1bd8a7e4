"""The story as its file tells it: which products there are, what breaks when, and who answers what."""

import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from devices_sim.clock import read_clock
from devices_sim.faults import FaultKind, Restart

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Span = Annotated[str, msgspec.Meta(pattern=r"^(\d+[smhd])+$")]
"""A duration of simulated time: 30s, 5m, 1h30m."""
EARLY = timedelta(hours=6)
"""A clock that shows no more than this before the story's hour is waited for."""
DeviceId = Annotated[str, msgspec.Meta(pattern=r"^[^\s/+#\x00-\x1f]{1,128}$")]


class DevicePlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One product of the fleet."""

    model: Literal["heatpump", "washer", "waterpump"]
    firmware: str = "1.0.0"
    cycles: tuple[Annotated[str, msgspec.Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|\+(\d+[smhd])+)$")], ...] = ()
    """A washer's daily starts: HH:MM in UTC, or +15m after the start of the story."""


class FaultPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One fault: when it begins after the start of the story, and for how long if it goes by itself."""

    device: DeviceId
    kind: FaultKind
    at: Span
    lasts: Span | None = msgspec.field(name="for", default=None)
    restart: Restart = Restart.IGNORED


class CustomerPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a customer answers to an opening, after how long, and which of their devices they mend in doing so."""

    answer: str
    after: Span = "5m"
    mends: tuple[DeviceId, ...] = ()


class TechnicianPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a technician says to an offer, and how the visit then goes."""

    answer: Literal["accept", "decline"]
    after: Span = "5m"
    leaves: Span = "5m"
    """From accepting to being on the way; not before the visit's window, less the way."""
    travel: Span = "20m"
    work: Span = "30m"


class Scenario(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A whole story."""

    kind: Literal["scenario"]
    name: str
    devices: dict[DeviceId, DevicePlan]
    clock: str = ""
    """The clock at which the story is meant to be told."""
    lasts: Span = "400m"
    seed: int = 1
    every: Span = "1m"
    """One sample per device in that time."""
    faults: tuple[FaultPlan, ...] = ()
    customers: dict[str, CustomerPlan] = {}
    technicians: dict[str, TechnicianPlan] = {}

    def __post_init__(self) -> None:
        named = {fault.device for fault in self.faults}
        named.update(device for plan in self.customers.values() for device in plan.mends)
        unknown = named - self.devices.keys()
        if unknown:
            raise ValueError(f"no such device: {', '.join(sorted(unknown))}; devices: lists them all")
        read_clock(self.clock)
        if not self.devices:
            raise ValueError("devices: needs at least one")
        if span(self.every) <= timedelta():
            raise ValueError("every: must be longer than nothing")


def read_scenario(path: Path) -> Scenario:
    """The story in `path`. Raises ValueError that names the file and the key."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Scenario)
    except (msgspec.ValidationError, yaml.YAMLError) as exc:
        raise ValueError(f"{path}: {exc}") from exc


def story_start(scenario: Scenario, *, now: datetime) -> datetime:
    """When the story begins: at the hour it is meant for if that is near, so that an early riser waits; else now."""
    meant = read_clock(scenario.clock).start if scenario.clock else now
    return meant if timedelta() < meant - now < EARLY else now


def daily_starts(cycles: tuple[str, ...], *, start: datetime) -> list[tuple[int, int]]:
    """(hour, minute) in UTC of each wash."""
    moments = (start + span(text) if text.startswith("+") else time.fromisoformat(text) for text in cycles)
    return [(moment.hour, moment.minute) for moment in moments]


def span(text: str) -> timedelta:
    """The duration that a `Span` means."""
    parts = re.findall(r"(\d+)([smhd])", text)
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})
