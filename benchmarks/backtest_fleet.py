"""Back-tests of the size that people want answers to before they go live: a whole fleet, and one device for years.

    .venv/bin/python benchmarks/backtest_fleet.py [--readings 10000000] [--devices 2000] [--single 1000000]

Fleet: ten metrics a sample, so a tenth as many samples as readings, and 100 rules of which 20 look back over a window.
Single: one metric of one device every ten seconds, and ten rules with a window signal each. Both from CSV to
transitions, each in a process of its own; the floor only decodes the same file. Prints one JSON object a part.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.workload.fleet import METRICS, Fleet, rules
from rules.backtest import prepare, run, to_line

ILL = 0.05
BOUNDS_S = {"fleet": 60.0, "single": 20.0}
WINDOW = {"over": "15m"}
SINGLE: dict[str, tuple[dict[str, Any], str]] = {
    "mean": ({"op": "mean", **WINDOW}, "s > 58"),
    "min": ({"op": "min", **WINDOW}, "s > 50"),
    "max": ({"op": "max", **WINDOW}, "s > 68"),
    "sum": ({"op": "sum", **WINDOW}, "s > 5200"),
    "stddev": ({"op": "stddev", **WINDOW}, "s > 6"),
    "median": ({"op": "median", **WINDOW}, "s > 58"),
    "delta": ({"op": "delta", **WINDOW}, "s > 18"),
    "slope": ({"op": "slope", **WINDOW}, "s > 45"),
    "zscore": ({"op": "zscore", **WINDOW}, "s > 8"),
    "ewma": ({"op": "ewma", "half_life": "15m"}, "s > 58"),
}


def make_fleet(folder: Path, *, readings: int, devices: int) -> None:
    fleet, steps = Fleet(devices, ILL), max(1, readings // len(METRICS) // devices)
    table = pl.concat(list(fleet.frames(range(steps), devices)))
    table.write_csv(folder / "readings.csv")
    (folder / "rules.yaml").write_text(_documents(rules(100, windows=20)))


def make_single(folder: Path, *, readings: int) -> None:
    random, step = np.random.default_rng(7), np.arange(readings)
    ill = (step // 400) % 100 == 1
    value = 50 + 3 * np.sin(step / 3000) + random.normal(0, 2, readings) + np.where(ill, 20.0, 0.0)
    table = pl.DataFrame({"ts": 1_700_000_000_000 + step * 10_000, "temp": np.round(value, 3)})
    table.write_csv(folder / "readings.csv")
    made = [
        {"kind": "rule", "name": name, "signals": {"s": {"of": "temp", **signal}}, "when": when}
        for name, (signal, when) in SINGLE.items()
    ]
    (folder / "rules.yaml").write_text(_documents(made))


def _documents(manifests: list[dict[str, Any]]) -> str:
    """JSON is YAML."""
    return "\n---\n".join(map(json.dumps, manifests))


def measured(part: str, folder: Path) -> dict[str, Any]:
    """One part in a process of its own."""
    print(f"{part} …", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.backtest_fleet", "--part", part, "--folder", str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def child(part: str, folder: Path) -> dict[str, Any]:
    began, found = time.perf_counter(), {}
    if part == "floor":
        found["rows"] = pl.read_csv(folder / "readings.csv").height
    else:
        trial = prepare(folder / "rules.yaml", folder / "readings.csv")
        found["decoded_s"] = round(time.perf_counter() - began, 2)
        outcome = run(trial)
        found |= {"samples": outcome.samples, "transitions": len([to_line(one) for one in outcome.transitions])}
    found["seconds"] = round(time.perf_counter() - began, 2)
    found["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if part == "fleet":
        found["true_share"] = _true_share(folder)
    return found


def _true_share(folder: Path) -> float:
    """Of the samples, how many an illness has touched: what rules can find."""
    table = pl.read_csv(folder / "readings.csv", columns=list(METRICS))
    return round(table.select(pl.max_horizontal(pl.all() > 70).mean()).item(), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--single", type=int, default=1_000_000)
    parser.add_argument("--part", choices=("floor", *BOUNDS_S))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(child(given.part, given.folder)))
        return
    makers = {
        "fleet": lambda folder: make_fleet(folder, readings=given.readings, devices=given.devices),
        "single": lambda folder: make_single(folder, readings=given.single),
    }
    for part, make in makers.items():
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
            floor, test = measured("floor", Path(name)), measured(part, Path(name))
        readings = given.readings if part == "fleet" else given.single
        print(
            json.dumps(
                {
                    "part": part,
                    "readings": readings,
                    **test,
                    "readings_per_s": round(readings / test["seconds"]),
                    "floor_s": floor["seconds"],
                    "times_floor": round(test["seconds"] / floor["seconds"], 1),
                    "at_most_s": BOUNDS_S[part],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
