"""From a machine's steps to transitions, each with what the rule's names stood for when it happened."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from domain.clock import from_ms
from domain.faults import EndReason, Transition, TransitionState
from domain.telemetry import Value
from rules.machine import Step
from rules.model import Rule
from rules.readout import Readout
from rules.samples import Batch
from rules.scene import Scene, Viewer
from rules.screening import Screened

Evidence = Mapping[str, Value]


class Found(NamedTuple):
    """A transition, and the ordinal of the message or tick that made it."""

    entry: int
    transition: Transition


class Taken(NamedTuple):
    """A machine's step, and the point that made it."""

    step: Step
    slot: int
    at: int
    point: int


class Moved(NamedTuple):
    """What one board did to one rule's machines."""

    scene: Scene
    taken: Sequence[Taken]


def looked_at(viewer: Viewer, moved: Moved) -> Iterator[Evidence]:
    """The evidence of one rule that has a view of its own."""
    at = np.array([one.point for one in moved.taken], dtype=np.int64)
    times = moved.scene.points.time[at].tolist()
    later_s = [(one.at - time) / 1000 for one, time in zip(moved.taken, times, strict=True)]
    return viewer.evidence(moved.scene, at, later_s)


def screened(screening: Screened, parts: Mapping[str, "Moved"]) -> dict[str, list[Evidence]]:
    """The evidence of all rules that were judged together, by name, read at once."""
    rows = {
        name: scene.points.row[np.array([one.point for one in taken], dtype=np.int64)]
        for name, (scene, taken) in parts.items()
    }
    wanted = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *rows.values()]))
    keys = dict.fromkeys(key for name in parts for key in screening.names[name].values())
    table = screening.frame.select(list(keys))[wanted].rows() if keys else [()] * len(wanted)
    place = {key: number for number, key in enumerate(keys)}
    return {
        name: [
            {
                what: value
                for what, key in screening.names[name].items()
                if (value := table[row][place[key]]) is not None
            }
            for row in np.searchsorted(wanted, mine).tolist()
        ]
        for name, mine in rows.items()
    }


def tell(rule: Rule, moved: Moved, evidence: Iterable[Evidence], readout: Readout, batch: Batch) -> list[Found]:
    """The transitions of one rule on one board."""
    points, rows, devices = moved.scene.points, readout.board.rows, readout.devices
    found = []
    for one, known in zip(moved.taken, evidence, strict=True):
        if points.tick[one.point]:
            entry, received = batch.entry_of_tick(one.at), one.at
        else:
            row = int(points.row[one.point])
            entry, received = int(rows.entry[row]), int(rows.received[row])
        device_id = devices.device_id(one.slot)
        found.append(Found(entry, transition(rule, one.step, device_id, at=one.at, received=received, evidence=known)))
    return _mark_superseded(found)


def transition(
    rule: Rule,
    step: Step,
    device_id: str,
    *,
    at: int,
    received: int,
    evidence: Evidence | None = None,
    reason: EndReason = EndReason.CLEARED,
) -> Transition:
    """`reason` is that of an episode that ends here."""
    return Transition(
        rule=rule.name,
        version=rule.version,
        device_id=device_id,
        episode=step.episode,
        state=step.state,
        at=from_ms(at),
        onset=from_ms(step.onset),
        severity=rule.severity,
        received_at=from_ms(received),
        reason=reason if step.state is TransitionState.RESOLVED else None,
        evidence=evidence or {},
    )


def _mark_superseded(found: list[Found]) -> list[Found]:
    """Of the episodes that one message opened on one device, all but the newest."""
    opened: dict[tuple[str, int], int] = {}
    newest: dict[tuple[str, int], int] = {}
    for entry, one in found:
        if one.state is TransitionState.FIRING and entry >= 0:
            opened[one.device_id, one.episode] = entry
            newest[one.device_id, entry] = one.episode
    if len(newest) == len(opened):
        return found

    def superseded(one: Transition) -> bool:
        entry = opened.get((one.device_id, one.episode))
        return entry is not None and newest[one.device_id, entry] != one.episode

    return [
        Found(entry, replace(one, superseded=True)) if superseded(one) else Found(entry, one) for entry, one in found
    ]
