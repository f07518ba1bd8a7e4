"""Devices obey commands once, fall silent, get mended, and speak at their own second."""

import json
from datetime import timedelta

from devices_sim.faults import Fault, FaultKind, Restart
from devices_sim.fleet import Device, first_sample, parse_command, telemetry
from devices_sim.products import HeatPump
from tests.unit.devices_sim.sim_fakes import START

MINUTE = timedelta(minutes=1)


def heat_pump(*faults: Fault) -> Device:
    return Device("hp-1", HeatPump(), faults=faults)


def temps(device: Device, *, minutes: range) -> list[float]:
    samples = [device.sample(START + minute * MINUTE, dt=MINUTE) for minute in minutes]
    return [float(values["compressor_temp"]) for values in samples if values is not None]


def test_a_restart_gives_short_relief_and_does_not_cure() -> None:
    device = heat_pump(Fault(FaultKind.OVERHEAT, START, restart=Restart.RELIEVES))
    before = temps(device, minutes=range(60))[-1]
    assert device.obey({"id": "c1", "name": "restart"}, at=START + 60 * MINUTE) == (
        "c1",
        {"status": "done", "detail": "restarted"},
    )
    relieved = temps(device, minutes=range(60, 66))[-1]
    after = temps(device, minutes=range(66, 100))[-1]
    assert 92 < relieved < before - 3
    assert after > before - 1.5


def test_a_repeated_command_is_answered_and_not_executed_again() -> None:
    device = heat_pump(Fault(FaultKind.OVERHEAT, START, restart=Restart.RELIEVES))
    first = device.obey({"id": "c1", "name": "restart"}, at=START + 60 * MINUTE)
    again = device.obey({"id": "c1", "name": "restart"}, at=START + 90 * MINUTE)
    assert first == again
    assert device.effects(START + 91 * MINUTE).overheat == 1


def test_an_unknown_command_fails_and_one_without_an_id_is_left_alone() -> None:
    device = heat_pump()
    answer = device.obey({"id": "c1", "name": "fly"}, at=START)
    assert answer is not None
    assert answer[1]["status"] == "failed"
    assert device.obey({"name": "restart"}, at=START) is None


def test_a_silent_device_measures_nothing_and_comes_back() -> None:
    device = heat_pump(Fault(FaultKind.SILENCE, START + 5 * MINUTE, START + 10 * MINUTE))
    heard = [device.sample(START + minute * MINUTE, dt=MINUTE) is not None for minute in range(15)]
    assert heard == [True] * 5 + [False] * 5 + [True] * 5


def test_a_repair_makes_telemetry_normal() -> None:
    device = heat_pump(Fault(FaultKind.OVERHEAT, START))
    assert temps(device, minutes=range(60))[-1] > 98
    device.repair(START + 60 * MINUTE)
    assert temps(device, minutes=range(60, 100))[-1] < 80


def test_devices_speak_at_their_own_second_on_a_fixed_grid() -> None:
    names = [f"d-{number}" for number in range(50)]
    firsts = {name: first_sample(name, after=START, every=MINUTE) for name in names}
    assert all(timedelta() <= at - START < MINUTE for at in firsts.values())
    assert len(set(firsts.values())) > 20
    later = first_sample("d-1", after=START + timedelta(minutes=7, seconds=13), every=MINUTE)
    assert (later - firsts["d-1"]) % MINUTE == timedelta()


def test_telemetry_carries_its_stamp() -> None:
    payload = json.loads(telemetry(START, {"power": 1.5, "running": True}))
    assert payload == {"ts": int(START.timestamp() * 1000), "power": 1.5, "running": True}


def test_what_is_no_command_is_none() -> None:
    assert parse_command(b"{nonsense") is None
    assert parse_command(b"[1]") is None
    assert parse_command(b'{"id": "1"}') == {"id": "1"}
