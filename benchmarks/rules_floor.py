"""What rules cost: against a floor that only decodes the same frames, per signal op, and in memory.

    .venv/bin/python benchmarks/rules_floor.py [--devices 100000] [--passes 3] [--part floor|ops|memory]

The floor takes each frame (NDJSON, one sample of ten metrics a line, 10 000 lines) through `polars.read_ndjson`, groups
it by device and takes the last of each column: nothing of ours runs. The engine starts from the same bytes: the same
decoder, `rules.frames.batch_of`, `engine.observe_batch`. Floor and engines take turns frame by frame, so that whatever
else runs on the machine slows all of them; ratios are of medians over frames. Wall time is what one waits; CPU time
counts all threads of the process and hardly minds the neighbours.
"""

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from benchmarks.workload.fleet import METRICS, T0, Fleet, ndjson, rules
from benchmarks.workload.weight import weight
from domain.telemetry import DeviceChanged, RuleActivated, RuleRetired
from rules.engine import State, dump, load, new_state, observe, observe_batch
from rules.frames import batch_of, read_frame
from rules.signal_fields import FORMS

FRAME = 10_000
ILL = 0.05
"""Of the devices; with their spells about one sample in a hundred is TRUE for some rule."""
BOUNDS = {"100 plain": 4.0, "100, of which 20 look back": 15.0}
WARM_STEPS = 32
"""Minutes that windows are filled with before anything is measured."""
OPS: dict[str, dict[str, Any]] = {
    **{op: {"of": "temp", "over": "30m"} for op in ("mean", "min", "max", "sum", "stddev", "median", "count")},
    **{op: {"of": "temp", "over": "30m"} for op in ("delta", "slope", "zscore")},
    "ewma": {"of": "temp", "half_life": "10m"},
    "time_to": {"of": "temp", "over": "30m", "threshold": 1000},
    "baseline": {"of": "temp", "over": "14d"},
    "anomaly": {"of": ["temp"]},
    "peers": {"of": "temp", "by": ["model"]},
    "usage": {"of": "hours"},
    "distance": {"lat": "temp", "lon": "temp", "to": [48.87, 2.33]},
    "silence": {},
    "since": {"expr": "temp > 51"},
    "held": {"expr": "temp > 51"},
    "times": {"expr": "temp > 51", "over": "30m"},
}
"""An example of each op; every op that the engine computes must have one."""


def state_with(manifests: Iterable[dict[str, Any]]) -> State:
    state = new_state()
    observe(state, [RuleActivated(one["name"], 1, "live", one) for one in manifests])
    return state


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def floor_of(data: bytes) -> int:
    return pl.read_ndjson(data).group_by("device_id").agg(pl.all().last()).height


def engine_of(state: State) -> Callable[[bytes], int]:
    return lambda data: len(observe_batch(state, batch_of(read_frame(data), state.devices)))


def warmed(fleet: Fleet, manifests: list[dict[str, Any]], steps: range) -> State:
    """A state whose windows are full: only readings are kept while they fill, for nothing but a count is asked."""
    counting = [
        {"name": f"fill-{metric}", "kind": "rule", "when": "s < 0", "signals": {"s": _count(metric)}}
        for metric in METRICS
    ]
    state = state_with(counting)
    for table in fleet.frames(steps, 50_000):
        observe_batch(state, batch_of(table, state.devices))
    observe(state, [RuleActivated(one["name"], 1, "live", one) for one in manifests])
    observe(state, [RuleRetired(one["name"]) for one in counting])
    return state


def _count(metric: str) -> dict[str, str]:
    return {"op": "count", "of": metric, "over": "1h"}


def against_the_floor(devices: int, passes: int) -> dict[str, Any]:
    """Medians per frame, in milliseconds, and as multiples of the floor's."""
    fleet = Fleet(devices, ILL)
    say(f"filling the windows of {devices} devices …")
    looking_back = warmed(fleet, rules(100, windows=20), range(WARM_STEPS))
    states = {f"{count} plain": state_with(rules(count, windows=0)) for count in (1, 10, 100, 1000)}
    states["100, of which 20 look back"] = looking_back
    runs: dict[str, Callable[[bytes], int]] = {"floor": floor_of}
    runs |= {name: engine_of(state) for name, state in states.items()}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    told = dict.fromkeys(runs, 0)
    gc.collect()
    gc.freeze()
    for step in range(WARM_STEPS, WARM_STEPS + 1 + passes):
        say(f"minute {step - WARM_STEPS} of {passes}")
        for table in fleet.frames(range(step, step + 1), FRAME):
            data = ndjson(table)
            for name, run in runs.items():
                began, began_cpu = time.perf_counter(), time.process_time()
                found = run(data)
                if step > WARM_STEPS:  # in the first, all that is ill falls ill at once
                    wall[name].append(1000 * (time.perf_counter() - began))
                    cpu[name].append(1000 * (time.process_time() - began_cpu))
                    told[name] += found
    return {
        name: {
            "ms": round(statistics.median(wall[name]), 1),
            "cpu_ms": round(statistics.median(cpu[name]), 1),
            "times_floor": round(statistics.median(wall[name]) / statistics.median(wall["floor"]), 2),
            "cpu_times_floor": round(statistics.median(cpu[name]) / statistics.median(cpu["floor"]), 2),
            "samples_per_s": round(1000 * FRAME / statistics.median(wall[name])),
            "transitions_per_frame": round(told[name] / len(wall[name]), 1) if name != "floor" else None,
        }
        for name in runs
    }


def per_op(devices: int) -> list[dict[str, Any]]:
    """What one signal adds to one rule on one metric: time a sample, bytes a device of which 30 minutes are known."""
    missing = FORMS.keys() - OPS.keys()
    if missing:
        raise SystemExit(f"no example of {', '.join(sorted(missing))} in OPS: the table must show every op")
    fleet = Fleet(devices, 0.0)
    hours = ((pl.col("ts") - T0) / 3_600_000).alias("hours")
    every = fleet.frames(range(WARM_STEPS + 4), devices)
    tables = [table.select("device_id", "ts", "temp", hours) for table in every]
    plain_ns, plain_bytes = _cost({"when": "temp > 1000"}, tables)
    rows = []
    for op in FORMS:
        say(f"signal {op}")
        ns, size = _cost({"signals": {"s": {"op": op, **OPS[op]}}, "when": "s > 1e9 AND temp > 1000"}, tables)
        rows.append(
            {
                "op": op,
                "ns_per_sample": round(ns - plain_ns),
                "bytes_per_device": round((size - plain_bytes) / devices, 1),
            }
        )
    return rows


def _cost(fields: dict[str, Any], tables: list[pl.DataFrame]) -> tuple[float, int]:
    state = state_with([{"kind": "rule", "name": "one", **fields}])
    samples = spent = 0
    for step, table in enumerate(tables):
        for start in range(0, table.height, FRAME):
            batch = batch_of(table.slice(start, FRAME), state.devices)
            began = time.process_time()
            observe_batch(state, batch)
            if step >= WARM_STEPS:
                spent += time.process_time() - began
                samples += len(batch.rows)
    return 1e9 * spent / samples, weight(state)


def memory(devices: int) -> dict[str, Any]:
    """Resident bytes of `devices` with ten metrics and 100 plain rules, and what more rules weigh."""
    fleet = Fleet(devices, 0.0)
    tables = fleet.frames(range(2), FRAME)
    process = psutil.Process()
    state = state_with(rules(100, windows=0))
    first = next(tables)
    observe_batch(state, batch_of(first, state.devices))
    before = process.memory_info().rss
    for table in tables:
        observe_batch(state, batch_of(table, state.devices))
    del table, first
    gc.collect()
    grown = process.memory_info().rss - before
    known = [DeviceChanged(device_id, "pump", {"region": "EU", "limit": 95.0}, 1) for device_id in fleet.ids()]
    observe(state, known)
    del known
    gc.collect()
    registered = process.memory_info().rss - before
    began = time.perf_counter()
    data = dump(state)
    dumped = time.perf_counter()
    load(data)
    loaded = time.perf_counter()
    lighter = weight(state)
    observe(state, [RuleRetired(f"plain-{number:04d}") for number in range(1, 100)])
    for table in fleet.frames(range(2, 3), FRAME):
        observe_batch(state, batch_of(table, state.devices))
    a_device = registered / (devices - FRAME)
    million = before + 1_000_000 * a_device
    return {
        "devices": devices,
        "bytes_per_device": round(grown / (devices - FRAME)),
        "bytes_per_registered_device": round(a_device),
        "bytes_per_device_and_stateless_rule": round((lighter - weight(state)) / devices / 99, 2),
        "million_devices_gib": round(million / 2**30, 2),
        "formula": f"{before} B at start + 1 000 000 x {a_device:.0f} B",
        "snapshot_mb": round(len(data) / 1e6, 1),
        "dump_s": round(dumped - began, 2),
        "load_s": round(loaded - dumped, 2),
    }


def apart(part: str, given: argparse.Namespace) -> Any:
    """A part in a process of its own, so that memory is its own."""
    say(f"== {part}")
    sizes = [
        "--devices",
        str(given.devices),
        "--passes",
        str(given.passes),
        "--memory-devices",
        str(given.memory_devices),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rules_floor", "--part", part, *sizes],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(done.stdout)


def show(parts: dict[str, Any]) -> None:
    print(f"{'':28}{'ms a frame':>11}{'x floor':>9}{'CPU ms':>8}{'x floor':>9}{'samples/s':>11}{'told':>7}")
    for name, row in parts["floor"].items():
        bound = f"   at most {BOUNDS[name]:g}" if name in BOUNDS else ""
        told = row["transitions_per_frame"] if row["transitions_per_frame"] is not None else ""
        print(
            f"{name:28}{row['ms']:>11}{row['times_floor']:>9}{row['cpu_ms']:>8}{row['cpu_times_floor']:>9}"
            f"{row['samples_per_s']:>11}{told:>7}{bound}"
        )
    thousand = parts["floor"]["1000 plain"]["ms"] / parts["floor"]["1 plain"]["ms"]
    print(f"1 000 rules take {thousand:.1f} times as long as one")
    print(f"\n{'signal':10}{'ns a sample':>12}{'bytes a device':>16}   (30 readings known)")
    for row in parts["ops"]:
        print(f"{row['op']:10}{row['ns_per_sample']:>12}{row['bytes_per_device']:>16}")
    print()
    for name, value in parts["memory"].items():
        print(f"{name}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--passes", type=int, default=3, help="how often each device reports while time is taken")
    parser.add_argument("--memory-devices", type=int, default=200_000)
    parser.add_argument("--part", choices=("floor", "ops", "memory"))
    given = parser.parse_args()
    if given.part:
        run = {
            "floor": lambda: against_the_floor(given.devices, given.passes),
            "ops": lambda: per_op(min(given.devices, 10_000)),
            "memory": lambda: memory(given.memory_devices),
        }[given.part]
        print(
            json.dumps({"found": run(), "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)})
        )
        return
    done = {part: apart(part, given) for part in ("floor", "ops", "memory")}
    show({part: one["found"] for part, one in done.items()})
    print(json.dumps({"peak_mib": {part: one["peak_mib"] for part, one in done.items()}}))


if __name__ == "__main__":
    main()
