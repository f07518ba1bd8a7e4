"""The engine: what the log says goes in, what rules say of devices comes out. Pure: no clock, no input or output.

`observe` is the one way in: live, replay and shadow hand it log entries, and the back-test hands it the same samples as
columns through `observe_batch`. The same entries give the same transitions however they are cut into batches.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from domain.faults import Transition
from domain.telemetry import LogEntry, Tick, Uplink
from rules.board import lay_out
from rules.control import take
from rules.hearing import Hearing
from rules.judging import judge
from rules.readout import Readout
from rules.samples import NEVER, Batch, Ints, RowBuilder, Rows, by_device, empty_rows
from rules.screening import screen
from rules.segments import group_starts
from rules.snapshot import dump, load
from rules.state import State, Track, settle_kinds
from rules.telling import Found, evidence_of, tell
from rules.warming import cold, look_back

__all__ = ["State", "cold", "dump", "flush", "load", "new_state", "observe", "observe_batch", "warm"]


BEFORE_TICKS = NEVER + 1
"""Before the first tick, and yet not NEVER: a device that was heard then has all ticks before it."""


def new_state() -> State:
    """Before the first entry."""
    return State()


def observe(state: State, entries: Sequence[LogEntry]) -> tuple[State, list[Transition]]:
    """Take entries in log order; `state` is changed and handed back. Transitions come in order of the entries."""
    found: list[Transition] = []
    telemetry: list[Uplink | Tick] = []
    for entry in entries:
        if isinstance(entry, Uplink | Tick):
            telemetry.append(entry)
            continue
        if telemetry:
            found += observe_batch(state, _batch(state, telemetry))
            telemetry = []
        found += take(state, entry)
    if telemetry:
        found += observe_batch(state, _batch(state, telemetry))
    return state, found


def warm(state: State, name: str, past: Iterable[Sequence[LogEntry]]) -> list[Transition]:
    """A rule that `cold` names looks back at what the log held before it; what it finds open is told."""
    return look_back(state, name, past, observe=observe)


def observe_batch(state: State, batch: Batch) -> list[Transition]:
    """The columnar way in: rows whose devices have numbers from `state.devices`, and ticks among them."""
    for channel in batch.rows.values:
        if channel.metric not in state.kinds:
            state.kinds[channel.metric] = channel.kind
            settle_kinds(state, channel.metric)
    rows = by_device(batch.rows)
    reach = _reach(state, rows, batch.until)
    found: list[Found] = []
    for track in state.tracks.values():
        wanted = track.wanted(rows)
        hearing = track.past.ears.listen(wanted)
        found += _observe_track(state, track, batch, reach, track.lane.admit(wanted), hearing=hearing)
    state.ticked.put(reach.slots, reach.until - 1)
    if isinstance(batch.ticks, range):
        # Ticks of a recording have no place among its messages: each device's transitions stay as they came.
        return [one.transition for one in found]
    return _in_order(found)


def flush(state: State) -> list[Transition]:
    """The end of a recording: what still waits for its turn is evaluated."""
    found: list[Found] = []
    none = np.empty(0, dtype=np.int64)
    for track in state.tracks.values():
        rows = track.lane.flush()
        if rows is not None:
            hearing = track.past.ears.listen(empty_rows())
            found += _observe_track(state, track, Batch(rows, ()), Reach(none, none, none), rows, hearing=hearing)
    return _in_order(found)


class Reach(NamedTuple):
    """How far ticks are over, for the devices that a batch is about."""

    slots: Ints
    """Ascending."""
    ticked: Ints
    """The last tick behind the device before the batch."""
    until: Ints
    """Ticks before this are behind it after the batch."""

    def of(self, slots: Ints) -> tuple[Ints, Ints]:
        """`ticked` and `until` of these devices; those that the batch is not about have no ticks."""
        if not len(self.slots):
            return np.zeros_like(slots), np.full_like(slots, NEVER)
        place = np.minimum(np.searchsorted(self.slots, slots), len(self.slots) - 1)
        known = self.slots[place] == slots
        return self.ticked[place], np.where(known, self.until[place], NEVER)


def _reach(state: State, rows: Rows, until_all: int | None) -> Reach:
    starts = group_starts(rows.slot)
    slots, bound = rows.slot[starts], rows.bound
    first, until = bound[starts], np.maximum.reduceat(bound, starts) if len(starts) else bound
    ticked = state.ticked.get(slots)
    # A device is there for ticks from its first sample on, or from its registration if that is earlier.
    ticked = np.where(ticked == NEVER, first - 1, np.minimum(ticked, first - 1))
    if until_all is None:
        return Reach(slots, ticked, np.maximum(until, ticked + 1))
    state.ticked.put(slots, ticked)
    everyone = state.devices.live()
    ticked = state.ticked.get(everyone)
    counting = ticked > NEVER
    everyone, ticked = everyone[counting], ticked[counting]
    return Reach(everyone, ticked, np.maximum(until_all, ticked + 1))


def _observe_track(
    state: State, track: Track, batch: Batch, reach: Reach, rows: Rows, *, hearing: Hearing
) -> list[Found]:
    extra = reach.slots if track.ticks and len(batch.ticks) else np.empty(0, dtype=np.int64)
    board = lay_out(track.lane, rows, extra=extra)
    if not len(board.slots):
        hearing.settle()
        return []
    readout = Readout(board, state.devices, track.past, state.coverage, hearing)
    ticked, until = reach.of(board.slots)
    found = _judge(track, readout)
    for name, detector in track.detectors.items():
        if name not in found:
            found[name] = detector.observe(readout, batch, ticked=ticked, until=until)
    readout.settle()
    board.settle()
    return [one for name in track.detectors for one in found[name]]


def _judge(track: Track, readout: Readout) -> dict[str, list[Found]]:
    """The rules that look at samples alone, all at once, but for those of which somebody wants to know more."""
    together = {
        name: detector
        for name, detector in track.detectors.items()
        if detector.shared is not None and detector.tally is None and detector.watch is None
    }
    found: dict[str, list[Found]] = {name: [] for name in together}
    if not together or not len(readout.board.rows):
        return found
    screening = screen(readout, {name: (one.shared, one.seen(readout)) for name, one in together.items() if one.shared})
    steps = dict(zip(together, judge(screening, list(together.values()), readout), strict=True))
    taken = {name: mine for name, mine in steps.items() if mine}
    evidence = evidence_of(screening, taken)
    rows = readout.board.rows
    for name, mine in taken.items():
        at = np.array([one.point for one in mine], dtype=np.int64)
        arrivals = zip(rows.entry[at].tolist(), rows.received[at].tolist(), strict=True)
        found[name] = tell(together[name].rule, mine, arrivals, evidence[name], readout.devices)
    return found


def _batch(state: State, entries: Sequence[Uplink | Tick]) -> Batch:
    """Rows and ticks of a stretch of the log; an entry's ordinal is its place in the stretch."""
    builder = RowBuilder()
    ticks: dict[int, int] = {}
    last = max(state.coverage.last, BEFORE_TICKS)
    for ordinal, entry in enumerate(entries):
        if isinstance(entry, Tick):
            state.coverage.tick(entry.at, covers_ms=entry.covers_ms)
            if entry.at > last:
                ticks[entry.at] = ordinal
                last = entry.at
        else:
            builder.add(entry, slot=state.devices.slot(entry.device_id), bound=last + 1, entry=ordinal)
    return Batch(builder.rows(), list(ticks), until=last + 1 if ticks else None, tick_entries=ticks)


def _in_order(found: list[Found]) -> list[Transition]:
    """By entry; of one entry by rule and device, and as they came."""
    found.sort(key=lambda one: (one.entry, one.transition.rule, one.transition.device_id))
    return [one.transition for one in found]
