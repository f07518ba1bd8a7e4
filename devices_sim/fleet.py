"""The fleet: devices that measure, break, obey commands and get mended, and what they say over MQTT."""

import hashlib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from devices_sim.faults import Effects, Fault, effects_of
from devices_sim.products import Model, Moment, Values, new_model, noise
from devices_sim.scenario import Scenario, daily_starts, span

log = logging.getLogger(__name__)

REMEMBERED_COMMANDS = 1000
COMMANDS = {"restart"}
"""What the products can do."""


class Device:
    """One product. Safe to use from several threads: telemetry, commands and people meet here."""

    def __init__(self, device_id: str, model: Model, *, seed: int = 1, faults: Iterable[Fault] = ()) -> None:
        self.id = device_id
        self._model, self._seed, self._faults = model, seed, list(faults)
        self._answers: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def sample(self, at: datetime, *, dt: timedelta) -> Values | None:
        """What it measures at `at`; None while it is silent."""
        with self._lock:
            effects = effects_of(self._faults, at)
            if effects.silent:
                return None
            moment = Moment(at, dt.total_seconds(), noise(self._seed, self.id, at))
            self._model, values = self._model.step(moment, effects)
            return values

    def effects(self, at: datetime) -> Effects:
        """What its faults do to it at `at`."""
        with self._lock:
            return effects_of(self._faults, at)

    def obey(self, command: Mapping[str, Any], *, at: datetime) -> tuple[str, dict[str, str]] | None:
        """Execute a command and answer (id, answer); one that came before is answered again, not executed.

        None for what carries no id: there is nowhere to answer.
        """
        command_id, name = command.get("id"), command.get("name")
        if not isinstance(command_id, str) or not command_id:
            return None
        with self._lock:
            if command_id not in self._answers:
                self._answers[command_id] = self._execute(name, at)
                while len(self._answers) > REMEMBERED_COMMANDS:
                    self._answers.popitem(last=False)
            return command_id, self._answers[command_id]

    def repair(self, at: datetime) -> None:
        """Somebody mended whatever was broken at `at`."""
        with self._lock:
            self._faults = [fault.repaired(at) for fault in self._faults]

    def _execute(self, name: object, at: datetime) -> dict[str, str]:
        if name not in COMMANDS:
            return {"status": "failed", "detail": f"no command {name!r}"}
        self._faults = [fault.restarted(at) for fault in self._faults]
        log.info("device_id=%s command=%s done", self.id, name)
        return {"status": "done", "detail": "restarted"}


def build_fleet(scenario: Scenario, *, start: datetime) -> dict[str, Device]:
    """The scenario's devices by id, with the faults that await them after `start`."""
    return {
        device_id: Device(
            device_id,
            new_model(plan.model, cycles=daily_starts(plan.cycles, start=start)),
            seed=scenario.seed,
            faults=planned_faults(scenario, device_id, start=start),
        )
        for device_id, plan in scenario.devices.items()
    }


def planned_faults(scenario: Scenario, device_id: str, *, start: datetime) -> list[Fault]:
    """The faults that the story holds for one device, in absolute time."""
    faults = []
    for plan in scenario.faults:
        if plan.device == device_id:
            fault = Fault(plan.kind, start + span(plan.at), restart=plan.restart)
            faults.append(replace(fault, ends=fault.begins + span(plan.lasts)) if plan.lasts else fault)
    return faults


def first_sample(device_id: str, *, after: datetime, every: timedelta) -> datetime:
    """The first moment at or after `after` on the device's own grid: devices do not all speak at the same second."""
    period = every.total_seconds()
    phase = int.from_bytes(hashlib.blake2b(device_id.encode(), digest_size=4).digest(), "big") % max(1, int(period))
    behind = (after.timestamp() - phase) % period
    return after if behind == 0 else after + timedelta(seconds=period - behind)


def telemetry(at: datetime, values: Values) -> bytes:
    """The payload of one sample."""
    return json.dumps({"ts": round(at.timestamp() * 1000), **values}, separators=(",", ":")).encode()


def parse_command(payload: bytes) -> dict[str, Any] | None:
    """The command in a payload; None for what is none."""
    try:
        command = json.loads(payload)
    except ValueError:
        return None
    return command if isinstance(command, dict) else None
