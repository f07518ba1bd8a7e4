"""Models: repeatable, sane when healthy, and visibly ill when broken."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from devices_sim.faults import Effects
from devices_sim.products import FULL_CM, Model, Moment, Values, Washer, new_model, noise
from tests.unit.devices_sim.sim_fakes import START

MINUTE = timedelta(minutes=1)


def live(
    model: Model,
    *,
    minutes: int = 600,
    effects: Callable[[int], Effects] = lambda _minute: Effects(),
    start: datetime = START,
    step_s: int = 60,
    seed: int = 1,
) -> list[Values]:
    """What the product measures, sample by sample."""
    seen = []
    for tick in range(minutes * 60 // step_s):
        at = start + timedelta(seconds=tick * step_s)
        model, values = model.step(Moment(at, step_s, noise(seed, "d", at)), effects(tick * step_s // 60))
        seen.append(values)
    return seen


def numbers(samples: list[Values], metric: str) -> list[float]:
    return [float(values[metric]) for values in samples]


@pytest.mark.parametrize("name", ["heatpump", "waterpump", "washer"])
def test_a_model_is_repeatable_per_seed(name: str) -> None:
    first, again, other = (live(new_model(name), minutes=60, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_healthy_day_stays_clear_of_every_limit() -> None:
    day = 24 * 60
    pump, water, washer = (live(new_model(name), minutes=day) for name in ("heatpump", "waterpump", "washer"))
    assert max(numbers(pump, "compressor_temp")) < 80
    assert min(numbers(pump, "pressure")) > 1.52
    assert max(numbers(water, "motor_temp")) < 65
    assert min(numbers(water, "pressure")) > 2.75
    assert max(numbers(washer, "drain_seconds")) <= 120


def test_heating_follows_the_day() -> None:
    day = live(new_model("heatpump"), minutes=24 * 60, start=START.replace(hour=0))
    hourly = [sum(numbers(day, "power")[hour * 60 : hour * 60 + 60]) / 60 for hour in range(24)]
    assert hourly[7] > hourly[14] + 0.5


def test_overheating_is_far_above_the_limit_and_cools_after_repair() -> None:
    samples = live(
        new_model("heatpump"), minutes=200, effects=lambda m: Effects(overheat=1.0 if 20 <= m < 100 else 0.0)
    )
    temps = numbers(samples, "compressor_temp")
    assert max(temps[:20]) < 80
    assert min(temps[40:100]) > 98
    assert max(temps[120:]) < 80


def test_partial_relief_stays_above_the_limit() -> None:
    samples = live(new_model("heatpump"), minutes=120, effects=lambda m: Effects(overheat=0.8 if 60 <= m < 66 else 1.0))
    temps = numbers(samples, "compressor_temp")
    assert min(temps[60:70]) < temps[59] - 2
    assert min(temps[60:]) > 92


def test_a_leak_drops_the_pressure_steadily() -> None:
    samples = live(new_model("heatpump"), minutes=120, effects=lambda m: Effects(leaking_hours=m / 60))
    pressures = numbers(samples, "pressure")
    assert pressures[60] < pressures[0] - 0.2
    assert pressures[119] < pressures[60] - 0.2


def test_a_blocked_drain_keeps_its_water_until_it_is_cleared() -> None:
    washer = new_model("washer", cycles=[(8, 15)])
    samples = live(washer, minutes=200, effects=lambda m: Effects(drain_blocked=m < 120))
    assert samples[119]["phase"] == "drain"
    assert numbers(samples, "drain_seconds")[119] > 3000
    assert numbers(samples, "water_level")[119] > FULL_CM - 0.5
    assert numbers(samples, "drain_seconds")[125] < 120
    assert samples[199]["phase"] == "idle"


def test_a_wash_goes_through_its_programme() -> None:
    phases = [str(values["phase"]) for values in live(new_model("washer", cycles=[(8, 15)]), minutes=120)]
    order = [phases[0], *(after for before, after in pairwise(phases) if after != before)]
    assert order[:3] == ["idle", "fill", "wash"]
    assert order[-2:] == ["spin", "idle"]
    assert phases.index("fill") == 15


def test_a_wash_takes_as_long_however_often_one_looks() -> None:
    ends = []
    for step_s in (5, 30, 60):
        samples = live(new_model("washer", cycles=[(8, 15)]), minutes=120, step_s=step_s)
        busy = [index for index, values in enumerate(samples) if values["phase"] != "idle"]
        ends.append(busy[-1] * step_s / 60)
    assert max(ends) - min(ends) <= 2


def test_a_washer_holds_no_water_when_idle() -> None:
    model: Model = Washer(((8, 15),))
    for tick in range(150):
        at = START + tick * MINUTE
        model, _ = model.step(Moment(at, 60, noise(1, "w", at)), Effects())
    assert isinstance(model, Washer)
    assert (model.phase, round(model.water_cm, 3)) == (None, 0)


def test_a_chattering_sensor_crosses_the_limit_at_every_sample() -> None:
    hot = [
        temp > 80
        for temp in numbers(
            live(new_model("waterpump"), minutes=60, effects=lambda _m: Effects(chatter=True)), "motor_temp"
        )
    ]
    assert all(before != after for before, after in pairwise(hot))


def test_an_unknown_model_names_the_known() -> None:
    with pytest.raises(ValueError, match="heatpump, waterpump, washer"):
        new_model("toaster")
