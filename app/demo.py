"""`prevenant demo`: a working day of a small fleet, told in the terminal as it happens, on the real parts."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import yaml
from rich.console import Console

from app.narration import Narrator
from app.settings import NO_ENV_FILE, Settings, admin_token
from app.supervisor import die_with_parent
from app.surface import Surface, Unreachable
from domain.clock import SimulatedClock, parse_clock
from domain.errors import ConfigError, PrevenantError

READY_TIMEOUT_S = 60.0
START_UP = timedelta(seconds=12)
"""The day begins when the service is likely to be up."""
HOME_FLEET = Path("examples/home_fleet")


class DemoFailed(PrevenantError):
    """The story did not come to its end in time."""


def run_demo(settings: Settings, *, once: bool, as_json: bool) -> int:
    """Run it. With `once`, end when the story is complete; with `as_json`, print one object and nothing else."""
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    fleet = _fleet_folder()
    scenario = yaml.safe_load((fleet / "scenario.yaml").read_text())
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    with tempfile.TemporaryDirectory(prefix="prevenant-demo-") as folder:
        environment = _environment(settings, Path(folder), scenario["clock"])
        with _processes(environment, fleet, Path(folder)) as surface:
            narrator = Narrator(console, surface)
            narrator.greet(environment)
            try:
                finished = _follow(
                    narrator, surface, scenario, deadline=began + settings.demo_limit_s if once else None
                )
            except KeyboardInterrupt:
                if once:
                    raise
                console.print("\nstopping …", style="dim")
                return 0
            found = collect(surface) if once else {}
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))  # noqa: T201
    if once and not finished:
        raise DemoFailed(f"the story was not complete after {settings.demo_limit_s:.0f} s")
    return 0


def collect(surface: Surface) -> dict[str, Any]:
    """Everything that happened, through the public REST surface."""
    tickets = [surface.get(f"/v1/tickets/{row['id']}") for row in surface.items("/v1/tickets")]
    timeline = sorted(
        ({"ticket_id": ticket["id"], **entry} for ticket in tickets for entry in ticket["timeline"]),
        key=lambda entry: str(entry["at"]),
    )
    devices = sorted({str(ticket["device_id"]) for ticket in tickets})
    return {
        "faults": surface.items("/v1/faults"),
        "tickets": tickets,
        "messages": surface.items("/v1/messages"),
        "commands": [row for device in devices for row in surface.items(f"/v1/devices/{device}/commands")],
        "visits": surface.items("/v1/visits"),
        "kpis": surface.get("/v1/kpis")["items"],
        "timeline": timeline,
    }


def complete(tickets: list[Mapping[str, Any]]) -> bool:
    """Whether every ticket is over and one tells the whole chain."""
    return bool(tickets) and all(t["state"] in {"closed", "cancelled"} for t in tickets) and any(map(_chain, tickets))


def _chain(ticket: Mapping[str, Any]) -> bool:
    kinds = {entry["kind"] for entry in ticket.get("timeline", ())}
    wanted = {"fault_fired", "command_done", "message_accepted", "reply", "visit_accepted", "ticket_closed"}
    return wanted <= kinds and ticket.get("closed_by") == "telemetry"


def _follow(narrator: Narrator, surface: Surface, scenario: Mapping[str, Any], *, deadline: float | None) -> bool:
    """Tell what happens. True when the story is complete, False when time is up."""
    began = time.monotonic()
    shortest_s = _story_seconds(scenario) * 0.6
    while deadline is None or time.monotonic() < deadline:
        narrator.tell()
        if deadline is not None and time.monotonic() - began > shortest_s:
            try:
                tickets = [surface.get(f"/v1/tickets/{row['id']}") for row in surface.items("/v1/tickets")]
            except Unreachable:
                continue
            if complete(tickets):
                narrator.tell()
                narrator.sum_up()
                return True
        time.sleep(0.3)
    return False


def _story_seconds(scenario: Mapping[str, Any]) -> float:
    """Real seconds until the last fault of the scenario has begun, at least."""
    return 40.0 if scenario.get("faults") else 0.0


def _fleet_folder() -> Path:
    for root in (Path.cwd(), Path(__file__).resolve().parent.parent):
        if (root / HOME_FLEET / "scenario.yaml").exists():
            return root / HOME_FLEET
    raise ConfigError(f"{HOME_FLEET} is not here; run the demo from the project's folder")


def _environment(settings: Settings, folder: Path, clock: str) -> dict[str, str]:
    """Settings of the demo's own service: its own data, ports that are free, one simulated clock."""
    simulated = parse_clock(settings.clock or clock, origin=datetime.now(UTC) + START_UP)
    spec = simulated.spec() if isinstance(simulated, SimulatedClock) else ""
    own = settings.model_copy(update={"data_dir": folder / "data"})
    token, _ = admin_token(own)
    ports = {
        f"PREVENANT_{name.upper()}": str(_free(settings.http_host, getattr(settings, name)))
        for name in ("http_port", "mqtt_port", "nats_port")
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREVENANT_")},
        **ports,
        NO_ENV_FILE: "1",
        "PREVENANT_HTTP_HOST": settings.http_host,
        "PREVENANT_DATA_DIR": str(folder / "data"),
        "PREVENANT_ADMIN_TOKEN": token,
        "PREVENANT_CLOCK": spec,
        "PREVENANT_LOG_LEVEL": "warning",
    }


def _free(host: str, port: int) -> int:
    """The port, or any free one when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _processes(environment: Mapping[str, str], fleet: Path, folder: Path) -> Iterator[Surface]:
    """The service with the fleet's manifests applied, and the simulator beside it."""
    url = f"http://{environment['PREVENANT_HTTP_HOST']}:{environment['PREVENANT_HTTP_PORT']}"
    surface = Surface(url, token=environment["PREVENANT_ADMIN_TOKEN"])
    with (folder / "demo.log").open("wb") as log:
        serve = _spawn(["-m", "app", "serve"], environment, log)
        simulator = None
        try:
            _wait_ready(serve, folder)
            _apply(fleet, environment)
            simulator = _spawn(
                [
                    "-m",
                    "devices_sim",
                    "--scenario",
                    str(fleet / "scenario.yaml"),
                    "--api",
                    url,
                    "--mqtt",
                    f"mqtt://127.0.0.1:{environment['PREVENANT_MQTT_PORT']}",
                ],
                environment,
                log,
            )
            yield surface
        finally:
            for process in (simulator, serve):
                if process is not None:
                    process.terminate()
                    process.wait(timeout=30)


def _apply(fleet: Path, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "app", "apply", str(fleet)]
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, timeout=READY_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise DemoFailed(f"the fleet's manifests were refused: {done.stderr.strip()}")


def _spawn(arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread here
    )


def _wait_ready(serve: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    log = folder / "demo.log"
    while time.monotonic() < deadline:
        if any(line.startswith("ready http") for line in log.read_text().splitlines()):
            return
        if serve.poll() is not None:
            raise DemoFailed(f"the service did not start: {log.read_text().strip()[-2000:]}")
        time.sleep(0.1)
    raise DemoFailed(f"the service was not ready after {READY_TIMEOUT_S:.0f} s: {log.read_text().strip()[-2000:]}")
