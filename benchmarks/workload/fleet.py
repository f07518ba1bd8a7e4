"""The fleet that the rule benchmarks watch: ten metrics a device, a few devices ill, and rules that notice."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

METRICS = ("temp", "pressure", "vibration", "current", "voltage", "flow", "humidity", "speed", "level", "power")
T0 = 1_700_000_000_000
STEP_MS = 60_000
"""Each device reports once a minute."""
USUAL, NOISE, ILL = 50.0, 2.0, 40.0
"""A healthy reading is USUAL give or take NOISE; an illness adds ILL to one metric."""
SPELL = 12
"""Steps that an illness lasts, of each SPELLS_APART."""
SPELLS_APART = 60


@dataclass(frozen=True, slots=True)
class Fleet:
    """`ill` is the share of devices that fall ill now and then."""

    devices: int
    ill: float
    seed: int = 7

    def ids(self) -> list[str]:
        return [f"device-{number:07d}" for number in range(self.devices)]

    def table(self, device: np.ndarray[Any, Any], step: np.ndarray[Any, Any]) -> pl.DataFrame:
        """One sample per pair of device number and step, wide; the same for the same arguments."""
        random = np.random.default_rng((self.seed, int(step[0]), int(device[0])))
        every = max(1, round(1 / self.ill)) if self.ill else 0
        spell = (device % every == 0) & ((step + device // every) % SPELLS_APART < SPELL) if every else device < 0
        ids = pl.Series(device).cast(pl.String).str.zfill(7)
        columns = {"device_id": "device-" + ids, "ts": T0 + step * STEP_MS + device % 1000}
        for place, metric in enumerate(METRICS):
            hit = spell & ((device // max(every, 1) // SPELLS_APART) % len(METRICS) == place)
            value = USUAL + random.normal(0, NOISE, len(device)) + np.where(hit, ILL, 0.0)
            columns[metric] = np.round(value, 2)
        return pl.DataFrame(columns)

    def frames(self, steps: range, samples: int) -> Iterator[pl.DataFrame]:
        """Step by step all devices, in an order of chance that is another each time, `samples` at a time."""
        for step in steps:
            order = np.random.default_rng((self.seed, step)).permutation(self.devices)
            for start in range(0, self.devices, samples):
                device = order[start : start + samples]
                yield self.table(device, np.full(len(device), step))


def ndjson(table: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    table.write_ndjson(written)
    return written.getvalue()


PLAIN: tuple[dict[str, Any], ...] = (
    {"when": "{a} > {high}", "for": "2m"},
    {"when": "{a} > {high} AND {b} < {high}", "clear": "{a} < 60"},
    {"when": "{a} - {b} > 30", "keep_firing_for": "2m"},
    {"when": "{a} > {high} OR {b} / {a} > 1.6", "for": "1m"},
    {"when": "abs({a} - 50) > 25", "max_gap": "10m"},
    {"when": "CASE WHEN {b} > 40 THEN {a} ELSE 0 END > {high}", "count": {"n": 2, "of": 3}},
    {"when": "{a} NOT BETWEEN 20 AND {high}"},
    {"when": "greatest({a}, {b}) > {high} AND least({a}, {c}) > 10", "for": "3m"},
)
WINDOWS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"op": "mean", "of": "{a}", "over": "10m"}, "s > 62"),
    ({"op": "max", "of": "{a}", "over": "15m"}, "s > 80"),
    ({"op": "slope", "of": "{a}", "over": "15m"}, "s > 160"),
    ({"op": "stddev", "of": "{a}", "over": "30m"}, "s > 14"),
    ({"op": "zscore", "of": "{a}", "over": "30m"}, "s > 12"),
    ({"op": "ewma", "of": "{a}", "half_life": "5m"}, "s > 70"),
    ({"op": "delta", "of": "{a}", "over": "5m"}, "s > 25"),
    ({"op": "median", "of": "{a}", "over": "20m"}, "s > 65"),
    ({"op": "min", "of": "{a}", "over": "5m"}, "s > 70"),
    ({"op": "sum", "of": "{a}", "over": "30m"}, "s > 1900"),
    ({"op": "count", "of": "{a}", "over": "10m"}, "s < 3 AND {a} > 80"),
)


def rules(count: int, *, windows: int) -> list[dict[str, Any]]:
    """`count` manifests, of which `windows` look back over a window; each metric is asked about."""
    return [_windowed(number) for number in range(windows)] + [_plain(number) for number in range(count - windows)]


def _plain(number: int) -> dict[str, Any]:
    form = PLAIN[number % len(PLAIN)]
    words = _words(number) | {"high": 70 + number % 7}
    return {"kind": "rule", "name": f"plain-{number:04d}"} | {
        key: text.format(**words) if isinstance(text, str) else text for key, text in form.items()
    }


def _windowed(number: int) -> dict[str, Any]:
    signal, when = WINDOWS[number % len(WINDOWS)]
    words = _words(number)
    signal = {key: text.format(**words) for key, text in signal.items()}
    return {
        "kind": "rule",
        "name": f"window-{number:04d}",
        "signals": {"s": signal},
        "when": when.format(**words),
        "for": "1m",
    }


def _words(number: int) -> dict[str, str]:
    a, b, c = (METRICS[(number + apart) % len(METRICS)] for apart in (0, 3, 7))
    return {"a": a, "b": b, "c": c}
