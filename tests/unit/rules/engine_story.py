"""A few words in which tests tell the engine what happened, and read what it said."""

from collections.abc import Sequence
from typing import Any

from domain.clock import to_ms
from domain.faults import Transition
from domain.telemetry import DeviceChanged, LogEntry, RuleActivated, Sample, Tick, Uplink, Value
from rules.engine import new_state, observe

T0 = 1_700_000_000
"""Seconds; tests count from here."""


def rule(name: str = "r", *, version: int = 1, stage: str = "live", **fields: Any) -> RuleActivated:
    """`for_` stands for `for`."""
    body = {key.rstrip("_"): value for key, value in fields.items()}
    return RuleActivated(name, version, stage, {"kind": "rule", "name": name, **body})


def reads(second: float, device: str = "a", *, received: float | None = None, **values: Value) -> Uplink:
    """One sample in one message."""
    return message((second, values), device=device, received=second if received is None else received)


def message(*samples: tuple[float, dict[str, Value]], device: str = "a", received: float) -> Uplink:
    return Uplink(device, ms(received), tuple(Sample(ms(second), values) for second, values in samples))


def tick(second: float, *, covers: float = 1) -> Tick:
    return Tick(ms(second), "listener", round(covers * 1000))


def device(
    device_id: str = "a", *, product: str = "", registered: float | None = None, **attributes: Value
) -> DeviceChanged:
    return DeviceChanged(device_id, product, attributes, 0 if registered is None else ms(registered))


def ms(second: float) -> int:
    return round((T0 + second) * 1000)


def short(transition: Transition) -> tuple[str, int, float, float]:
    """State, episode, and seconds of `at` and `onset`."""
    at, onset = (to_ms(moment) / 1000 - T0 for moment in (transition.at, transition.onset))
    return str(transition.state), transition.episode, at, onset


def outcome(*entries: LogEntry) -> list[Transition]:
    return observe(new_state(), entries)[1]


def told(*entries: LogEntry) -> list[tuple[str, int, float, float]]:
    return [short(transition) for transition in outcome(*entries)]


def temperatures(*pairs: tuple[float, Value | None], device: str = "a") -> Sequence[Uplink]:
    """Samples of `temp`; None is a sample that holds another metric alone."""
    return [
        reads(second, device, **({"temp": value} if value is not None else {"other": 1.0})) for second, value in pairs
    ]
