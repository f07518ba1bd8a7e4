"""Worked examples: sentences of CONTRACT.md section 5 with transitions computed by hand, for engine and reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.rules.reference_engine import FileRow, iso, reference
from tests.unit.rules.reference_files import backtest_lines
from tests.unit.rules.reference_strategies import START, Case


@dataclass(frozen=True)
class Golden:
    """Rows: `device seconds[@received] metric=value …`; expected: `device episode state at onset`, in seconds."""

    sentence: str
    rule: str
    rows: str
    expected: str
    attributes: Mapping[str, Mapping[str, Any]] | None = None


def _ms(seconds: str) -> int:
    return START + round(float(seconds) * 1000)


def _value(text: str) -> float | bool | str:
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _row(line: str) -> FileRow:
    device, stamp, *cells = line.split()
    ts, _, received = stamp.partition("@")
    values = {name: _value(text) for name, text in (cell.split("=") for cell in cells)}
    return FileRow(device, _ms(ts), values, _ms(received) if received else None)


def case_of(golden: Golden) -> Case:
    rows = tuple(map(_row, golden.rows.strip().splitlines()))
    metrics = dict.fromkeys(metric for row in rows for metric in row.values)
    rule = {"kind": "rule", "name": "golden", **yaml.safe_load(golden.rule)}
    return Case(1000, tuple(metrics), rows, golden.attributes, (rule,), "wide", "csv", stamps="ms")


def _expected(golden: Golden) -> list[tuple[str, int, str, str, str]]:
    lines = (line.split() for line in golden.expected.strip().splitlines())
    return [(device, int(n), state, iso(_ms(at)), iso(_ms(onset))) for device, n, state, at, onset in lines]


GOLDENS = (
    Golden(
        "PENDING → FIRING at the first TRUE sample at or after t0 + for. Silence alone never completes `for`.",
        "{when: temp > 5, for: 30s}",
        "a 0 temp=9\na 20 temp=9\na 100 temp=9\na 110 temp=3",
        "a 1 firing 100 0\na 1 resolved 110 0",
    ),
    Golden(
        "PENDING → FIRING at the first TRUE sample at or after t0 + for; a FALSE sample → NORMAL.",
        "{when: temp > 5, for: 30s}",
        "a 0 temp=9\na 20 temp=5\na 30 temp=9\na 60 temp=9\na 70 temp=5",
        "a 1 firing 60 30\na 1 resolved 70 30",
    ),
    Golden(
        "Two samples further apart than `max_gap` → the later one is the new onset.",
        "{when: temp > 5, for: 30s, max_gap: 40s}",
        "a 0 temp=9\na 20 temp=9\na 100 temp=9\na 130 temp=9\na 140 temp=3\na 150 temp=9\na 190 temp=9",
        "a 1 firing 130 100\na 1 resolved 140 100\na 2 firing 190 150",
    ),
    Golden(
        "RECOVERING → NORMAL at or after t1 + keep_firing_for; any sample where it is FALSE → FIRING, same episode.",
        "{when: temp > 5, keep_firing_for: 20s}",
        "a 0 temp=9\na 10 temp=3\na 20 temp=9\na 30 temp=3\na 45 temp=3\na 50 temp=3\na 60 temp=9",
        "a 1 firing 0 0\na 1 resolved 50 0\na 2 firing 60 60",
    ),
    Golden(
        "With `count`, the condition holds if `when` was TRUE on n of the last `of` samples; emptied on resolve.",
        "{when: temp > 5, count: {n: 3, of: 5}}",
        "a 0 temp=9\na 10 temp=3\na 20 temp=9\na 30 temp=3\na 40 temp=9\na 50 temp=3\n"
        "a 60 temp=9\na 70 temp=9\na 80 temp=9",
        "a 1 firing 40 40\na 1 resolved 50 40\na 2 firing 80 80",
    ),
    Golden(
        "Only a sample on which `when` is TRUE starts PENDING or FIRING (count and for).",
        "{when: temp > 5, count: {n: 2, of: 3}, for: 15s}",
        "a 0 temp=9\na 10 temp=9\na 25 temp=3\na 30 temp=9\na 40 temp=3\na 45 temp=3",
        "a 1 firing 30 10\na 1 resolved 40 10",
    ),
    Golden(
        "Arithmetic that is not finite is NULL; under `hold` it is as if the sample had not come.",
        "{when: temp / p > 2}",
        "a 0 temp=9 p=1\na 10 temp=9 p=0\na 20 temp=9 p=9\na 30 temp=0 p=0",
        "a 1 firing 0 0\na 1 resolved 20 0",
    ),
    Golden(
        "UNKNOWN under `ok` is FALSE.",
        "{when: temp / p > 2, missing: ok}",
        "a 0 temp=9 p=1\na 10 temp=9 p=0\na 20 temp=9 p=9\na 30 temp=0 p=0",
        "a 1 firing 0 0\na 1 resolved 10 0",
    ),
    Golden(
        "UNKNOWN under `breach` is TRUE.",
        "{when: temp / p > 2, missing: breach}",
        "a 0 temp=9 p=1\na 10 temp=9 p=0\na 20 temp=9 p=9\na 30 temp=0 p=0",
        "a 1 firing 0 0\na 1 resolved 20 0\na 2 firing 30 30",
    ),
    Golden(
        "A `clear` of the rule's own is judged by itself on every sample that the rule sees; UNKNOWN changes nothing.",
        "{when: temp / p > 2, clear: temp < 5}",
        "a 0 temp=9 p=1\na 10 temp=7 p=9\na 20 temp=4 p=0\na 30 temp=9 p=1\na 40 p=1\na 400 p=1\na 410 temp=1",
        "a 1 firing 0 0\na 1 resolved 20 0\na 2 firing 30 30\na 2 resolved 410 30",
    ),
    Golden(
        "A sample that resolves does not open the next episode, one that fires does not clear it.",
        "{when: temp > 5, clear: temp > 7}",
        "a 0 temp=9\na 10 temp=9\na 20 temp=9\na 30 temp=6\na 40 temp=8",
        "a 1 firing 0 0\na 1 resolved 10 0\na 2 firing 20 20\na 2 resolved 40 20",
    ),
    Golden(
        "The row holds the last value of each other metric if not older than `join_within` (else NULL).",
        "{when: temp > 5 AND p > 5, join_within: 30s}",
        "a 0 p=9\na 30 temp=9\na 31 temp=9\na 40 p=1\na 41 temp=9 p=9\na 72 p=1",
        "a 1 firing 30 30\na 1 resolved 40 30\na 2 firing 41 41\na 2 resolved 72 41",
    ),
    Golden(
        "A rule sees a sample only if it holds a new reading of a metric that the rule names.",
        "{when: temp > 5, for: 30s}",
        "a 0 temp=9 p=1\na 40 p=1\na 50 temp=9",
        "a 1 firing 50 0",
    ),
    Golden(
        "With `missing: breach` or `ok` it sees every sample of the device.",
        "{when: temp > 5, for: 30s, missing: ok}",
        "a 0 temp=9 p=1\na 40 p=1\na 50 temp=9",
        "a 1 firing 40 0",
    ),
    Golden(
        "A sample older than the last evaluated one is stored and counted, and changes no state.",
        "{when: temp > 5}",
        "a 0 temp=3\na 20 temp=3\na 10 temp=9\na 40 temp=3",
        "",
    ),
    Golden(
        "Within `lateness`, samples are put in order before they are evaluated.",
        "{when: temp > 5, lateness: 15s}",
        "a 0 temp=3\na 20 temp=3\na 10 temp=9\na 40 temp=9",
        "a 1 firing 10 10\na 1 resolved 20 10\na 2 firing 40 40",
    ),
    Golden(
        "The same reading twice (device, metric, ts) counts once: with count it would fire at 0.",
        "{when: temp > 5, count: {n: 2, of: 2}}",
        "a 0 temp=9\nb 0 temp=1\na 0 temp=9\na 5 temp=9",
        "a 1 firing 5 5",
    ),
    Golden(
        "A reading that arrives apart with the event time of the last sample makes one more sample of the merged row.",
        "{when: temp > 5 AND p > 5, join_within: 0s}",
        "a 0 temp=9\nb 0 temp=1\na 0 p=9\na 5 temp=1 p=9",
        "a 1 firing 0 0\na 1 resolved 5 0",
    ),
    Golden(
        "The readings of one message are taken in order of event time.",
        "{when: temp > 5, for: 10s}",
        "a 30@100 temp=3\na 10@100 temp=9\na 20@100 temp=9\na 40@101 temp=9\na 35@102 temp=3\na 50@103 temp=9",
        "a 1 firing 20 10\na 1 resolved 30 10\na 2 firing 50 40",
    ),
    Golden(
        "`op: silence` runs on receive time and ticks of one second; `at` is the tick's second.",
        "{signals: {quiet: {op: silence}}, when: quiet > 10}",
        "a 0 temp=1\na 20.5 temp=1\nb 40 temp=1",
        "a 1 firing 11 11\na 1 resolved 21 11\na 2 firing 31 31",
    ),
    Golden(
        "Silence of a metric: other metrics do not end it, and the reading itself does.",
        "{signals: {quiet: {op: silence, of: temp}}, when: quiet >= 10, for: 5s}",
        "a 0@1 temp=1 p=1\na 9@9 p=1\na 18@20 temp=1\nb 25@25 temp=1",
        "a 1 firing 16 11\na 1 resolved 18 11",
    ),
    Golden(
        "The change that would exceed `transitions` is withheld: the last episode reopens, marked flapping, once.",
        "{when: temp > 5, flapping: {transitions: 2, within: 60s}}",
        "a 0 temp=9\na 10 temp=3\na 20 temp=9\na 30 temp=3\na 40 temp=9\na 50 temp=3\n"
        "a 80 temp=3\na 110 temp=3\na 120 temp=9",
        "a 1 firing 0 0\na 1 resolved 10 0\na 1 flapping 20 0\na 1 resolved 110 0\na 2 firing 120 120",
    ),
    Golden(
        "flapping: the episode stays; it resolves when there was no change for the whole window and `clear` holds.",
        "{when: temp > 5, flapping: {transitions: 1, within: 60s}}",
        "a 0 temp=9\na 10 temp=3\na 69 temp=3\na 70 temp=3",
        "a 1 firing 0 0\na 1 flapping 10 0\na 1 resolved 70 0",
    ),
    Golden(
        "slope: least-squares; 3 readings at least; per minute −6, then −4.2.",
        "{signals: {s: {op: slope, of: temp, over: 60s, per: 1m}}, when: s < -5}",
        "a 0 temp=10\na 10 temp=9\na 20 temp=8\na 30 temp=8",
        "a 1 firing 20 20\na 1 resolved 30 20",
    ),
    Golden(
        "delta: value minus the last value at or before t − over, if that is not older than t − 2 × over.",
        "{signals: {d: {op: delta, of: temp, over: 30s}}, when: d > 3}",
        "a 0 temp=1\na 30 temp=5\na 61 temp=9\na 130 temp=20\na 161 temp=20\na 221 temp=30",
        "a 1 firing 30 30\na 1 resolved 161 30\na 2 firing 221 221",
    ),
    Golden(
        "mean: readings of the metric itself in (t − over, t], never carried values.",
        "{signals: {m: {op: mean, of: temp, over: 20s}}, when: m > 5 AND p > 0}",
        "a 0 temp=9 p=1\na 10 temp=1 p=1\na 20 p=1\na 30 p=1\na 31 temp=8 p=1",
        "a 1 firing 0 0\na 1 resolved 10 0\na 2 firing 31 31",
    ),
    Golden(
        "zscore: 10 readings at least; median 5, MAD 0: (6 − 5) ÷ (1e-3 × 5) = 200.",
        "{signals: {z: {op: zscore, of: temp, over: 1h}}, when: z > 199}",
        "".join(f"a {t} temp=5\n" for t in range(8)) + "a 8 temp=9\na 9 temp=5\na 10 temp=6\na 11 temp=5",
        "a 1 firing 10 10\na 1 resolved 11 10",
    ),
    Golden(
        "times: how often the expression went from not TRUE to TRUE within the window.",
        "{signals: {n: {op: times, expr: temp > 5, over: 60s}}, when: n >= 2}",
        "a 0 temp=9\na 10 temp=3\na 20 temp=9\na 30 temp=9\na 60 temp=3\na 79 temp=3\na 80 temp=9",
        "a 1 firing 20 20\na 1 resolved 60 20",
    ),
    Golden(
        "held: seconds TRUE without a break (UNKNOWN does not break); ewma: s ← s + (1 − 2^(−Δt / half_life)) (x − s).",
        "{signals: {h: {op: held, expr: temp > 5}, e: {op: ewma, of: p, half_life: 10s}}, when: h >= 20 AND e > 5.9}",
        "a 0 temp=6 p=0\na 10 temp=6 p=8\na 20 temp=6 p=8\na 30 temp=6 p=0\na 31 temp=1 p=9",
        "a 1 firing 20 20\na 1 resolved 30 20",
    ),
    Golden(
        "`applies_to`: SQL over device attributes and device_id; UNKNOWN does not apply. NULL attributes are NULL.",
        "{when: 'temp > coalesce(max_temp, 5)', applies_to: region = 'EU' AND device_id <> 'c'}",
        "a 0 temp=6\nb 0 temp=6\nc 0 temp=9\nd 0 temp=9\ne 0 temp=9",
        "b 1 firing 0 0",
        {
            "a": {"region": "EU", "max_temp": 7},
            "b": {"region": "EU", "max_temp": None},
            "c": {"region": "EU", "max_temp": 7},
            "d": {"region": None, "max_temp": 7},
        },
    ),
)


def _short(lines: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [(x["device_id"], x["episode"], x["state"], x["at"], x["onset"]) for x in lines]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.sentence[:60])
def test_the_reference_gives_the_answer_computed_by_hand(golden: Golden) -> None:
    case = case_of(golden)
    assert _short(reference(case.rules, case.rows, case.attributes)) == _expected(golden)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.sentence[:60])
def test_the_back_test_gives_the_answer_computed_by_hand(golden: Golden, tmp_path: Path) -> None:
    assert _short(backtest_lines(case_of(golden), tmp_path)) == _expected(golden)
