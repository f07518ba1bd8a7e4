"""The multi-metric detector: what it promises whatever the channels are."""

import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.detectors.interface import ALARM
from rules.detectors.multi import PATIENCE, MultiDetector
from rules.samples import Floats
from tests.unit.rules.reference_multi import Device

SEEDS = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=6)


def stream(detector: MultiDetector, values: Floats) -> Floats:
    """Scores (devices, rows) of values (devices, rows, metrics), one round a row."""
    slots = np.arange(len(values))
    rounds = [detector.update(slots, np.full(len(slots), row * 1000), values[:, row]) for row in range(values.shape[1])]
    return np.stack(rounds, axis=1)


def eventful(seed: int, devices: int, metrics: int, rows: int = 600) -> Floats:
    """Correlated noise of every kind a device has: quantised, two-valued, constant, wandering, frozen; and steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(devices, rows, metrics)) @ rng.normal(size=(metrics, metrics))
    for device in range(devices):
        for channel in range(metrics):
            kind = rng.integers(6)
            c = x[device, :, channel]
            shapes = {0: np.round(c), 1: (c > 1) * 230.0, 2: np.full(rows, 7.0), 3: np.cumsum(c)}
            x[device, :, channel] = shapes.get(kind, c)
            if kind == 4:
                x[device, rng.integers(rows) :, channel] = c[0]
        x[device, rng.integers(400, rows) :, rng.integers(metrics)] += 9
    return x


def correlated(devices: int, rows: int) -> Floats:
    """Two channels that follow one load, up to a little noise of their own."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(devices, rows, 1)) + 0.1 * rng.normal(size=(devices, rows, 2))


@few
@given(seed=SEEDS, metrics=st.integers(2, 9))
def test_every_score_is_what_the_plain_reference_computes(seed: int, metrics: int) -> None:
    values = eventful(seed, 2, metrics)
    plain = [Device(metrics) for _ in values]
    expected = [[device.score(row) for row in rows] for device, rows in zip(plain, values, strict=True)]
    np.testing.assert_allclose(stream(MultiDetector(metrics), values), expected, rtol=1e-6, atol=1e-9)


@few
@given(seed=SEEDS, metrics=st.integers(2, 9), data=st.data())
def test_scores_do_not_depend_on_rounds_nor_on_other_slots(seed: int, metrics: int, data: st.DataObject) -> None:
    values = eventful(seed, 4, metrics)
    together = stream(MultiDetector(metrics), values)
    rng, apart, done = np.random.default_rng(seed), MultiDetector(metrics), np.zeros(4, np.int64)
    scores = np.full(together.shape, -1.0)
    slots = np.array(data.draw(st.permutations([0, 3, 40, 7])))
    while (done < values.shape[1]).any():
        now = rng.permutation(np.nonzero((done < values.shape[1]) & (rng.random(4) < 0.6))[0])
        scores[now, done[now]] = apart.update(slots[now], done[now] * 1000, values[now, done[now]])
        done[now] += 1
    np.testing.assert_array_equal(scores, together)


@few
@given(seed=SEEDS, metrics=st.integers(2, 9), cut=st.integers(0, 599))
def test_a_snapshot_at_any_point_goes_on_bit_for_bit(seed: int, metrics: int, cut: int) -> None:
    values = eventful(seed, 3, metrics)
    through, first = MultiDetector(metrics), MultiDetector(metrics)
    whole = stream(through, values)
    before = stream(first, values[:, :cut]) if cut else whole[:, :0]
    plain: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(first.dump()))
    second = MultiDetector.load(plain)
    np.testing.assert_array_equal(np.concatenate([before, stream(second, values[:, cut:])], axis=1), whole)
    assert msgspec.msgpack.encode(second.dump()) == msgspec.msgpack.encode(through.dump())


@few
@given(seed=SEEDS, metrics=st.integers(2, 6), exponents=st.lists(st.integers(-9, 9), min_size=6, max_size=6))
def test_the_unit_of_a_channel_does_not_matter(seed: int, metrics: int, exponents: list[int]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, 600, metrics)) @ rng.normal(size=(metrics, metrics))
    values[:, 500:, 0] += 5
    factor = 10.0 ** np.array(exponents[:metrics]) * rng.choice([-1, 1], metrics)
    moved = (values + 20 * rng.normal(size=metrics)) * factor
    expected = stream(MultiDetector(metrics), values)
    np.testing.assert_allclose(stream(MultiDetector(metrics), moved), expected, rtol=1e-4, atol=1e-6)


@few
@given(seed=SEEDS, metrics=st.integers(2, 9))
def test_the_order_of_the_channels_does_not_matter(seed: int, metrics: int) -> None:
    values = eventful(seed, 3, metrics)
    order = np.random.default_rng(seed).permutation(metrics)
    expected = stream(MultiDetector(metrics), values)
    np.testing.assert_allclose(stream(MultiDetector(metrics), values[:, :, order]), expected, rtol=1e-6, atol=1e-9)


@few
@given(seed=SEEDS, metrics=st.integers(1, 5), largest=st.sampled_from([1e-300, 1e-9, 1.0, 1e9, 1e150, 1e300]))
def test_a_score_is_a_number_from_0_to_1_whatever_the_values(seed: int, metrics: int, largest: float) -> None:
    values = eventful(seed, 3, metrics)
    values *= largest / np.abs(values).max()
    values[0, 450] = sys.float_info.max
    values[1, 50] = -sys.float_info.max
    detector = MultiDetector(metrics)
    scores = stream(detector, values)
    assert np.isnan(scores[:, : detector.learning_rows + 1]).all()
    assert ((scores[:, detector.learning_rows + 1 :] >= 0) & (scores[:, detector.learning_rows + 1 :] <= 1)).all()
    for slot in range(3):
        assert detector.contributions(slot).sum() == pytest.approx(1)
        assert (detector.contributions(slot) >= 0).all()


def test_a_step_in_one_of_two_channels_that_move_together_alarms_and_names_it() -> None:
    values = correlated(20, 500)
    values[:, 450:, 1] += 0.8
    detector = MultiDetector(2)
    scores = stream(detector, values[:, :460])
    assert (scores[:, 450:460] >= ALARM).any(axis=1).mean() > 0.9
    alone = np.random.default_rng(6).normal(size=(20, 470, 5))
    alone[:, 460:, 3] += 3
    detector = MultiDetector(5)
    assert (stream(detector, alone)[:, -1] >= ALARM).all()
    assert all(detector.contributions(slot).argmax() == 3 for slot in range(20))


def test_a_move_that_the_channels_have_always_made_together_does_not_alarm() -> None:
    values = correlated(20, 500)
    values[:, 450:452] += 0.8
    assert (stream(MultiDetector(2), values)[:, 450:455] >= ALARM).any(axis=1).mean() < 0.1


@pytest.mark.parametrize("memory", [0.0, 0.9, 1.0])
def test_noise_drifting_or_not_seldom_alarms(memory: float) -> None:
    values = np.random.default_rng(7).normal(size=(40, 2400, 4))
    for row in range(1, values.shape[1]):
        values[:, row] += memory * values[:, row - 1]
    assert (stream(MultiDetector(4), values)[:, 401:] >= ALARM).mean() < 0.02


def test_a_constant_channel_neither_alarms_nor_hides_a_fault() -> None:
    values = np.random.default_rng(8).normal(size=(20, 520, 4))
    values[:, :, 2] = 230.0
    values[:, 480:, 0] += 4
    scores = stream(MultiDetector(4), values)
    assert (scores[:, 401:480] >= ALARM).mean() < 0.03
    assert (scores[:, 500:] >= ALARM).mean() > 0.9


def test_all_channels_constant_for_ever_score_nothing() -> None:
    assert (stream(MultiDetector(3), np.full((2, 500, 3), 1e9))[:, 401:] == 0).all()


def test_an_alarm_lasts_while_the_fault_does_and_ends_soon_after_it() -> None:
    values = np.random.default_rng(9).normal(size=(20, 900, 4))
    values[:, 500:800, 1] += 6
    scores = stream(MultiDetector(4), values)
    assert (scores[:, 510:800] >= ALARM).mean() > 0.98
    assert (scores[:, 840:] >= ALARM).mean() < 0.1


def test_an_alarm_that_never_ends_becomes_the_new_normal() -> None:
    rows = 500 + 400 * PATIENCE
    values = np.random.default_rng(10).normal(size=(5, rows + 600, 2))
    values[:, 450:, 0] += 20
    scores = stream(MultiDetector(2), values)
    assert (scores[:, 460 : rows - 100] >= ALARM).all()
    assert np.isnan(scores[:, rows]).all()
    assert (scores[:, -100:] >= ALARM).mean() < 0.1


def test_a_forgotten_slot_learns_anew() -> None:
    values = eventful(1, 2, 3)
    detector = MultiDetector(3)
    stream(detector, values[:, :450])
    detector.forget(0)
    detector.forget(99)
    np.testing.assert_array_equal(stream(detector, values)[0], stream(MultiDetector(3), values)[0])


def test_a_dump_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'multi' version 1"):
        MultiDetector.load({"kind": "multi", "version": 0})


def test_an_empty_round_is_no_round() -> None:
    nothing = np.array([], np.int64)
    assert MultiDetector(2).update(nothing, nothing, np.zeros((0, 2))).shape == (0,)
