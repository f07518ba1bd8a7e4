"""`prevenant replay`: publishes a recording over MQTT as if it were live, its stamps shifted to now."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paho.mqtt.client import Client

from devices_sim.recording import Recording, Sample
from devices_sim.uplink import Broker, Uplink

PROGRESS_EVERY_S = 0.1
FLUSH_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `first` and `last` are the event times it gave the first and last sample."""

    samples: int
    readings: int
    acknowledged: int
    devices: tuple[str, ...]
    metrics: tuple[str, ...]
    first: datetime
    last: datetime


def replay(
    path: Path,
    *,
    mqtt_url: str,
    speed: float | None = None,
    time_column: str = "ts",
    device: str | None = None,
    ignore: Collection[str] = (),
    delimiter: str = ",",
    progress: Callable[[int, int], None] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    stop: threading.Event | None = None,
    patience_s: float = 60.0,
    new_client: Callable[..., Client] | None = None,
) -> Replayed:
    """Publish every sample at QoS 1 and wait until the broker has acknowledged each.

    `speed` None means as fast as the broker takes it; else the replay keeps time by `now`. Stamps are shifted by one
    constant, so that the recording's last row falls at the end of the replay. Columns keep their names as metrics.
    `progress(done, rows)` is called about ten times a second. Raises ValueError for a file that cannot be read, and
    TimeoutError where the broker acknowledges nothing new for `patience_s`.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed {speed} must be above 0, or max")
    recording = Recording(path, time_column=time_column, device=device, ignore=ignore, delimiter=delimiter)
    broker = Broker.parse(mqtt_url)
    name, make = f"replay-{secrets.token_hex(6)}", new_client or broker.client
    uplink = Uplink(
        lambda: make(name, clean_session=True),
        broker,
        subscriptions=(),
        greetings=(),
        on_message=lambda _topic, _payload: None,
    )
    uplink.start()
    run = _Run(
        uplink,
        recording,
        speed=speed,
        stop=stop or threading.Event(),
        patience_s=patience_s,
        progress=progress,
        now=now,
    )
    try:
        return run.publish()
    finally:
        uplink.leave()
        uplink.join()


def shift_ms(*, first_ts: int, last_ts: int, start_ms: int, speed: float | None) -> int:
    """What to add to each stamp so that the last one falls at the end of a replay that begins at `start_ms`."""
    lasts_ms = 0.0 if speed is None else (last_ts - first_ts) / speed
    return round(start_ms + lasts_ms) - last_ts


def payload_of(sample: Sample) -> bytes:
    """One sample as a telemetry message; the values lie apart, so a metric called `ts` harms nobody."""
    return json.dumps(
        {"ts": sample.ts, "values": dict(sample.values)}, ensure_ascii=False, separators=(",", ":")
    ).encode()


class _Run:
    """One replay under way."""

    def __init__(
        self,
        uplink: Uplink,
        recording: Recording,
        *,
        speed: float | None,
        stop: threading.Event,
        patience_s: float,
        progress: Callable[[int, int], None] | None,
        now: Callable[[], datetime],
    ) -> None:
        self._uplink, self._recording, self._speed, self._stop = uplink, recording, speed, stop
        self._patience_s, self._progress = patience_s, progress or (lambda _done, _of: None)
        self._now, self._shown_at = now, 0.0

    def publish(self) -> Replayed:
        start = self._now()
        first, last = self._recording.first_ts, self._recording.last_ts
        shift = shift_ms(first_ts=first, last_ts=last, start_ms=round(start.timestamp() * 1000), speed=self._speed)
        samples, readings, devices = 0, 0, dict[str, None]()
        for sample in self._paced(self._recording.samples(), first=first, start=start):
            moved = replace(sample, ts=sample.ts + shift)
            self._await_backlog(below=200)
            self._uplink.publish(f"devices/{moved.device_id}/telemetry", payload_of(moved))
            samples, readings, devices[moved.device_id] = samples + 1, readings + len(moved.values), None
            self._show(samples)
        self._await_backlog(below=1)
        self._progress(self._recording.rows, self._recording.rows)
        return Replayed(
            samples=samples,
            readings=readings,
            acknowledged=samples - self._uplink.backlog,
            devices=tuple(devices),
            metrics=self._recording.metrics,
            first=datetime.fromtimestamp((first + shift) / 1000, UTC),
            last=datetime.fromtimestamp((last + shift) / 1000, UTC),
        )

    def _paced(self, samples: Iterable[Sample], *, first: int, start: datetime) -> Iterable[Sample]:
        for sample in samples:
            if self._speed is not None:
                self._wait_until(start + timedelta(milliseconds=(sample.ts - first) / self._speed))
            if self._stop.is_set():
                return
            yield sample

    def _wait_until(self, moment: datetime) -> None:
        """Sleep in short steps, so that what waits for a reconnection goes out meanwhile."""
        while (left := (moment - self._now()).total_seconds()) > 0 and not self._stop.wait(min(left, FLUSH_EVERY_S)):
            self._uplink.flush()

    def _await_backlog(self, *, below: int) -> None:
        """Wait until fewer than `below` messages are unacknowledged; a broker that is away is waited for."""
        backlog, since = self._uplink.backlog, time.monotonic()
        while backlog >= below and not self._stop.is_set():
            self._uplink.flush()
            self._stop.wait(FLUSH_EVERY_S if below == 1 else 0.001)
            if (now_left := self._uplink.backlog) < backlog:
                backlog, since = now_left, time.monotonic()
            elif time.monotonic() - since > self._patience_s:
                raise TimeoutError(
                    f"the broker acknowledged nothing for {self._patience_s:g} s; {now_left} samples wait"
                )

    def _show(self, done: int) -> None:
        if time.monotonic() - self._shown_at >= PROGRESS_EVERY_S:
            self._shown_at = time.monotonic()
            self._progress(done, self._recording.rows)
