"""`prevenant score`: one signal at every sample of a recording, by the engine that runs live."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from domain.errors import SourceError
from rules.backtest import vocabulary_of
from rules.control import activate
from rules.documents import raise_all
from rules.engine import new_state, observe
from rules.fleet import read_devices
from rules.model import Missing, Rule, Signal
from rules.playback import play
from rules.readings import Layout, Recording, read_readings
from rules.samples import Flags, Floats, Ints, Rows
from rules.scene import Scene
from rules.segments import bound
from rules.vocabulary import Problem

Progress = Callable[[int, int], None]
"""Told how many of how many rows are done."""


def score(
    signal: Signal,
    readings_path: Path,
    devices_path: Path | None = None,
    *,
    layout: Layout | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Columns `device_id`, `ts` (epoch ms), `score` (NULL where the signal is): a row per sample, in input order.

    Samples that came too late are among them, with NULL; a repetition of a reading is no sample. Raises SourceError, or
    an ExceptionGroup of them, for files that are wrong or a signal that does not fit the readings.
    """
    recording = read_readings(readings_path, layout)
    devices = read_devices(devices_path) if devices_path is not None else []
    rule = _rule(signal, recording)
    problems = vocabulary_of(recording, devices, ()).problems(rule)
    raise_all([_told(problem) for problem in problems])
    state = new_state()
    state.kinds.update(recording.kinds)
    observe(state, devices)
    activate(state, rule)
    scribe = _Scribe(rule.signals[0].name)
    state.tracks[0].detectors[rule.name].watch = scribe.take
    for batch, _ in play(state, recording):
        scribe.settle(batch.rows)
        if progress is not None:
            progress(scribe.samples, len(recording))
    names = {slot: device_id for device_id, slot in state.devices.slots.items()}
    return scribe.table(names)


def _rule(signal: Signal, recording: Recording) -> Rule:
    """A rule that never fires, sees every sample, and looks at the signal."""
    name = next(name for name in (f"score{number or ''}" for number in count()) if name not in recording.kinds)
    named = replace(signal, name=name)
    return Rule(name="score", when=f"FALSE AND {name} IS NULL", missing=Missing.OK, signals=(named,))


def _told(problem: Problem) -> SourceError:
    """A mistake of the rule around the signal is one of the signal."""
    key = ".".join(map(str, problem.at[2:]))
    return SourceError(problem.error.problem, cure=problem.error.cure, key=f"--signal: {key}")


@dataclass(slots=True)
class _Scribe:
    """Writes down what the engine saw."""

    name: str
    samples: int = 0
    parts: list[tuple[Ints, Ints, Floats, Flags]] = field(default_factory=list)
    """Per batch, in input order: slot, event time, value, and whether the sample was evaluated."""
    seen: list[tuple[Rows, Ints, Floats]] = field(default_factory=list)

    def take(self, scene: Scene, rows: Rows) -> None:
        """What one rule saw on one board: its points, and the board's rows."""
        samples = np.flatnonzero(~scene.points.tick)
        values = scene.frame[self.name].fill_null(float("nan")).to_numpy()
        self.seen.append((rows, scene.points.row[samples], values[samples]))

    def settle(self, rows: Rows) -> None:
        """The batch is over: put what was seen in the order of its rows."""
        value, done = np.full(len(rows), np.nan), np.zeros(len(rows), dtype=np.bool_)
        for board, at, values in self.seen:
            first = np.searchsorted(rows.entry, board.entry[at])
            end = np.searchsorted(rows.entry, board.entry[at], side="right")
            place = bound(rows.ts, first, end, board.ts[at])
            value[place], done[place] = values, True
        self.seen.clear()
        self.samples += len(rows)
        self.parts.append((rows.slot, rows.ts, value, done))

    def table(self, names: dict[int, str]) -> pl.DataFrame:
        slot, ts, value, done = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        ids = pl.Series([names[number] for number in range(len(names))], dtype=pl.String)
        found = pl.DataFrame({"device_id": ids.gather(slot), "ts": ts, "score": value, "done": done})
        repeated = ~pl.col("done") & (pl.col("done").any().over("device_id", "ts"))
        return found.filter(~repeated).select("device_id", "ts", pl.col("score").fill_nan(None))
