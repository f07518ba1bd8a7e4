"""Real brokers on free ports, for tests."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.nats_server import NatsServer
from tests.real import free_port, program


def nats_server(directory: Path) -> NatsServer:
    """A server of one's own, not started."""
    return NatsServer(directory, nats_port=free_port(), mqtt_port=free_port())


@contextmanager
def running(server: NatsServer) -> Iterator[NatsServer]:
    """Started, and ended afterwards."""
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Mosquitto:
    """A Mosquitto on a free port that lets anybody in and keeps its sessions in memory."""

    def __init__(self, directory: Path, *, inflight: int = 1000) -> None:
        self.port = free_port()
        self._binary = program("mosquitto")
        self._config = directory / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages {inflight}\n"
            "max_queued_messages 0\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For MQTT clients."""
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> "Mosquitto":
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise TimeoutError("Mosquitto did not start")

    def __exit__(self, *exc: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
