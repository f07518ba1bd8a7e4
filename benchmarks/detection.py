"""The unsupervised detectors: their scores on labelled recordings beside published ones, and points a second.

    .venv/bin/python benchmarks/detection.py [--devices 10000] [--rounds 400]

The recordings and their scorer lie beside the project, never inside it; without them only the speed is shown. Speed is
a ratio to a floor in the same run: an EWMA z-score updated over the same rounds.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rules.detectors.single import SingleDetector
from rules.samples import Floats, Ints

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
SCORER = SHARED / "tools" / "detection" / "score.py"
PUBLISHED = {
    "nab": "same 30 series, best threshold: ARTime 74.1, Numenta HTM 70.9, contextual OSE 70.8",
    "skab": "all 34 files: MSCRED change-point 32.4, Conv-AE 23.6 (balanced 79.2), T2+Q 25.4 (balanced 74.2)",
    "tep": "T2 chart, own run: 0.902 with 1.8 % false alarms before the fault",
}
STEP_MS = 300_000
WARM = 200
"""Rounds before the clock runs: detectors are slower, or faster, while they learn."""

Update = Callable[[Ints, Ints, Floats], Floats]


class EwmaZ:
    """The floor: how far a value lies from its moving average, in moving standard deviations."""

    def __init__(self, devices: int) -> None:
        self.mean, self.variance = np.zeros(devices), np.ones(devices)

    def update(self, slots: Ints, ts: Ints, values: Floats) -> Floats:
        del ts
        x, mean, variance = values[:, 0], self.mean[slots], self.variance[slots]
        away = x - mean
        z: Floats = np.abs(away) / np.sqrt(variance)
        self.mean[slots] = mean + 0.01 * away
        self.variance[slots] = 0.99 * (variance + 0.01 * away * away)
        return z


def main(devices: int, rounds: int) -> None:
    """Print the scores, then the speed."""
    if SCORER.exists():
        for name, published in PUBLISHED.items():
            print(f"{name}: {published}\n{_scored(name)}\n")
    else:
        print(f"no scores: the recordings and their scorer are not at ../{SCORER.relative_to(SHARED.parent).parent}")
    slots = np.arange(devices)
    floor = _points_per_s(EwmaZ(devices).update, slots, rounds)
    ours = _points_per_s(SingleDetector().update, slots, rounds)
    shuffled = _points_per_s(SingleDetector().update, np.random.default_rng(1).permutation(devices), rounds)
    print(f"EWMA z (floor)          {floor / 1e6:6.2f} M points/s")
    print(f"single                  {ours / 1e6:6.2f} M points/s   {floor / ours:5.1f} x the floor's time")
    print(f"single, slots shuffled  {shuffled / 1e6:6.2f} M points/s   {floor / shuffled:5.1f} x the floor's time")


def _scored(name: str) -> str:
    folder = SHARED / "data" / "detection" / name
    program = Path(sys.executable).with_name("prevenant")
    done = subprocess.run(
        [sys.executable, str(SCORER), name, str(folder), "--prevenant", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name}: the scorer ended with {done.returncode}\n{done.stderr}")
    return done.stdout.rstrip()


def _points_per_s(update: Update, slots: Ints, rounds: int) -> float:
    """The median round's, over noise with a phase of each device's own."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, len(slots), 1))
    first = 1_700_000_000_000 + rng.integers(0, STEP_MS, len(slots))
    took = []
    for number in range(WARM + rounds):
        begin = time.perf_counter()
        update(slots, first + number * STEP_MS, values[number % 50])
        took.append(time.perf_counter() - begin)
    return len(slots) / float(np.median(took[WARM:]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    main(options.devices, options.rounds)
