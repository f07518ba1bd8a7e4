"""From what all screened rules say of a board to steps of machines: only devices that are not well are looked at."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.faults import EpisodeState
from rules.board import Board
from rules.detector import Detector
from rules.machine import FALSE, TRUE, UNKNOWN, Span
from rules.readout import Readout
from rules.samples import Flags, Ints
from rules.screening import Screened
from rules.segments import spans
from rules.telling import Taken

_NEVER_TOO_LONG = 2**62


class _Rows(NamedTuple):
    """Rows to look at: by rule, of a rule by device, of a device in order."""

    rule: Ints
    """Place of the rule among the screened ones."""
    row: Ints
    """On the board."""
    slot: Ints
    when: NDArray[np.int8]
    clear: NDArray[np.int8]

    def take(self, wanted: Flags) -> "_Rows":
        return _Rows(self.rule[wanted], self.row[wanted], self.slot[wanted], self.when[wanted], self.clear[wanted])


def judge(screening: Screened, detectors: Sequence[Detector], readout: Readout) -> list[list[Taken]]:
    """Move the machines of the screened rules; the steps of each, `Taken.point` being a row of the board."""
    taken: list[list[Taken]] = [[] for _ in detectors]
    rule, place = _unwell(screening, detectors, readout)
    rows = _moving(_rows(screening, detectors, readout.board, rule, place), detectors)
    for number, slot, stretches in _stretches(rows, detectors, readout.board.rows.ts):
        taken[number] += [
            Taken(step, slot, span.times[step.offset], int(rows.row[span.point + step.offset]))
            for span, step in detectors[number].move(slot, stretches)
        ]
    return taken


def _unwell(screening: Screened, detectors: Sequence[Detector], readout: Readout) -> tuple[Ints, Ints]:
    """Pairs of a rule and a device, by place on the board, that has a row that rises or is not NORMAL."""
    board, devices = readout.board, len(readout.board.slots)
    rule, row = np.nonzero((screening.when == TRUE) & screening.seen)
    machines = np.array([len(detector.machines) for detector in detectors], dtype=np.int64)
    standing = chain.from_iterable(detector.machines for detector in detectors)
    slots = np.fromiter(standing, dtype=np.int64, count=int(machines.sum()))
    place = np.minimum(np.searchsorted(board.slots, slots), devices - 1)
    here = (board.slots[place] == slots) & (board.ends[place] > board.starts[place])
    stands = np.repeat(np.arange(len(detectors)), machines)[here]
    pairs = np.concatenate([rule * devices + board.group[row], stands * devices + place[here]])
    rule, place = np.divmod(np.unique(pairs), devices)
    asked = [number for number, detector in enumerate(detectors) if not detector.for_all]
    if not asked or not len(rule):
        return rule, place
    applies = np.ones(len(rule), dtype=np.bool_)
    for number in asked:
        mine = slice(*np.searchsorted(rule, [number, number + 1]))
        applies[mine] = detectors[number].applicable(readout.devices, board.slots[place[mine]])
    return rule[applies], place[applies]


def _rows(screening: Screened, detectors: Sequence[Detector], board: Board, rule: Ints, place: Ints) -> _Rows:
    """The rows of these devices that mean something to the rule."""
    size = board.ends[place] - board.starts[place]
    row, owner = spans(board.starts[place], size), np.repeat(rule, size)
    when, clear = screening.when[owner, row], screening.clear[owner, row]
    own_clear = np.array([detector.program.clear is not None for detector in detectors], dtype=np.bool_)
    rows = _Rows(owner, row, board.slots[np.repeat(place, size)], when, clear)
    return rows.take(screening.seen[owner, row] & (own_clear[owner] | (when != UNKNOWN)))


def _moving(rows: _Rows, detectors: Sequence[Detector]) -> _Rows:
    """Without the devices whose episode just goes on: FIRING, and not a row that clears it."""
    if not len(rows.row):
        return rows
    begins = _begins(rows)
    starts = np.flatnonzero(begins)
    own_clear = np.array([detector.program.clear is not None for detector in detectors], dtype=np.bool_)
    clears = np.where(own_clear[rows.rule], rows.clear == TRUE, rows.when == FALSE)
    moving = np.logical_or.reduceat(clears, starts)
    still = np.flatnonzero(~moving)
    pairs = zip(rows.rule[starts[still]].tolist(), rows.slot[starts[still]].tolist(), strict=True)
    moving[still] = [not _goes_on(detectors[number], slot) for number, slot in pairs]
    return rows.take(np.repeat(moving, np.diff(np.append(starts, len(begins)))))


def _goes_on(detector: Detector, slot: int) -> bool:
    machine, rule = detector.machines.get(slot), detector.rule
    steady = rule.count is None and rule.flapping is None  # else each sample counts
    return steady and machine is not None and machine.state is EpisodeState.FIRING


def _begins(rows: _Rows) -> Flags:
    """Where a rule's rows of a device begin."""
    begins = np.ones(len(rows.row), dtype=np.bool_)
    begins[1:] = (rows.slot[1:] != rows.slot[:-1]) | (rows.rule[1:] != rows.rule[:-1])
    return begins


def _stretches(rows: _Rows, detectors: Sequence[Detector], ts: Ints) -> Iterator[tuple[int, int, list[Span]]]:
    """Per rule and device the stretches of equal truth; `Span.point` is a position in `rows`."""
    if not len(rows.row):
        return
    time, begins = ts[rows.row], _begins(rows)
    cut = begins | _holes(rows, detectors, time, begins)
    cut[1:] |= (rows.when[1:] != rows.when[:-1]) | (rows.clear[1:] != rows.clear[:-1])
    starts = np.flatnonzero(cut)
    ends = np.append(starts[1:], len(cut)).tolist()
    moments, stretches = time.tolist(), list[Span]()
    heads = (rows.rule[starts], rows.slot[starts], rows.when[starts], rows.clear[starts], begins[starts])
    columns = (starts.tolist(), ends, *(column.tolist() for column in heads))
    number = slot = -1
    for at, end, whose, device, when, clear, new in zip(*columns, strict=True):
        if new and stretches:
            yield number, slot, stretches
            stretches = []
        number, slot = whose, device
        stretches.append(Span(moments[at:end], when, clear, at))
    yield number, slot, stretches


def _holes(rows: _Rows, detectors: Sequence[Detector], time: Ints, begins: Flags) -> Flags:
    """Rows more than `max_gap` after the last one that counted."""
    found = np.zeros(len(time), dtype=np.bool_)
    gaps = [detector.rule.max_gap_ms for detector in detectors]
    longest = np.array([_NEVER_TOO_LONG if gap is None else gap for gap in gaps], dtype=np.int64)
    counted = np.flatnonzero(rows.when != UNKNOWN)
    owner = np.cumsum(begins)[counted]
    apart = np.diff(time[counted]) > longest[rows.rule[counted[1:]]]
    found[counted[1:][apart & (owner[1:] == owner[:-1])]] = True
    return found
