"""Keeps the processes of `prevenant serve` alive: starts them, restarts a dead one with back-off, stops all cleanly."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0
"""A process that ran this long before it died is started again at once."""
STOP_S = 10.0

log = structlog.get_logger()


@dataclass
class Child:
    """One process that should run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None
    server: bool = False
    """Whether the others need it: it starts before them and ends after them."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    next_start: float = 0.0

    def start(self) -> None:
        """Start it now."""
        stream = self.output.open("ab") if self.output else None
        try:
            self.process = subprocess.Popen(
                list(self.command),
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                # Its own group: Ctrl-C reaches the supervisor alone, which then stops all in order.
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread here
            )
        finally:
            if stream:
                stream.close()
        self.started_at = time.monotonic()

    def died(self) -> bool:
        """Whether it was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def schedule_restart(self) -> float:
        """Plan the next start; returns the wait in seconds."""
        if time.monotonic() - self.started_at > STEADY_S:
            self.failures = 0
        wait = BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
        self.failures += 1
        self.next_start = time.monotonic() + wait
        self.process = None
        return wait


class Supervisor:
    """Children in starting order; servers end after those that need them."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)

    def watch(self, stop: threading.Event) -> None:
        """Restart what dies until `stop` is set."""
        while not stop.wait(0.05):
            self.look_after_all()

    def look_after_all(self) -> None:
        """One round: note the dead, start again whose wait is over."""
        for child in self.children:
            self._look_after(child)

    def _look_after(self, child: Child) -> None:
        if child.died():
            assert child.process is not None  # noqa: S101 - died() says so
            code = child.process.returncode
            wait = child.schedule_restart()
            log.warning("process died", process=child.name, code=code, restart_in_s=wait)
        elif child.process is None and child.started_at and time.monotonic() >= child.next_start:
            child.start()
            log.info("process restarted", process=child.name)

    def stop(self) -> None:
        """End all: the roles first, all at once, the servers they need after them."""
        for server in (False, True):
            _stop_all([c.process for c in self.children if c.server is server and c.process is not None])


def _stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def die_with_parent() -> None:
    """For `preexec_fn` on Linux: the child gets SIGTERM when the thread that started it is gone."""
    # prctl(PR_SET_PDEATHSIG): a supervisor that is killed leaves no orphan holding the ports.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
