"""The home fleet seen by its own rules: each planned fault fires once, nothing else does, and mending shows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices_sim.fleet import build_fleet, first_sample
from devices_sim.scenario import Scenario, read_scenario, span
from domain.clock import to_ms
from domain.faults import Transition, TransitionState
from domain.telemetry import DeviceChanged, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.engine import new_state, observe
from tests.unit.devices_sim.sim_fakes import START

FOLDER = Path(__file__).parents[3] / "examples/home_fleet"
MINUTE = timedelta(minutes=1)
EXPECTED = {
    ("compressor-overheat", "hp-camille"),
    ("compressor-overheat", "hp-julien"),
    ("compressor-overheat", "hp-sophie"),
    ("pressure-drift", "hp-oliver"),
    ("gone-silent", "hp-margaux"),
    ("drain-blocked", "wm-aisha"),
    ("sensor-unsteady", "wp-nadia"),
}
Deeds = Mapping[str, tuple[int, str]]
"""What people or the playbook do to a device: the minute, and "restart" or "repair"."""


def manifests(kind: str) -> list[dict[str, Any]]:
    documents = (doc for file in FOLDER.glob("*.yaml") for doc in yaml.safe_load_all(file.read_text("utf-8")))
    return [doc for doc in documents if doc["kind"] == kind]


def declared(scenario: Scenario) -> list[LogEntry]:
    entries: list[LogEntry] = [
        DeviceChanged(doc["id"], doc["product"], doc["attributes"], to_ms(START)) for doc in manifests("device")
    ]
    assert {doc["id"] for doc in manifests("device")} == scenario.devices.keys()
    return entries + [RuleActivated(doc["name"], 1, doc["stage"], doc) for doc in manifests("rule")]


def lived(scenario: Scenario, deeds: Deeds, *, start: datetime) -> list[LogEntry]:
    """The log of the whole story: one uplink per sample, and as many ticks as a listener sends at that speed."""
    fleet = build_fleet(scenario, start=start)
    every = span(scenario.every)
    entries: list[LogEntry] = []
    for minute in range(span(scenario.lasts) // MINUTE):
        now = start + minute * MINUTE
        for device_id, (when, deed) in deeds.items():
            if when == minute and deed == "restart":
                fleet[device_id].obey({"id": f"c-{device_id}", "name": "restart"}, at=now)
            elif when == minute:
                fleet[device_id].repair(now)
        for device_id, device in fleet.items():
            at = first_sample(device_id, after=now, every=every)
            if (values := device.sample(at, dt=every)) is not None:
                entries.append(Uplink(device_id, to_ms(at), (Sample(to_ms(at), values),)))
        entries.append(Tick(to_ms(now + MINUTE), "l", covers_ms=60_000))
    return entries


def story(deeds: Deeds, *, start: datetime = START) -> list[Transition]:
    scenario = read_scenario(FOLDER / "scenario.yaml")
    _, transitions = observe(new_state(), [*declared(scenario), *lived(scenario, deeds, start=start)])
    return transitions


def minutes(transitions: list[Transition], state: TransitionState) -> dict[tuple[str, str], float]:
    return {(t.rule, t.device_id): (t.at - START) / MINUTE for t in transitions if t.state is state}


@pytest.fixture(scope="module")
def told() -> list[Transition]:
    """The story at its usual pace."""
    deeds = {
        "hp-camille": (150, "repair"),
        "hp-oliver": (200, "repair"),
        "hp-sophie": (86, "restart"),
        "wm-aisha": (85, "repair"),
    }
    return story(deeds)


def test_each_planned_fault_fires_once_and_nothing_else_does(told: list[Transition]) -> None:
    fired = [(t.rule, t.device_id) for t in told if t.state is TransitionState.FIRING]
    assert sorted(fired) == sorted(EXPECTED)


def test_every_fault_is_over_well_before_the_end(told: list[Transition]) -> None:
    resolved = minutes(told, TransitionState.RESOLVED)
    assert resolved.keys() == EXPECTED
    assert max(resolved.values()) < 300


def test_the_chattering_sensor_is_one_episode_that_outlasts_the_chatter(told: list[Transition]) -> None:
    key = ("sensor-unsteady", "wp-nadia")
    assert minutes(told, TransitionState.FIRING)[key] < 60
    assert minutes(told, TransitionState.RESOLVED)[key] > 150
    assert not any(t.state is TransitionState.FLAPPING for t in told)


def test_what_recovers_by_itself_does_so_long_before_anybody_would_be_asked(told: list[Transition]) -> None:
    key = ("compressor-overheat", "hp-julien")
    lasted = minutes(told, TransitionState.RESOLVED)[key] - minutes(told, TransitionState.FIRING)[key]
    assert lasted < 45 - 30


def test_the_leak_is_noticed_while_its_owner_sleeps(told: list[Transition]) -> None:
    ten_in_london = 2 * 60
    assert minutes(told, TransitionState.FIRING)[("pressure-drift", "hp-oliver")] < ten_in_london - 40


def test_the_cured_device_is_healthy_long_before_anybody_would_be_asked(told: list[Transition]) -> None:
    key = ("compressor-overheat", "hp-sophie")
    took = minutes(told, TransitionState.RESOLVED)[key] - 86
    assert took < 45 - 30


def test_slow_people_and_restarted_roles_change_no_fault() -> None:
    """Half an hour and more later, at each hand: the same episodes."""
    deeds = {
        "hp-camille": (230, "repair"),
        "hp-oliver": (270, "repair"),
        "hp-sophie": (110, "restart"),
        "wm-aisha": (130, "repair"),
    }
    transitions = story(deeds, start=START - timedelta(minutes=11))
    assert sorted((t.rule, t.device_id) for t in transitions if t.state is TransitionState.FIRING) == sorted(EXPECTED)
    assert minutes(transitions, TransitionState.RESOLVED).keys() == EXPECTED


def test_a_restart_that_only_relieves_does_not_end_the_fault() -> None:
    transitions = story({"hp-camille": (40, "restart")})
    mine = [t for t in transitions if t.device_id == "hp-camille"]
    assert [t.state for t in mine] == [TransitionState.FIRING]
