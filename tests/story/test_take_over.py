"""Two rules workers share the partitions; whichever dies or hangs, the other takes all over within ten seconds."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.story.service import ROOT, Service, running_service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
TAKE_OVER_S = 10.0
DEVICES = [f"hp-{number}" for number in range(24)]
"""Enough for every partition."""
MANIFESTS = """
kind: product
name: pump
metrics: {celsius: {unit: °C}}
---
kind: rule
name: hot
product: pump
when: celsius > 90
stage: live
hold: 0s
"""


@contextmanager
def second_worker(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """A rules worker beside the service's own, under nobody's supervision."""
    environment = service.environment | {
        "PREVENANT_NATS_URL": f"nats://127.0.0.1:{service.environment['PREVENANT_NATS_PORT']}",
        "PREVENANT_MQTT_URL": f"mqtt://127.0.0.1:{service.mqtt_port}",
    }
    with (service.folder / "second.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "run", "rules"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=20)


def owners(service: Service) -> dict[str, int]:
    """How many partitions each owner holds."""
    engine = create_engine(f"sqlite:///{service.database_file}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT owner, count(*) FROM partitions WHERE owner IS NOT NULL GROUP BY owner"))
        found = {str(owner): int(held) for owner, held in rows}
    engine.dispose()
    return found


def hang(service: Service, worker: subprocess.Popen[bytes]) -> None:
    """Stop it between two transactions: whoever stops inside one keeps SQLite's only lock as long as it lives."""
    engine = create_engine(f"sqlite:///{service.database_file}", connect_args={"timeout": 1.0})
    try:
        for _ in range(50):
            worker.send_signal(signal.SIGSTOP)
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    return
            except OperationalError:
                worker.send_signal(signal.SIGCONT)
                time.sleep(0.05)
        raise AssertionError("the worker never lets go of the database")
    finally:
        engine.dispose()


def send(service: Service, celsius: float) -> None:
    for device_id in DEVICES:
        answer = service.http.post(f"/v1/devices/{device_id}/telemetry", json={"celsius": celsius})
        answer.raise_for_status()


def firing(service: Service) -> list[str]:
    return sorted(fault["device_id"] for fault in service.items("/v1/faults", state="firing"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path) as running:
        devices = "".join(f"---\nkind: device\nid: {device_id}\nproduct: pump\n" for device_id in DEVICES)
        manifests = tmp_path / "fleet.yaml"
        manifests.write_text(MANIFESTS + devices)
        running.cli("apply", str(manifests))
        yield running


def share(service: Service) -> None:
    service.wait(lambda: sorted(owners(service).values()) == [4, 4], seconds=40, what="an even share")


def test_what_a_killed_worker_held_is_evaluated_by_the_other(service: Service) -> None:
    with second_worker(service) as worker:
        share(service)
        worker.kill()
        worker.wait(timeout=20)
        began = time.monotonic()
        service.wait(lambda: list(owners(service).values()) == [8], seconds=TAKE_OVER_S, what="the take-over")
        send(service, 95.0)
        service.wait(lambda: firing(service) == sorted(DEVICES), seconds=TAKE_OVER_S, what="a fault of every device")
        assert time.monotonic() - began < 2 * TAKE_OVER_S


def test_a_worker_that_hangs_is_replaced_and_what_it_says_later_counts_for_nothing(service: Service) -> None:
    with second_worker(service) as worker:
        share(service)
        hang(service, worker)
        try:
            send(service, 95.0)
            service.wait(lambda: list(owners(service).values()) == [8], seconds=TAKE_OVER_S, what="the take-over")
            service.wait(
                lambda: firing(service) == sorted(DEVICES), seconds=TAKE_OVER_S, what="a fault of every device"
            )
        finally:
            worker.send_signal(signal.SIGCONT)
        share(service)
        send(service, 40.0)
        service.wait(lambda: not firing(service), seconds=TAKE_OVER_S, what="an end of every fault")
        assert len(service.items("/v1/faults")) == len(DEVICES)
        assert len(service.items("/v1/tickets")) == len(DEVICES)
