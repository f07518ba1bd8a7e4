"""The simulator as a whole, with a fake broker and a clock that the test moves."""

import itertools
import json
from pathlib import Path
from typing import Any

from devices_sim.faults import FaultKind
from devices_sim.run import OWN_CONNECTIONS, Simulator
from devices_sim.scenario import DevicePlan, FaultPlan, Scenario
from tests.unit.devices_sim.sim_fakes import START, FakeClient, MovingClock


class World:
    """A simulator whose connections are fakes."""

    def __init__(self, *faults: FaultPlan, devices: int = 2) -> None:
        self.clients: dict[str, FakeClient] = {}
        self.clock = MovingClock()
        plans = {f"hp-{number}": DevicePlan("heatpump", firmware="1.4.2") for number in range(1, devices + 1)}
        scenario = Scenario("scenario", "test", plans, faults=faults)
        self.simulator = Simulator(
            scenario, mqtt_url="mqtt://127.0.0.1:1", clock=self.clock, new_client=self._new_client
        )
        self.simulator.start()

    def _new_client(self, client_id: str, *, clean_session: bool) -> FakeClient:
        assert not clean_session  # a command that comes while the device is away must wait for it
        return self.clients.setdefault(client_id, FakeClient(client_id, auto_ack=True))

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(minutes=1)
            self.simulator.step()

    def up(self) -> None:
        for client in self.clients.values():
            client.up()

    def telemetry(self, device: str = "hp-1", *, by: str | None = None) -> list[dict[str, Any]]:
        client = self.clients[by or f"sim-{device}"]
        return [json.loads(payload) for payload in client.payloads(f"devices/{device}/telemetry")]


def test_one_sample_per_device_and_minute_stamped_with_simulated_time() -> None:
    world = World()
    world.up()
    world.minutes(30)
    stamps = [sample["ts"] for sample in world.telemetry()]
    assert len(stamps) == 30
    assert {after - before for before, after in itertools.pairwise(stamps)} == {60_000}
    assert 0 <= stamps[0] - START.timestamp() * 1000 < 60_000


def test_a_clock_that_jumps_leaves_no_hole() -> None:
    world = World()
    world.up()
    world.clock.advance(minutes=25)
    world.simulator.step()
    assert len(world.telemetry()) == 25


def test_a_device_introduces_itself_and_leaves_a_will() -> None:
    world = World()
    world.up()
    world.minutes(1)
    client = world.clients["sim-hp-1"]
    assert ("devices/hp-1/status", b"online", True) in client.published
    assert client.payloads("attributes") == [b'{"firmware": "1.4.2"}']
    assert client.will == ("devices/hp-1/status", b"offline", True)
    assert client.subscribed == ["devices/hp-1/commands"]


def test_what_the_broker_missed_arrives_later_in_order() -> None:
    world = World()
    world.minutes(10)
    assert world.telemetry() == []
    world.up()
    world.minutes(1)
    stamps = [sample["ts"] for sample in world.telemetry()]
    assert len(stamps) == 11
    assert stamps == sorted(stamps)


def test_a_silent_device_vanishes_and_returns() -> None:
    world = World(FaultPlan("hp-1", FaultKind.SILENCE, "10m", lasts="20m"))
    world.up()
    world.minutes(9)
    client = world.clients["sim-hp-1"]
    assert client.looping
    world.minutes(10)
    assert not client.looping
    assert len(world.telemetry()) in {9, 10}
    world.minutes(20)
    client.up()
    world.minutes(1)
    assert client.looping
    assert len(world.telemetry()) == 20
    assert len(world.telemetry("hp-2")) == 40


def test_commands_are_answered_on_their_own_topic_once_executed() -> None:
    world = World()
    world.up()
    command = b'{"id": "c-9", "name": "restart", "args": {}}'
    client = world.clients["sim-hp-1"]
    client.receive("devices/hp-1/commands", command)
    client.receive("devices/hp-1/commands", command)
    client.receive("devices/hp-1/commands", b"nonsense")
    answers = [(topic, json.loads(payload)) for topic, payload, _ in client.published if "/commands/" in topic]
    assert answers == [("devices/hp-1/commands/c-9", {"status": "done", "detail": "restarted"})] * 2


def test_a_big_fleet_shares_one_connection() -> None:
    world = World(FaultPlan("hp-1", FaultKind.SILENCE, "0m"), devices=OWN_CONNECTIONS + 1)
    world.up()
    world.minutes(3)
    assert list(world.clients) == ["sim-fleet-test"]
    assert world.telemetry("hp-1", by="sim-fleet-test") == []
    assert len(world.telemetry("hp-2", by="sim-fleet-test")) == 3
    assert len(world.clients["sim-fleet-test"].subscribed) == OWN_CONNECTIONS + 1


def test_stop_says_goodbye() -> None:
    world = World()
    world.up()
    world.simulator.stop()
    for name, client in world.clients.items():
        device = name.removeprefix("sim-")
        assert client.published[-1] == (f"devices/{device}/status", b"offline", True)
        assert client.said_goodbye


def test_the_package_is_a_stranger_to_the_product() -> None:
    package = Path(__file__).parents[3] / "devices_sim"
    ours = ("domain", "store", "rules", "ingest", "tickets", "notify", "dispatch", "api", "app")
    for module in package.glob("*.py"):
        assert not any(f"\n{verb} {name}" in module.read_text() for verb in ("from", "import") for name in ours), module
