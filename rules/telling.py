"""From a machine's steps to transitions, each with what the rule's names stood for when it happened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from domain.clock import from_ms
from domain.faults import EndReason, Transition, TransitionState
from domain.telemetry import Value
from rules.devices import Devices
from rules.machine import Step
from rules.model import Rule
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


@lru_cache(maxsize=4096)
def _moment(ms: int) -> datetime:
    """Rules that find the same thing find it at the same time."""
    return from_ms(ms)


def evidence_of(screening: Screened, taken: Mapping[str, Sequence[Taken]]) -> dict[str, list[Evidence]]:
    """The evidence of all rules that were judged together, by name, read at once."""
    rows = {name: np.array([one.point for one in steps], dtype=np.int64) for name, steps in taken.items()}
    wanted = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *rows.values()]))
    keys = dict.fromkeys(key for name in taken for key in screening.names[name].values())
    table = screening.frame.select(list(keys))[wanted].rows() if keys else [()] * len(wanted)
    place = {key: number for number, key in enumerate(keys)}
    found: dict[str, list[Evidence]] = {}
    for name, mine in rows.items():
        columns = [(what, place[key]) for what, key in screening.names[name].items()]
        cells = (table[row] for row in np.searchsorted(wanted, mine).tolist())
        found[name] = [{what: row[at] for what, at in columns if row[at] is not None} for row in cells]
    return found


def tell(
    rule: Rule,
    taken: Sequence[Taken],
    arrivals: Iterable[tuple[int, int]],
    evidence: Iterable[Evidence],
    devices: Devices,
) -> list[Found]:
    """The transitions of one rule on one board; `arrivals` are entry and time of receipt, per step."""
    found = []
    for one, (entry, received), known in zip(taken, arrivals, evidence, strict=True):
        device_id = devices.device_id(one.slot)
        told = transition(rule, one.step, device_id, at=one.at, received=received, evidence=known)
        found.append(Found(entry, told))
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
        at=_moment(at),
        onset=_moment(step.onset),
        severity=rule.severity,
        received_at=_moment(received),
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
