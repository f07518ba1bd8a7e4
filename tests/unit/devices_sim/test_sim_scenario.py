"""Stories are read whole, and a slip in one names the key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devices_sim.faults import FaultKind
from devices_sim.scenario import DevicePlan, Scenario, daily_starts, read_scenario, span, story_start

HOME_FLEET = Path(__file__).parents[3] / "examples/home_fleet/scenario.yaml"
STORY = """
kind: scenario
name: small
devices:
  hp-1: {model: heatpump}
faults:
  - {device: hp-1, kind: overheat, at: 5m}
"""


def test_the_home_fleet_breaks_in_every_way() -> None:
    scenario = read_scenario(HOME_FLEET)
    assert {fault.kind for fault in scenario.faults} == set(FaultKind)
    assert len(scenario.devices) == 12


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("overheat", "overheet", "faults"),
        ("at: 5m", "at: 5", "faults"),
        ("at: 5m", "begins: 5m", "begins"),
        ("heatpump", "toaster", "devices"),
        ("device: hp-1", "device: hp-2", "hp-2"),
        ("name: small", "name: small\nevery: 0s", "every"),
        ("kind: scenario", "kind: story", "kind"),
        ("name: small", "name: small\nclock: noon", "clock"),
        (
            "devices:\n  hp-1: {model: heatpump}\nfaults:\n  - {device: hp-1, kind: overheat, at: 5m}",
            "devices: {}",
            "devices",
        ),
    ],
)
def test_a_slip_names_its_place(tmp_path: Path, old: str, new: str, place: str) -> None:
    file = tmp_path / "story.yaml"
    file.write_text(STORY.replace(old, new))
    with pytest.raises(ValueError, match=place) as caught:
        read_scenario(file)
    assert str(file) in str(caught.value)


def test_the_unspoilt_story_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "story.yaml"
    file.write_text(STORY)
    assert read_scenario(file).faults[0].at == "5m"


def test_spans() -> None:
    assert span("1h30m") == timedelta(minutes=90)
    assert span("2d5s") == timedelta(days=2, seconds=5)


def test_washes_are_planned_by_the_clock_or_after_the_start() -> None:
    start = datetime(2026, 3, 2, 10, 52, tzinfo=UTC)
    assert daily_starts(("+15m", "18:30"), start=start) == [(11, 7), (18, 30)]


@pytest.mark.parametrize(("now", "begins"), [("07:20", "08:00"), ("08:35", "08:35"), ("01:00", "01:00")])
def test_a_story_begins_at_its_hour_or_as_soon_as_it_can(now: str, begins: str) -> None:
    scenario = Scenario("scenario", "s", {"hp-1": DevicePlan("heatpump")}, clock="2026-03-02T08:00:00Z*300")
    moments = [datetime.fromisoformat(f"2026-03-02T{text}:00+00:00") for text in (now, begins)]
    assert story_start(scenario, now=moments[0]) == moments[1]
