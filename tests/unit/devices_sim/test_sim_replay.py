"""A replay shifts its stamps to now, keeps pace, and waits for every acknowledgement."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devices_sim.replay import Replayed, replay, shift_ms
from tests.unit.devices_sim.sim_fakes import FakeClient

T0 = 1_700_000_000_000
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)


class Broker(FakeClient):
    """Connects at once and acknowledges at once, unless told otherwise."""

    silent = False

    def loop_start(self) -> None:
        super().loop_start()
        self.auto_ack = not self.silent
        self.up()


def recording(tmp_path: Path, *, rows: int, step_ms: int = 1000) -> Path:
    file = tmp_path / "r.csv"
    file.write_text("ts,flow,ok\n" + "".join(f"{T0 + n * step_ms},{n},true\n" for n in range(rows)))
    return file


def run(file: Path, client: Broker, **options: object) -> Replayed:
    options = {"now": lambda: NOW, **options}
    return replay(file, mqtt_url="mqtt://h", new_client=lambda *_a, **_k: client, **options)  # type: ignore[arg-type]


def sent(client: FakeClient) -> list[dict[str, object]]:
    return [json.loads(payload) for payload in client.payloads()]


def test_the_last_row_falls_at_now(tmp_path: Path) -> None:
    client = Broker()
    done = run(recording(tmp_path, rows=500), client, device="testbed-1")
    payloads = sent(client)
    assert [payload["ts"] for payload in payloads] == [NOW_MS - 499_000 + n * 1000 for n in range(500)]
    assert payloads[7]["values"] == {"flow": 7.0, "ok": True}
    assert {topic for topic, _, _ in client.published} == {"devices/testbed-1/telemetry"}
    assert (done.samples, done.readings, done.acknowledged) == (500, 1000, 500)
    assert (done.devices, done.metrics, done.last) == (("testbed-1",), ("flow", "ok"), NOW)
    assert done.first == NOW - timedelta(seconds=499)


def test_at_a_speed_the_last_row_falls_at_the_end() -> None:
    assert shift_ms(first_ts=T0, last_ts=T0 + 60_000, start_ms=NOW_MS, speed=None) == NOW_MS - T0 - 60_000
    assert shift_ms(first_ts=T0, last_ts=T0 + 60_000, start_ms=NOW_MS, speed=10) == NOW_MS + 6_000 - T0 - 60_000
    assert shift_ms(first_ts=T0, last_ts=T0 + 60_000, start_ms=NOW_MS, speed=1) == NOW_MS - T0


def test_a_speed_is_kept(tmp_path: Path) -> None:
    client, began = Broker(), time.monotonic()
    start = datetime.now(UTC)
    run(recording(tmp_path, rows=5), client, speed=10, now=lambda: datetime.now(UTC))
    assert 0.4 <= time.monotonic() - began < 2
    last = sent(client)[-1]["ts"]
    assert isinstance(last, int)
    assert abs(last - (start.timestamp() + 0.4) * 1000) < 300


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(recording(tmp_path, rows=50), Broker(), progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (50, 50)


def test_a_broker_that_acknowledges_nothing_is_an_error_in_the_end(tmp_path: Path) -> None:
    client = Broker()
    client.silent = True
    with pytest.raises(TimeoutError, match="3 samples wait"):
        run(recording(tmp_path, rows=3), client, patience_s=0.1)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert run(recording(tmp_path, rows=3), Broker(), stop=stop).samples == 0


def test_a_speed_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="speed 0"):
        run(recording(tmp_path, rows=3), Broker(), speed=0)
