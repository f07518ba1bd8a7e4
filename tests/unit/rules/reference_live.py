"""Runs a case through the engine the way live traffic reaches it: log entries of one device, cut into batches."""

import math
from collections.abc import Iterator
from typing import Any

from domain.faults import Transition
from domain.telemetry import DeviceChanged, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.backtest import to_line
from rules.engine import dump, flush, load, new_state, observe
from rules.signals.peers import summaries
from rules.survey import survey
from tests.unit.rules.reference_engine import Message, messages, ticks
from tests.unit.rules.reference_strategies import Case


def live_lines(case: Case, *, cut: int) -> list[dict[str, Any]]:
    """What `observe` answers to batches of `cut` entries, the state stored and loaded after each, in sorted order."""
    entries = list(log_entries(case))
    state, found = new_state(), list[Transition]()
    for start in range(0, len(entries), cut):
        state, steps = observe(state, entries[start : start + cut])
        found += steps
        state = load(dump(state))
    found += flush(state)
    return [to_line(step) for step in sorted(found, key=lambda x: (x.at, x.rule, x.device_id, x.episode))]


def _any_op(case: Case, op: str) -> bool:
    return any(spec["op"] == op for rule in case.rules for spec in rule.get("signals", {}).values())


def log_entries(case: Case, *, stage: str = "live") -> Iterator[LogEntry]:
    """The case as the log would hold it: rules and devices, then messages with ticks and summaries of peers among them.

    Summaries are what an engine that reads along says of its devices at the whole minute.
    """
    state, unread = new_state(), list[LogEntry]()
    for entry in (*_control(case, stage), *_traffic(case)):
        if isinstance(entry, int):
            state, _ = observe(state, unread)
            found = survey(state, at=entry)
            unread = [summary for subject, groups in found.items() for summary in summaries(subject, groups, at=entry)]
            yield from unread
        else:
            unread.append(entry)
            yield entry


def _control(case: Case, stage: str) -> Iterator[LogEntry]:
    for rule in case.rules:
        yield RuleActivated(rule["name"], 1, stage, rule)
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
