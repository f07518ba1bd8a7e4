"""What the engine does to all devices at once, against the same done to one device after the other."""

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.workload.weight import weight
from domain.faults import Transition
from domain.telemetry import DeviceDeleted, RuleActivated, Sample, Uplink
from rules.devices import Devices
from rules.directory import Directory, numbers
from rules.engine import new_state, observe, observe_batch
from rules.frames import batch_of, read_frame
from rules.hearing import REMEMBERED, Known
from rules.segments import running_maximum, spans
from rules.signals import folds
from rules.signals.blocks import Blocks
from rules.signals.history import Window
from tests.unit.rules.engine_story import device, reads, rule, short

HORIZON = 50

BATCHES = st.lists(
    st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=5),
    max_size=25,
)


def ints(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.sampled_from([None, HORIZON]))
def test_blocks_hold_what_a_list_per_device_would(batches: list[dict[int, list[int]]], horizon: int | None) -> None:
    blocks, plain = Blocks(), defaultdict[int, list[int]](list)
    for batch in batches:
        slots = sorted(batch)
        ts = {
            slot: [(plain[slot] or [0])[-1] + sum(batch[slot][: n + 1]) for n in range(len(batch[slot]))]
            for slot in slots
        }
        for slot in slots:
            plain[slot] += ts[slot]
        flat = [moment for slot in slots for moment in ts[slot]]
        count = [len(batch[slot]) for slot in slots]
        blocks.append(ints(slots), ints(count), ints(flat), ints(flat) * 0.5, horizon=horizon)
        for slot in slots:
            first, end = (int(one[0]) for one in blocks.stretches(ints([slot])))
            kept = blocks.ts[first:end].tolist()
            known = plain[slot]
            assert kept == known[len(known) - len(kept) :]
            assert blocks.value[first:end].tolist() == [moment * 0.5 for moment in kept]
            before = known[: -len(batch[slot])]
            if horizon is None:
                assert kept == known
            elif before:
                assert set(known) - set(kept) <= {moment for moment in before if moment < before[-1] - horizon}
    again = Blocks.of(*blocks.packed())
    for mine, other in zip(blocks.packed(), again.packed(), strict=True):
        assert mine.tolist() == other.tolist()


def test_a_long_series_takes_no_more_room_than_its_window() -> None:
    blocks = Blocks()
    for moment in range(0, 50_000, 10):
        blocks.append(ints([0, 1]), ints([1, 1]), ints([moment, moment]), np.zeros(2), horizon=1_000)
    assert len(blocks.ts) < 4 * 2 * 101


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-5, 30), min_size=1, max_size=20), min_size=1, max_size=6), st.integers(-5, 30))
def test_the_running_maximum_is_that_of_each_group(groups: list[list[int]], head: int) -> None:
    size = ints([len(group) for group in groups])
    starts = np.cumsum(size) - size
    found = running_maximum(ints([one for group in groups for one in group]), starts, np.full(len(groups), head))
    expected = [max([head, *group[: n + 1]]) for group in groups for n in range(len(group))]
    assert found.tolist() == expected
    assert spans(starts, size).tolist() == list(range(int(size.sum())))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=70), st.integers(0, 2**40))
def test_a_window_is_worth_the_same_folded_alone_or_with_others(series: list[float], clock: int) -> None:
    """Bit for bit, whatever o'clock it is: a batch folds alone what a back-test folds together."""
    values = np.array(series)
    ts = np.cumsum(np.arange(len(series)) % 7 + 1)
    ends = np.arange(1, len(series) + 1)
    every = Window(np.maximum(ends - 40, 0), ends)

    def answers(window: Window, shift: int) -> list[list[float]]:
        return [
            folds.total(values, window).tolist(),
            folds.mean(values, window).tolist(),
            folds.largest(values, window).tolist(),
            folds.stddev(values, window).tolist(),
            folds.slope(ts + shift, values, window).tolist(),
            folds.slope(ts + shift, values, window, counter=True).tolist(),
        ]

    together = answers(every, 0)
    alone = [answers(Window(every.start[n : n + 1], ends[n : n + 1]), clock) for n in range(len(series))]
    for what, column in enumerate(together):
        np.testing.assert_array_equal(column, [one[what][0] for one in alone])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=60), st.integers(1, 20))
def test_a_repetition_is_known_for_one_however_readings_are_batched(heard: list[tuple[int, int]], cut: int) -> None:
    known, past = Known(), defaultdict[int, list[int]](list)
    for start in range(0, len(heard), cut):
        batch = sorted(heard[start : start + cut], key=lambda one: one[0])
        found = known.take(ints([slot for slot, _ in batch]), ints([moment for _, moment in batch]))
        for (slot, moment), fresh in zip(batch, found.tolist(), strict=True):
            assert fresh == (moment not in past[slot][-REMEMBERED:])
            past[slot].append(moment)


def test_only_the_last_readings_are_remembered_also_within_one_batch() -> None:
    moments = [*range(REMEMBERED + 5), 0, REMEMBERED + 4]
    slots = ints([0] * len(moments))
    assert Known().take(slots, ints(moments))[-2:].tolist() == [True, False]


def test_the_directory_knows_each_device_and_no_other() -> None:
    devices = Devices()
    known = [f"d{n}" for n in range(500)]
    first = numbers(pl.Series(known), devices)
    assert first.tolist() == list(range(500))
    assert numbers(pl.Series(["d7", "new", "d499", "new"]), devices).tolist() == [7, 500, 499, 500]
    devices.delete("d7")
    assert numbers(pl.Series(["d7"]), devices).tolist() == [501]
    assert Directory(devices).find(pl.Series(["d8", "nobody"])).tolist() == [8, -1]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "device_id": st.sampled_from("abc"),
            "ts": st.integers(0, 20).map(lambda n: n * 1000),
            "temp": st.none() | st.integers(0, 10).map(float),
            "door": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(1, 30))
def test_the_columnar_door_leads_to_the_same_transitions_as_log_entries(rows: list[dict], cut: int) -> None:
    in_force = [
        rule("hot", when="temp > 6", for_="2s"),
        rule("mean", when="m > 5 AND door", signals={"m": {"op": "mean", "of": "temp", "over": "5s"}}),
        rule("late", when="temp > 4", lateness="3s"),
    ]
    plain, columns = new_state(), new_state()
    observe(plain, in_force)
    observe(columns, in_force)
    told, told_of_frames = [], []
    for start in range(0, len(rows), cut):
        part = rows[start : start + cut]
        told += observe(plain, [one for row in part if (one := uplink(row)) is not None])[1]
        text = "\n".join(json.dumps(row | {"received_at": start * 1000 + n}) for n, row in enumerate(part))
        told_of_frames += observe_batch(columns, batch_of(read_frame(text.encode()), columns.devices))
    assert lines(told_of_frames) == lines(told)


def lines(told: Sequence[Transition]) -> list[tuple[object, ...]]:
    return sorted((one.rule, one.device_id, *short(one), str(one.evidence)) for one in told)


def uplink(row: dict) -> Uplink | None:
    values = {name: row[name] for name in ("temp", "door") if row[name] is not None}
    return Uplink(row["device_id"], row["ts"], (Sample(row["ts"], values),)) if values else None


def test_a_healthy_device_costs_a_stateless_rule_nothing() -> None:
    def weigh(rules: int, devices: int) -> int:
        state = new_state()
        observe(state, [rule(f"r{n}", when=f"temp > {90 + n}", for_="5m") for n in range(rules)])
        for second in range(3):
            observe(state, [reads(second, f"d{n:04}", temp=20.0) for n in range(devices)])
        return weight(state)

    # A byte per device and rule would be 194 040; what is left are caches of the 49 rules themselves.
    assert (weigh(50, 4000) - weigh(1, 4000)) - (weigh(50, 40) - weigh(1, 40)) < 20_000


@pytest.mark.parametrize("asks", [{"product": "pump"}, {"applies_to": "region = 'EU'"}])
def test_rules_that_ask_alike_share_what_they_know_of_a_device(asks: dict[str, str]) -> None:
    state = new_state()
    observe(state, [device(f"d{n}", product="pump", region="EU") for n in range(100)])
    observe(state, [rule(f"r{n}", when="temp > 5", **asks) for n in range(20)])
    _, told = observe(state, [reads(0, f"d{n}", temp=9.0) for n in range(100)])
    assert len(told) == 2000
    assert len(state.devices.answers) == 1
    changed = device("d3", product="boiler", region="US")
    _, told = observe(state, [changed, reads(1, "d3", temp=1.0), reads(2, "d3", temp=9.0), DeviceDeleted("d4")])
    assert {one.reason for one in told if one.device_id == "d3"} == {"not_applicable"}
    assert len([one for one in told if one.device_id == "d3"]) == 20


def test_a_rule_that_looks_further_back_sees_no_more_than_the_shorter_one_had_kept() -> None:
    """Whatever room was left in a block: else the answer would depend on batches."""

    def count_after(batches: int) -> list[str]:
        state = new_state()
        signal = {"op": "count", "of": "temp", "over": "10s"}
        observe(state, [rule("short", when="s > 1000", signals={"s": signal})])
        past = [reads(second, temp=1.0) for second in range(100)]
        for start in range(0, 100, batches):
            observe(state, past[start : start + batches])
        longer: RuleActivated = rule("long", when="s > 0", signals={"s": {**signal, "over": "60s"}})
        _, told = observe(state, [longer, reads(100, temp=1.0)])
        return [str(one.evidence["s"]) for one in told]

    assert count_after(1) == count_after(7) == count_after(100) == ["12.0"]
