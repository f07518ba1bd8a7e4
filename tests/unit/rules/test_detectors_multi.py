"""The multi-metric detector: what it promises whatever the channels are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.detectors.multi import MultiDetector
from rules.samples import Floats


def stream(detector: MultiDetector, values: Floats) -> Floats:
    """Scores (devices, rows) of values (devices, rows, metrics), one round a row."""
    slots = np.arange(len(values))
    rounds = [detector.update(slots, np.full(len(slots), row * 1000), values[:, row]) for row in range(values.shape[1])]
    return np.stack(rounds, axis=1)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), metrics=st.integers(2, 6))
def test_scores_do_not_depend_on_other_slots(seed: int, metrics: int) -> None:
    values = np.random.default_rng(seed).normal(size=(3, 420, metrics))
    together = stream(MultiDetector(metrics), values)
    alone = np.concatenate([stream(MultiDetector(metrics), values[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(together, alone)
