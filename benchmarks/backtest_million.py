"""A million readings and ten rules through the back-test, against a floor that only decodes the same file.

    .venv/bin/python benchmarks/backtest_million.py [--readings 1000000] [--devices 50]

Prints one JSON object: readings a second, peak memory of the back-test's process, and how many times the floor it took.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

RULES = """
kind: rule
name: hot
when: temp > 88
for: 2m
---
kind: rule
name: hot-or-worse
when: temp > 85 AND pressure < 4.4
clear: temp < 75
keep_firing_for: 1m
---
kind: rule
name: falling
signals: {slope: {op: slope, of: pressure, over: 10m}}
when: slope < -3 AND temp > 80
for: 1m
---
kind: rule
name: mean-high
signals: {m: {op: mean, of: temp, over: 5m}}
when: m > 80
---
kind: rule
name: swing
signals: {low: {op: min, of: pressure, over: 10m}, high: {op: max, of: pressure, over: 10m}}
when: high - low > 1.5
---
kind: rule
name: odd
signals: {z: {op: zscore, of: vibration, over: 10m}}
when: abs(z) > 8
count: {n: 3, of: 5}
---
kind: rule
name: jump
signals: {d: {op: delta, of: temp, over: 5m}}
when: d > 25
---
kind: rule
name: silent
signals: {s: {op: silence}}
when: s > 120
---
kind: rule
name: lingering
signals: {l: {op: since, expr: vibration > 2.6}}
when: l < 30 AND temp > 80
---
kind: rule
name: chatter
when: vibration > 2.5
max_gap: 1m
flapping: {transitions: 6, within: 1h}
"""


def make(path: Path, *, readings: int, devices: int) -> None:
    """A wide file of three metrics, a sample every ten seconds and device, in order of time."""
    samples = readings // 3
    steps = samples // devices
    random = np.random.default_rng(7)
    device = np.tile(np.arange(devices), steps)
    step = np.repeat(np.arange(steps), devices)
    wave = np.sin(step / 300 + device)
    pl.DataFrame(
        {
            "device_id": pl.Series([f"pump-{n}" for n in range(devices)]).gather(device),
            "ts": 1_700_000_000_000 + step * 10_000,
            "temp": np.round(70 + 15 * wave + random.normal(0, 2, len(step)), 2),
            "pressure": np.round(5 + 0.5 * wave + random.normal(0, 0.2, len(step)), 3),
            "vibration": np.round(np.abs(random.normal(1, 0.5, len(step))), 3),
        }
    ).write_csv(path)


def measure(what: str, folder: Path) -> dict[str, float]:
    """Run one part in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", what, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return json.loads(done.stdout)


def part(what: str, folder: Path) -> None:
    """What the child does."""
    from rules.backtest import prepare, run, to_line

    began = time.perf_counter()
    if what == "floor":
        decoded = pl.read_csv(folder / "readings.csv").with_columns(pl.col("ts").cast(pl.Datetime("ms")))
        found = decoded.height
    else:
        outcome = run(prepare(folder / "rules.yaml", folder / "readings.csv"))
        found = len([to_line(one) for one in outcome.transitions])
    seconds = time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib, "found": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--part")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.part:
        part(given.part, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "readings.csv", readings=given.readings, devices=given.devices)
        (folder / "rules.yaml").write_text(RULES)
        floor, test = measure("floor", folder), measure("backtest", folder)
    result = {
        "readings": given.readings,
        "rules": RULES.count("kind: rule"),
        "seconds": round(test["seconds"], 2),
        "readings_per_second": round(given.readings / test["seconds"]),
        "peak_mib": round(test["peak_mib"]),
        "transitions": test["found"],
        "floor_seconds": round(floor["seconds"], 3),
        "times_floor": round(test["seconds"] / floor["seconds"], 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
