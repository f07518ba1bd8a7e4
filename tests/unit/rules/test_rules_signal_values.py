"""Every signal at every sample, as `prevenant score` prints it, against plain arithmetic over all readings so far."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rules.loader import signal_from_manifest
from rules.scoring import score
from tests.unit.rules.reference_engine import FileRow, Watch, messages, peers_of
from tests.unit.rules.reference_expressions import Row, Value
from tests.unit.rules.reference_files import devices_text, readings_text
from tests.unit.rules.reference_strategies import START, WEEK_MS, Case

MINUTE = 60_000
PHASES = [Phase.generate]
WINDOW = {"of": "temp", "over": "20m"}
SPECS: list[dict[str, Any]] = [
    *({"op": op, **WINDOW} for op in ("mean", "min", "max", "sum", "stddev", "median", "count", "delta")),
    {"op": "slope", **WINDOW},
    {"op": "slope", **WINDOW, "per": "1m", "counter": True},
    {"op": "ewma", "of": "temp", "half_life": "7m"},
    {"op": "zscore", "of": "temp", "over": "40m"},
    {"op": "baseline", "of": "temp", "over": "21d", "by": "hour_of_week"},
    {"op": "time_to", **WINDOW, "threshold": 12},
    {"op": "time_to", **WINDOW, "threshold": -3.5, "direction": "below"},
    {"op": "anomaly", "of": ["temp"]},
    {"op": "anomaly", "of": ["temp", "hum"]},
    {"op": "since", "expr": "temp > 5"},
    {"op": "held", "expr": "temp > 2 OR hum > 5"},
    {"op": "times", "expr": "temp > 5", "over": "15m"},
    {"op": "peers", "of": "temp", "by": ["region"], "stat": "zscore"},
    {"op": "peers", "of": "temp", "by": ["region", "max_temp"], "stat": "percentile"},
    {"op": "usage", "of": "temp", "since": "service"},
    {"op": "distance", "lat": "temp", "lon": "hum", "to": "site"},
    {"op": "distance", "lat": "temp", "lon": "hum", "to": [48.869, 2.331]},
]
READING = st.tuples(
    st.sampled_from([*[0] * 9, *range(12)]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 9, -2]),
    st.sampled_from([None, -4.25, *range(10)]) | st.floats(-50, 50).map(lambda x: round(x, 2)),
    st.sampled_from([None, None, 0.5, 3.0, 8.0]),
)
"""Device, steps of time since its last reading, temp, hum."""
ATTRIBUTES: dict[str, Row] = {
    f"d{number}": {
        "region": "US" if number == 3 else "EU",
        "max_temp": 3.0 if number != 5 else None,
        "timezone": "Europe/Paris" if number % 2 else "Nowhere",
        "last_service": "2023-11-14T23:30:00+01:00" if number % 3 else None,
        "site.lat": 47.0,
        "site.lon": -3.5 if number else None,
    }
    for number in range(12)
}


def rows_of(drawn: Sequence[tuple[int, int, Any, Any]], *, weeks: int) -> list[FileRow]:
    """The same story every week."""
    times: dict[int, int] = {}
    story = []
    for device, step, temp, hum in drawn:
        times[device] = max(START, times.get(device, START) + step * MINUTE)
        cells = {name: float(cell) for name, cell in (("temp", temp), ("hum", hum)) if cell is not None}
        if cells:
            story.append(FileRow(f"d{device}", times[device], cells))
    first = FileRow("d0", START, {"temp": 1.0, "hum": 1.0})
    return [
        FileRow(row.device_id, row.ts + week * WEEK_MS, row.values) for week in range(weeks) for row in (first, *story)
    ]


class Recorder(Watch):
    """Writes the signal down where a rule would judge."""

    def _judge(self, now: int, row: Row) -> None:
        self.written.append((now, row["s"]))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.written: list[tuple[int, Value]] = []


def expected(spec: dict[str, Any], rows: Sequence[FileRow]) -> dict[str, list[tuple[int, Value]]]:
    """Per device, (event time, value) of every sample that was evaluated."""
    by_device: dict[str, list[Any]] = {}
    for message in messages(rows):
        by_device.setdefault(message.device_id, []).append(message)
    rule = {"name": "r", "when": "s > 0", "missing": "ok", "signals": {"s": spec}}
    found = {}
    for device, arrivals in by_device.items():
        recorder = Recorder(rule, {"device_id": device, **ATTRIBUTES[device]})
        recorder.others = lambda spec, device=device: peers_of(device, spec, by_device=by_device, attributes=ATTRIBUTES)
        for message in arrivals:
            recorder.message(message)
        found[device] = recorder.written
    return found


def printed(spec: dict[str, Any], rows: Sequence[FileRow]) -> dict[str, list[tuple[int, Value]]]:
    """What the product says of the same, without the samples that came too late."""
    case = Case(MINUTE, ("temp", "hum"), tuple(rows), ATTRIBUTES, (), "wide", "csv", "ms")
    with tempfile.TemporaryDirectory() as folder:
        readings, devices = Path(folder) / "readings.csv", Path(folder) / "devices.csv"
        readings.write_text(readings_text(case))
        devices.write_text(devices_text(ATTRIBUTES, case=case))
        table = score(signal_from_manifest(spec), readings, devices)
    found: dict[str, list[tuple[int, Value]]] = {}
    newest: dict[str, int] = {}
    for device, ts, value in table.iter_rows():
        if ts >= newest.get(device, ts):
            newest[device] = ts
            found.setdefault(device, []).append((ts, value))
    return found


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: " ".join(map(str, spec.values())))
def test_a_signal_is_what_plain_arithmetic_says(spec: dict[str, Any]) -> None:
    known = 0

    @settings(max_examples=12, deadline=None, database=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(drawn=st.lists(READING, min_size=60, max_size=110))
    def agree(drawn: list[tuple[int, int, Any, Any]]) -> None:
        nonlocal known
        several = 30 if spec["op"] == "anomaly" else 4 if spec["op"] == "baseline" else 1
        rows = rows_of(drawn, weeks=several)
        ours, theirs = expected(spec, rows), printed(spec, rows)
        assert ours.keys() == theirs.keys()
        for device, values in ours.items():
            assert [ts for ts, _ in values] == [ts for ts, _ in theirs[device]]
            for (ts, value), (_, other) in zip(values, theirs[device], strict=True):
                assert (value is None) == (other is None), (device, ts, value, other)
                if value is not None and other is not None:
                    known += 1
                    assert math.isclose(float(value), float(other), rel_tol=1e-6, abs_tol=1e-6), (
                        device,
                        ts,
                        value,
                        other,
                    )

    agree()
    assert known > 20, "hardly a value was compared"
