"""What a healthy or a broken product would measure: small physical models, pure but for the noise they are handed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from devices_sim.faults import Effects

Values = dict[str, float | bool | str]


def noise(seed: int, device_id: str, at: datetime) -> Random:
    """The random numbers of one device at one moment: the same in every run, whatever came before."""
    return Random(f"{seed}/{device_id}/{int(at.timestamp())}")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a product is looked at: the time, how long since the last look, and its noise."""

    at: datetime
    dt_s: float
    rng: Random

    @property
    def hour(self) -> float:
        return self.at.hour + self.at.minute / 60 + self.at.second / 3600


@dataclass(frozen=True, slots=True)
class HeatPump:
    """Heats more on cold mornings and evenings; its compressor warms up and cools down over minutes."""

    compressor_temp: float | None = None

    def step(self, moment: Moment, effects: Effects) -> tuple["HeatPump", Values]:
        demand = _heating_demand(moment.hour)
        normal = 48 + 22 * demand
        target = normal if not effects.overheat else max(normal, 66) + 38 * effects.overheat
        temp = target if self.compressor_temp is None else _approach(self.compressor_temp, target, moment.dt_s, 300)
        flow_temp = 30 + 15 * demand
        pressure = 1.6 + 0.0015 * (flow_temp - 35) - min(0.9, 0.3 * effects.leaking_hours)
        rng = moment.rng
        values: Values = {
            "compressor_temp": round(temp + rng.gauss(0, 0.4), 2),
            "flow_temp": round(flow_temp + rng.gauss(0, 0.2), 2),
            "outdoor_temp": round(_outdoor(moment.hour) + rng.gauss(0, 0.1), 2),
            "pressure": round(pressure + rng.gauss(0, 0.008), 3),
            "power": round(max(0.2, (0.8 + 2.2 * demand) * (1 - 0.2 * effects.overheat) + rng.gauss(0, 0.05)), 3),
            "running": demand > 0.15,
        }
        return replace(self, compressor_temp=temp), values


@dataclass(frozen=True, slots=True)
class WaterPump:
    """Works hardest when people shower and cook; its motor follows slowly."""

    motor_temp: float | None = None

    def step(self, moment: Moment, effects: Effects) -> tuple["WaterPump", Values]:
        demand = _bump(moment.hour, 7.5, 1.5) + 0.8 * _bump(moment.hour, 19, 2)
        target = 45 + 12 * demand + 38 * effects.overheat
        temp = target if self.motor_temp is None else _approach(self.motor_temp, target, moment.dt_s, 1800)
        rng = moment.rng
        pressure = 3.0 - 0.15 * demand - min(1.6, 0.6 * effects.leaking_hours)
        values: Values = {
            "pressure": round(pressure + rng.gauss(0, 0.015), 3),
            "flow": round(8 + 30 * demand + rng.gauss(0, 0.6), 2),
            "motor_temp": round(_chattering(moment) if effects.chatter else temp + rng.gauss(0, 0.4), 2),
            "power": round(180 + 420 * demand + rng.gauss(0, 8), 1),
        }
        return replace(self, motor_temp=temp), values


PROGRAMME: tuple[tuple[str, float], ...] = (
    ("fill", 360),
    ("wash", 1920),
    ("drain", 0),
    ("rinse", 720),
    ("drain", 0),
    ("spin", 480),
)
"""Phases of one wash and their seconds; a drain lasts until the water is gone."""
FULL_CM = 12.0
DRAIN_CM_PER_S = FULL_CM / 90


@dataclass(frozen=True, slots=True)
class Washer:
    """Washes at its daily hours (UTC), phase by phase; what cannot drain stays where it is."""

    cycles: Sequence[tuple[int, int]] = field(default=((8, 30), (18, 30)))
    """(hour, minute) of each start."""
    phase: int | None = None
    """Index into PROGRAMME; None when idle."""
    elapsed_s: float = 0.0
    water_cm: float = 0.0

    def step(self, moment: Moment, effects: Effects) -> tuple["Washer", Values]:
        after = self._moved(moment, effects)
        name = "idle" if after.phase is None else PROGRAMME[after.phase][0]
        rng = moment.rng
        values: Values = {
            "phase": name,
            "water_level": round(max(0.0, after.water_cm + rng.gauss(0, 0.05)), 2),
            "drum_temp": round((40 if name == "wash" else 21) + rng.gauss(0, 0.3), 2),
            "drain_seconds": round(after.elapsed_s) if name == "drain" else 0,
            "vibration": round(abs({"idle": 0.05, "spin": 6.0}.get(name, 1.2) + rng.gauss(0, 0.05)), 3),
            "power": round(max(0.0, _WASHER_WATTS[name] + rng.gauss(0, 2)), 1),
        }
        return after, values

    def _moved(self, moment: Moment, effects: Effects) -> "Washer":
        """The machine `dt_s` later. A look every few seconds or every few minutes gives the same wash."""
        if self.phase is None:
            return replace(self, phase=0, elapsed_s=0.0) if self._starts(moment) else self
        machine, left = self, moment.dt_s
        while left > 0 and machine.phase is not None:
            machine, left = _advance(machine, machine.phase, left, blocked=effects.drain_blocked)
        return machine

    def _starts(self, moment: Moment) -> bool:
        since_midnight = moment.at.hour * 3600 + moment.at.minute * 60 + moment.at.second
        return any(0 <= since_midnight - (hour * 3600 + minute * 60) < moment.dt_s for hour, minute in self.cycles)


Model = HeatPump | WaterPump | Washer


def new_model(name: str, *, cycles: Sequence[tuple[int, int]] = ()) -> Model:
    """A product fresh from the factory; `cycles` are a washer's daily starts as (hour, minute), UTC."""
    makers: Mapping[str, Callable[[], Model]] = {
        "heatpump": HeatPump,
        "waterpump": WaterPump,
        "washer": lambda: Washer(tuple(cycles)) if cycles else Washer(),
    }
    if name not in makers:
        raise ValueError(f"no model {name!r}; there are {', '.join(makers)}")
    return makers[name]()


_WASHER_WATTS = {"idle": 2, "fill": 15, "wash": 1400, "drain": 40, "rinse": 180, "spin": 520}


def _advance(machine: Washer, phase: int, left: float, *, blocked: bool) -> tuple[Washer, float]:
    """Spend up to `left` seconds in `phase`; returns the machine and the seconds that remain."""
    name, lasts = PROGRAMME[phase]
    if name == "drain":
        lasts = math.inf if blocked else machine.elapsed_s + machine.water_cm / DRAIN_CM_PER_S
    spent = min(left, lasts - machine.elapsed_s)
    elapsed, water = machine.elapsed_s + spent, machine.water_cm
    if name in {"fill", "rinse"}:
        water = min(FULL_CM, water + FULL_CM * spent / 360)
    elif name == "drain" and not blocked:
        water = max(0.0, water - DRAIN_CM_PER_S * spent)
    if elapsed < lasts:
        return replace(machine, elapsed_s=elapsed, water_cm=water), left - spent
    following = phase + 1 if phase + 1 < len(PROGRAMME) else None
    return replace(machine, phase=following, elapsed_s=0.0, water_cm=water), left - spent


def _chattering(moment: Moment) -> float:
    """Above 80 at one minute and below at the next, never near it."""
    side = 1 if int(moment.at.timestamp() // 60) % 2 else -1
    return 80 + side * moment.rng.uniform(7, 10)


def _outdoor(hour: float) -> float:
    return 6 + 4 * math.sin(2 * math.pi * (hour - 9) / 24)


def _heating_demand(hour: float) -> float:
    """0 … 1: the colder the more, with a morning and an evening peak."""
    cold = (15 - _outdoor(hour)) / 20
    return min(1.0, max(0.0, 0.6 * cold + 0.3 * _bump(hour, 7, 1.5) + 0.3 * _bump(hour, 19, 2)))


def _bump(hour: float, peak: float, width: float) -> float:
    return math.exp(-(((hour - peak) / width) ** 2))


def _approach(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """First-order lag: after `tau_s` seconds 63 % of the way is done."""
    return target + (value - target) * math.exp(-dt_s / tau_s)
