"""A real `prevenant serve` in a folder of its own, as a test sees it from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.real import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 120.0
T = TypeVar("T")


class Service:
    """One running service. Every wait is bounded."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, dict(environment)
        self.url = f"http://127.0.0.1:{environment['PREVENANT_HTTP_PORT']}"
        self.log = folder / "serve.log"
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {environment['PREVENANT_ADMIN_TOKEN']}"}, timeout=15
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def mqtt_port(self) -> int:
        return int(self.environment["PREVENANT_MQTT_PORT"])

    @property
    def database_file(self) -> Path:
        return self.folder / "data" / "prevenant.db"

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.wait(lambda: f"ready {self.url}" in self.log.read_text(), seconds=READY_S, what="the ready line")

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=40)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command against it."""
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def status(self) -> dict[str, Any]:
        """What `prevenant status --json` says."""
        found: dict[str, Any] = json.loads(self.cli("status", "--json", check=False).stdout)
        return found

    def pid(self, role: str) -> int:
        """The process id of a role that is alive and ready."""
        for row in self.status()["roles"]:
            if row["role"] == role and row["alive"] and row["ready"]:
                return int(row["pid"])
        raise AssertionError(f"{role} does not run")

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = self.http.get(path, params={**query, "limit": 200, **({"cursor": cursor} if cursor else {})})
            answer.raise_for_status()
            found += answer.json()["items"]
            cursor = answer.json()["next"]
        return found

    def wait(self, look: Callable[[], T], *, seconds: float, what: str) -> T:
        """What `look` finds, as soon as it is true; fails with the log's end after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.1)
        tail = self.log.read_text()[-4000:] if self.log.exists() else ""
        raise AssertionError(f"waited {seconds:.0f} s in vain for {what}; the log ends:\n{tail}")


@contextmanager
def running_service(folder: Path, **settings: str) -> Iterator[Service]:
    """A service with free ports and its own data; settings are `PREVENANT_` variables in lower case."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREVENANT_")}
    environment |= {f"PREVENANT_{name}": str(free_port()) for name in ("HTTP_PORT", "MQTT_PORT", "NATS_PORT")}
    environment |= {"PREVENANT_DATA_DIR": str(folder / "data"), "PREVENANT_ADMIN_TOKEN": "story-token"}
    environment |= {f"PREVENANT_{name.upper()}": value for name, value in settings.items()}
    service = Service(folder, environment)
    try:
        service.start()
        yield service
    finally:
        service.http.close()
        if service._process is not None and service._process.poll() is None:
            service.stop()
