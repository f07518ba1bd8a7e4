"""The supervisor: a dead child comes back, later each time; all end with it."""

import sys
import threading
import time
from collections.abc import Callable

from app.supervisor import BACKOFF_S, Child, Supervisor

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]


def wait(look: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_killed_child_is_started_again() -> None:
    child = Child("sleeper", SLEEPER)
    supervisor, stop = Supervisor([child]), threading.Event()
    child.start()
    first = child.process
    assert first is not None
    watcher = threading.Thread(target=supervisor.watch, args=(stop,))
    watcher.start()
    try:
        first.kill()
        wait(lambda: child.process is not None and child.process.pid != first.pid)
    finally:
        stop.set()
        watcher.join()
        supervisor.stop()
    assert child.process is not None
    assert child.process.returncode is not None


def test_the_wait_grows_and_stays_at_its_longest() -> None:
    child = Child("broken", SLEEPER, started_at=time.monotonic())
    assert [child.schedule_restart() for _ in range(len(BACKOFF_S) + 2)] == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]


def test_a_child_that_ran_for_long_is_forgiven() -> None:
    child = Child("steady", SLEEPER, started_at=time.monotonic() - 1000, failures=5)
    assert child.schedule_restart() == BACKOFF_S[0]


def test_servers_end_after_those_that_need_them() -> None:
    ended: list[str] = []
    children = [Child("server", SLEEPER, server=True), Child("role", SLEEPER)]
    for child in children:
        child.start()
    watchers = [
        threading.Thread(target=lambda c=child: (c.process.wait(), ended.append(c.name)))  # type: ignore[misc]
        for child in children
    ]
    for watcher in watchers:
        watcher.start()
    Supervisor(children).stop()
    for watcher in watchers:
        watcher.join()
    assert ended == ["role", "server"]
