"""Runs a case through the engine the way live traffic reaches it: log entries of one device, cut into batches."""

from collections.abc import Iterator
from typing import Any

from domain.faults import Transition
from domain.telemetry import DeviceChanged, LogEntry, RuleActivated, Sample, Tick, Uplink
from rules.backtest import to_line
from rules.engine import dump, flush, load, new_state, observe
from tests.unit.rules.reference_engine import Message, messages, ticks
from tests.unit.rules.reference_strategies import Case


def live_lines(case: Case, *, cut: int) -> list[dict[str, Any]]:
    """What `observe` answers to batches of `cut` entries, the state stored and loaded after each, in sorted order."""
    arrivals: dict[str, list[Message]] = {device_id: [] for device_id in case.registered}
    for message in messages(case.rows):
        arrivals.setdefault(message.device_id, []).append(message)
    found: list[Transition] = []
    for device_id, own in arrivals.items():
        entries = [*_control(case, device_id), *_traffic(case, own)]
        state = new_state()
        for start in range(0, len(entries), cut):
            state, steps = observe(state, entries[start : start + cut])
            found += steps
            state = load(dump(state))
        found += flush(state)
    return [to_line(step) for step in sorted(found, key=lambda x: (x.at, x.rule, x.device_id, x.episode))]


def _control(case: Case, device_id: str) -> Iterator[LogEntry]:
    for rule in case.rules:
        yield RuleActivated(rule["name"], 1, "live", rule)
    known = (case.attributes or {}).get(device_id, {})
    attributes = {name: value for name, value in known.items() if value is not None}
    yield DeviceChanged(device_id, "", attributes, registered_at=case.registered.get(device_id, 0))


def _traffic(case: Case, arrivals: list[Message]) -> Iterator[LogEntry]:
    """A device's messages with the ticks between them."""
    clock, reached = list(ticks(case.rows)), 0
    for message in arrivals:
        reached = max(reached, message.received_at)
        while clock and clock[0] < reached:
            yield Tick(clock.pop(0), "reference")
        if samples := tuple(Sample(ts, values) for ts, values in message.samples if values):
            yield Uplink(message.device_id, message.received_at, samples)
    yield from (Tick(second, "reference") for second in clock)
