"""Runs a case through the engine the way live traffic reaches it: log entries of one device, cut into batches."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from domain.faults import Transition
from domain.telemetry import DeviceChanged, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.backtest import to_line
from rules.engine import State, dump, flush, load, new_state, observe
from rules.signals.peers import summaries
from rules.survey import survey
from tests.unit.rules.reference_engine import Message, messages, ticks
from tests.unit.rules.reference_strategies import Case


def live_lines(case: Case, *, cut: int) -> list[dict[str, Any]]:
    """What `observe` answers to batches of `cut` entries, the state stored and loaded after each, in sorted order."""
    state, found = new_state(), list[Transition]()
    for part in _batches([*_control(case), *_traffic(case)], cut):
        state, steps = observe(state, _summaries(state, part) if isinstance(part, int) else part)
        found += steps
        state = load(dump(state))
    found += flush(state)
    return [to_line(step) for step in sorted(found, key=lambda x: (x.at, x.rule, x.device_id, x.episode))]


def _batches(entries: Sequence[LogEntry | int], cut: int) -> Iterator[list[LogEntry] | int]:
    """Batches of `cut` entries; a minute, at which a summary is taken, stands by itself."""
    batch: list[LogEntry] = []
    for entry in entries:
        if batch and (isinstance(entry, int) or len(batch) == cut):
            yield batch
            batch = []
        if isinstance(entry, int):
            yield entry
        else:
            batch.append(entry)
    if batch:
        yield batch


def _summaries(state: State, minute: int) -> list[LogEntry]:
    return [
        entry for about, groups in survey(state, at=minute).items() for entry in summaries(about, groups, at=minute)
    ]


def _any_op(case: Case, op: str) -> bool:
    return any(spec["op"] == op for rule in case.rules for spec in rule.get("signals", {}).values())


def _control(case: Case) -> Iterator[LogEntry]:
    for rule in case.rules:
        yield RuleActivated(rule["name"], 1, "live", rule)
    for device_id, known in (case.attributes or {}).items():
        attributes = {name: value for name, value in known.items() if value is not None}
        yield DeviceChanged(device_id, "", attributes, registered_at=case.registered.get(device_id, 0))


def _traffic(case: Case) -> Iterator[LogEntry | int]:
    """Messages in order of the time that their device had reached, with ticks and, for peers, minutes between them."""
    clock, reached = list(ticks(case.rows)) if _any_op(case, "silence") else [], dict[str, int]()
    minute = None if _any_op(case, "peers") else math.inf
    arrivals: list[tuple[int, Message]] = []
    for message in messages(case.rows):
        device = message.device_id
        reached[device] = max(reached.get(device, message.received_at), message.received_at)
        arrivals.append((reached[device], message))
    for now, message in sorted(arrivals, key=lambda arrival: arrival[0]):
        while clock and clock[0] < now:
            yield Tick(clock.pop(0), "reference")
        before = -(-now // 60_000) * 60_000 - 60_000
        if minute is not None and before > minute:
            yield before
        minute = before if minute is None else max(before, minute)
        if samples := tuple(Sample(ts, values) for ts, values in message.samples if values):
            yield Uplink(message.device_id, message.received_at, samples)
    yield from (Tick(second, "reference") for second in clock)
