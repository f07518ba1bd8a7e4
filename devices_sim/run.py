"""The simulator as a whole: the fleet's connections, its clockwork, and the people, in one process."""

import heapq
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paho.mqtt.client import Client

from devices_sim.clock import StoryClock, read_clock
from devices_sim.fleet import Device, build_fleet, first_sample, parse_command, telemetry
from devices_sim.people import People
from devices_sim.rest import Api
from devices_sim.scenario import Scenario, read_scenario, span, story_start
from devices_sim.uplink import Broker, Message, Uplink

log = logging.getLogger(__name__)

OWN_CONNECTIONS = 50
"""Up to so many devices have a connection, and so a last will, each; more share one."""
LONGEST_WAIT_S = 0.1
GOODBYE_S = 3.0
"""So long, all in all, is a broker waited for that does not answer goodbyes."""


@dataclass(slots=True)
class Line:
    """A connection and the devices that use it. `out` is true while its only device lies silent."""

    uplink: Uplink
    devices: tuple[str, ...]
    out: bool = False


class Simulator:
    """Publishes a scenario's telemetry and plays its people. `run` blocks; `start`, `step` and `stop` are its parts."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        mqtt_url: str,
        clock: StoryClock,
        api_url: str | None = None,
        token: str = "",
        new_client: Callable[..., Client] | None = None,
    ) -> None:
        """Without `api_url` nobody answers and nobody comes. `new_client` stands in for paho in tests."""
        self._scenario, self._clock = scenario, clock
        self._broker = Broker.parse(mqtt_url)
        self._new_client = new_client or self._broker.client
        self._api = Api(api_url, token=token) if api_url else None
        self._every = span(scenario.every)
        self.start_at = story_start(scenario, now=clock.now())
        self.fleet: dict[str, Device] = build_fleet(scenario, start=self.start_at)
        self._due = [
            (first_sample(device, after=clock.now(), every=self._every), device) for device in sorted(self.fleet)
        ]
        heapq.heapify(self._due)
        self._lines = self._build_lines()
        self._line_of = {device: line for line in self._lines for device in line.devices}
        self._people_stop = threading.Event()
        self._people: threading.Thread | None = None

    @property
    def backlog(self) -> int:
        """Messages not acknowledged by the broker yet."""
        return sum(line.uplink.backlog for line in self._lines)

    def run(self, stop: threading.Event) -> None:
        """Live through the story until `stop`."""
        self.start()
        try:
            while not stop.wait(self.step()):
                pass
        finally:
            self.stop()

    def start(self) -> None:
        """Connect the fleet and wake the people."""
        for line in self._lines:
            line.uplink.start()
        if self._api is not None:
            people = People(self._scenario, api=self._api, clock=self._clock, repair=self._repair)
            self._people = threading.Thread(target=people.run, args=(self._people_stop,), name="people", daemon=True)
            self._people.start()
        log.info("scenario=%s devices=%d", self._scenario.name, len(self.fleet))

    def step(self) -> float:
        """Publish every sample whose time has come; returns the real seconds until it is worth coming back."""
        now = self._clock.now()
        while self._due[0][0] <= now:
            at, device_id = self._due[0]
            self._measure(device_id, at)
            heapq.heapreplace(self._due, (at + self._every, device_id))
        for line in self._lines:
            line.uplink.flush()
        return min(LONGEST_WAIT_S, self._clock.real_seconds_until(self._due[0][0]))

    def stop(self) -> None:
        """Say goodbye, and wait for the people to finish their sentence."""
        self._people_stop.set()
        deadline = time.monotonic() + GOODBYE_S
        for line in self._lines:
            farewell = _status(line.devices[0], "offline") if len(line.devices) == 1 else None
            line.uplink.leave(farewell=farewell, timeout_s=max(0.05, deadline - time.monotonic()))
        for line in self._lines:
            line.uplink.join(timeout_s=max(0.05, deadline - time.monotonic()))
        if self._people is not None:
            self._people.join(timeout=10)

    def _measure(self, device_id: str, at: datetime) -> None:
        line = self._line_of[device_id]
        values = self.fleet[device_id].sample(at, dt=self._every)
        if len(line.devices) == 1 and (values is None) != line.out:
            line.out = values is None
            (line.uplink.drop if line.out else line.uplink.start)()
        if values is not None:
            line.uplink.publish(f"devices/{device_id}/telemetry", telemetry(at, values))

    def _repair(self, device_id: str, at: datetime) -> None:
        if device_id in self.fleet:
            log.info("device_id=%s repaired", device_id)
            self.fleet[device_id].repair(at)

    def _answer(self, topic: str, payload: bytes) -> Message | None:
        device, command = self.fleet.get(topic.split("/")[1]), parse_command(payload)
        done = None if device is None or command is None else device.obey(command, at=self._clock.now())
        if done is None:
            return None
        command_id, answer = done
        return f"{topic}/{command_id}", _json(answer), False

    def _build_lines(self) -> list[Line]:
        devices = sorted(self.fleet)
        groups = [(device,) for device in devices] if len(devices) <= OWN_CONNECTIONS else [tuple(devices)]
        return [Line(self._connect(group), group) for group in groups]

    def _connect(self, devices: tuple[str, ...]) -> Uplink:
        alone = len(devices) == 1
        name = devices[0] if alone else f"fleet-{self._scenario.name}"

        def new_client() -> Client:
            client = self._new_client(f"sim-{name}", clean_session=False)
            if alone:
                topic, payload, retain = _status(devices[0], "offline")
                client.will_set(topic, payload, qos=1, retain=retain)
            return client

        uplink = Uplink(
            new_client,
            self._broker,
            subscriptions=[f"devices/{device}/commands" for device in devices],
            greetings=[_status(device, "online") for device in devices],
            on_message=self._answer,
        )
        for device in devices:
            plan = self._scenario.devices[device]
            uplink.publish(f"devices/{device}/attributes", _json({"firmware": plan.firmware}))
        return uplink


def simulate(
    scenario_path: Path, *, mqtt_url: str, stop: threading.Event, api_url: str | None, token: str, clock_spec: str
) -> None:
    """Run the scenario in a file until `stop`. Raises ValueError for a file, address or clock that is wrong."""
    scenario = read_scenario(scenario_path)
    Simulator(scenario, mqtt_url=mqtt_url, clock=read_clock(clock_spec), api_url=api_url, token=token).run(stop)


def _status(device_id: str, status: str) -> Message:
    return f"devices/{device_id}/status", status.encode(), True


def _json(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields).encode()
