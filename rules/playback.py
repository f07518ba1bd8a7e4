"""A recording through the engine: batches, ticks, and each minute the summaries of peers, as live would have them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from domain.faults import Transition
from rules.chunks import batches
from rules.engine import State, observe, observe_batch
from rules.readings import Recording
from rules.samples import Batch
from rules.signals.peers import EVERY_MS, summaries
from rules.survey import survey

ROWS_PER_BATCH = 50_000


class Played(NamedTuple):
    """One batch, and what came of it."""

    batch: Batch
    transitions: list[Transition]


def play(state: State, recording: Recording, *, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Played]:
    """Hand the recording to the engine; `state` knows devices and rules, and is changed."""
    slots = np.array([state.devices.slot(device_id) for device_id in recording.device_ids], dtype=np.int64)
    ticks = any(track.ticks for track in state.tracks.values())
    minutes = Minutes(state) if any(track.past.beyond.subjects for track in state.tracks.values()) else None
    every_ms = EVERY_MS if minutes is not None else None
    for batch in batches(recording, slots, ticks=ticks, rows=rows_per_batch, every_ms=every_ms):
        if minutes is not None and len(batch.rows):
            minutes.reach(int(batch.rows.bound[0]))
        yield Played(batch, observe_batch(state, batch))


class Minutes:
    """Takes a summary at each whole minute of received time: after what was received in it, before what comes later."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.taken: int | None = None

    def reach(self, received: int) -> None:
        """Before something received at `received`. Of minutes in which nothing came only the last says more."""
        before = -(-received // EVERY_MS) * EVERY_MS - EVERY_MS
        if self.taken is not None and before > self.taken:
            for subject, groups in survey(self.state, at=before).items():
                observe(self.state, summaries(subject, groups, at=before))
        self.taken = before if self.taken is None else max(before, self.taken)
