"""What a device sent is found again over REST, each reading once: at once, after a kill, after a restart."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from store.history import History
from tests.story.service import Service, running_service

pytestmark = [pytest.mark.slow]

MANIFEST = """
kind: product
name: pump
metrics: {level: {}}
---
kind: device
id: pump-1
product: pump
---
kind: rule
name: level-high
product: pump
when: level > 90
stage: draft
"""


def send(service: Service, numbers: range, start: datetime) -> None:
    """One message with a reading a second; sent twice, as a device that heard no answer does."""
    first = int(start.timestamp() * 1000)
    records = [{"ts": first + number * 1000, "level": float(number)} for number in numbers]
    for _ in range(2):
        answer = service.http.post("/v1/devices/pump-1/telemetry", json=records)
        assert answer.status_code == 202, answer.text


def levels(service: Service) -> list[float]:
    answer = service.http.get("/v1/devices/pump-1/readings", params={"metric": "level", "max_points": 1000})
    answer.raise_for_status()
    assert answer.json()["complete"]
    return [item["value"] for item in answer.json()["items"]]


def test_a_device_s_readings_are_found_again_whoever_was_killed(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(MANIFEST)
    start = datetime.now(UTC) - timedelta(minutes=10)
    with running_service(tmp_path) as service:
        service.cli("apply", str(tmp_path / "fleet.yaml"))
        send(service, range(50), start)
        service.wait(lambda: levels(service) == [float(n) for n in range(50)], seconds=20, what="the log's tail")
        killed = service.pid("clock")
        os.kill(killed, signal.SIGKILL)
        send(service, range(50, 100), start)
        service.wait(lambda: service.pid("clock") != killed, seconds=30, what="another clock role")
        assert levels(service) == [float(n) for n in range(100)]
        assert service.stop() == 0
        until = datetime.now(UTC)
        stored = History(str(tmp_path / "data" / "history")).readings(
            "pump-1", ["level"], since=start - timedelta(hours=1), until=until, at_most=10_000
        )
        assert stored is not None
        assert sorted(stored["number"].unique()) == [float(n) for n in range(100)]
        assert stored.height == stored.unique(["sequence", "entry", "ts"]).height
        service.log.write_text("")  # its first "ready" says nothing of the second start
        service.start()
        assert levels(service) == [float(n) for n in range(100)]
        tried = service.cli("backtest", str(tmp_path / "fleet.yaml"), "history", "--json").stdout.splitlines()
        assert len(tried) == 1
        body = {"name": "level-high", "from": (start - timedelta(hours=1)).isoformat()}
        (row,) = service.http.post("/v1/rules/backtest", json=body).json()["rules"]
        assert (row["episodes"], row["open"]) == (1, 1)
