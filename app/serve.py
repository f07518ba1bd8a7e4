"""`prevenant serve`: the embedded services and one process per role, on one machine, without set-up."""

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import structlog

from app.installation import Installation, prepare
from app.reports import read_folder
from app.settings import ROLES, Settings
from app.supervisor import Child, Supervisor
from domain.errors import ConfigError
from store.nats_server import NatsServer

READY_TIMEOUT_S = 120.0

log = structlog.get_logger()


def serve(settings: Settings, *, say: Callable[[str], None]) -> int:
    """Run until Ctrl-C or SIGTERM. `say` gets the lines meant for a person. Returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _only_one(settings.data_dir):
        check_port(settings)
        installation = prepare(settings)
        nats = NatsServer(
            settings.data_dir / "nats",
            nats_port=settings.nats_port,
            mqtt_host=settings.mqtt_host,
            mqtt_port=settings.mqtt_port if not settings.mqtt_url else None,
            sync_always=settings.nats_sync_always,
        )
        supervisor = Supervisor(list(_children(settings, installation, nats)))
        try:
            if _start(supervisor, settings, nats, stop):
                _greet(settings, installation, say)
                supervisor.watch(stop)
        finally:
            say("stopping …")
            supervisor.stop()
            say("stopped")
    return 0


def _children(settings: Settings, installation: Installation, nats: NatsServer) -> Iterator[Child]:
    if settings.embedded:
        yield Child("nats", nats.command(), output=nats.log_file, server=True)
    environment = {
        "PREVENANT_CLOCK": installation.clock_spec,
        "PREVENANT_ADMIN_TOKEN": installation.admin_token,
        "PREVENANT_DATA_DIR": str(settings.data_dir.absolute()),
    }
    for role in ROLES:
        yield Child(role, [sys.executable, "-m", "app", "run", role], environment)


def _start(supervisor: Supervisor, settings: Settings, nats: NatsServer, stop: threading.Event) -> bool:
    """Start all and wait until every role is ready; False when asked to stop meanwhile."""
    for child in supervisor.children:
        child.start()
        if child.server:
            nats.wait_ready(timeout_s=READY_TIMEOUT_S)
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not stop.is_set():
        ready = {report.role for report in read_folder(settings.data_dir / "run") if report.ready and report.alive}
        if ready >= set(ROLES):
            return True
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(set(ROLES) - ready))
            raise ConfigError(f"not ready after {READY_TIMEOUT_S:.0f} s: {missing}; the log above says why")
        supervisor.look_after_all()
        stop.wait(0.05)
    return False


def _greet(settings: Settings, installation: Installation, say: Callable[[str], None]) -> None:
    address = f"http://{settings.http_host}:{settings.http_port}"
    say(f"ready {address}")
    if not installation.first_run:
        return
    say("")
    say(f"  Look      {address}/?token={installation.admin_token}")
    kept = "as set in PREVENANT_ADMIN_TOKEN" if settings.admin_token else f"printed once; kept in {settings.token_file}"
    say(f"  Token     {installation.admin_token}   ({kept})")
    say("  Try       prevenant apply examples/home_fleet     then open the page above")
    say(f'            mqtt://127.0.0.1:{settings.mqtt_port}, topic devices/DEVICE/telemetry, payload {{"temp": 21.5}}')
    say("  Stop      Ctrl-C")
    say("")


def check_port(settings: Settings) -> None:
    """Raise ConfigError with one clear line when the web's port is taken; the embedded server checks its own."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http_host, settings.http_port))
        except OSError as exc:
            raise ConfigError(
                f"port {settings.http_port} on {settings.http_host} is taken ({exc.strerror}); "
                "set PREVENANT_HTTP_PORT to a free one"
            ) from exc


@contextmanager
def _only_one(data_dir: Path) -> Iterator[IO[str]]:
    """Two services in one data directory would fight: the second one is told so."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "serve.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ConfigError(
                f"{data_dir} is in use by prevenant serve (pid {holder}); "
                "stop it, or set PREVENANT_DATA_DIR to another folder"
            ) from exc
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file
