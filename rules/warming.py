"""A rule that comes into force looks back: what the log still holds is evaluated for it alone, with effects off.

What is over is forgotten; an episode that is still open is told as the rule's own, so that a fault that the latest
samples show is noticed at once, and windows are full from the start. The rule's neighbours are not touched: of the past
they know all that they asked for already.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from domain.faults import Transition, TransitionState
from domain.telemetry import LogEntry, PeerSummary, Tick, Uplink
from rules.control import activate, detector_of
from rules.detector import Detector
from rules.program import Program
from rules.readout import Past
from rules.samples import NEVER
from rules.state import State, Track

DAY_MS = 86_400_000
"""A device that speaks once a day has its latest sample in here."""
HALF_LIVES = 10
"""After so many, what an average began with weighs less than a thousandth."""

LEARNING_MS = {"anomaly": 14 * DAY_MS, "usage": 90 * DAY_MS}
"""What has no window wants to look back as far as is worth the reading."""

Observe = Callable[[State, Sequence[LogEntry]], tuple[State, list[Transition]]]


def lookback_ms(program: Program) -> int:
    """How far back samples matter to the rule, at least."""
    rule = program.rule
    windows = (
        max(2 * (signal.over_ms or 0), HALF_LIVES * (signal.half_life_ms or 0), LEARNING_MS.get(signal.op, 0))
        for signal in program.signals.values()
    )
    return DAY_MS + max(windows, default=0) + rule.for_ms + rule.join_within_ms + rule.lateness_ms


def cold(state: State) -> dict[str, int]:
    """Rules that came into force and have not looked back: since when they should, by receive time."""
    now = state.coverage.last
    found = {}
    for name in state.cold:
        detector = detector_of(state, name)
        if detector is not None:
            found[name] = now - lookback_ms(detector.program) if now > NEVER else 0
    return found


def look_back(state: State, name: str, past: Iterable[Sequence[LogEntry]], *, observe: Observe) -> list[Transition]:
    """Let rule `name` look back at `past`, in log order and up to where it came into force; `state` is changed.

    Returns the transitions of the episodes that are open at the end: none for a rule that asks what it asked before
    and only waits differently for samples, since it keeps where it stands.
    """
    moved = name in state.moved
    state.cold.discard(name)
    state.moved.discard(name)
    detector = detector_of(state, name)
    if detector is None:
        return []
    scratch = _fresh(state)
    activate(scratch, detector.rule)
    open_ = defaultdict[str, list[Transition]](list)
    for entries in past:
        scratch, found = observe(scratch, [entry for entry in entries if _counts(state, entry)])
        for one in found:
            if one.state is TransitionState.RESOLVED:
                open_.pop(one.device_id, None)
            else:
                open_[one.device_id].append(one)
    alone = detector_of(scratch, name)
    if alone is None:
        return []
    _remember(state.tracks[detector.rule.lateness_ms], scratch.tracks[detector.rule.lateness_ms], detector)
    if moved:
        return []
    numbers = _hand_over(alone, detector)
    told = [
        replace(one, episode=numbers[state.devices.slot(device_id)])
        for device_id, all_ in open_.items()
        for one in all_
    ]
    return sorted(told, key=lambda one: (one.at, one.device_id))


def _fresh(state: State) -> State:
    """The devices, and nothing heard of them yet; one that is registered is there for ticks from then on."""
    scratch = State(devices=state.devices, kinds=dict(state.kinds))
    slots = state.devices.live()
    registered_at = state.devices.registered_at.get(slots)
    known = registered_at != 0
    scratch.ticked.put(slots[known], registered_at[known] - 1)
    return scratch


def _counts(state: State, entry: LogEntry) -> bool:
    """Rules and devices are as they are now, whatever they were then."""
    return isinstance(entry, Tick | PeerSummary) or (
        isinstance(entry, Uplink) and entry.device_id in state.devices.slots
    )


def _hand_over(alone: Detector, detector: Detector) -> dict[int, int]:
    """Give the rule in force what it knows of each device, and the open episodes its own next numbers."""
    numbers: dict[int, int] = {}
    for slot, machine in alone.machines.items():
        machine.episode = detector.episodes.pop(slot, 0) + machine.open
        numbers[slot] = machine.episode
    detector.machines = alone.machines
    detector.memories = alone.memories
    return numbers


def _remember(track: Track, alone: Track, detector: Detector) -> None:
    """What nobody else on the track asked for is taken over from the rule that looked back alone."""
    others = [one for one in track.detectors.values() if one is not detector]
    if not others:
        track.lane, track.past = alone.lane, alone.past
        return
    asked = Past()
    for other in others:
        asked.reach(other.program, other.kinds, track.lane.evaluated)
    wanted = frozenset().union(*(other.channels for other in others))
    if not any(other.program.hears_all for other in others):
        track.lane.carries |= {channel: one for channel, one in alone.lane.carries.items() if channel not in wanted}
    for channel, history in alone.past.histories.items():
        if channel not in asked.histories or asked.histories[channel].horizon < history.horizon:
            track.past.histories[channel] = history
    for key, averages in alone.past.averages.items():
        if key not in asked.averages:
            track.past.averages[key] = averages
    track.past.beyond.adopt(alone.past.beyond, asked=asked.beyond)
    for metric, times in alone.past.ears.heard.items():
        if metric not in asked.ears.heard:
            track.past.ears.heard[metric] = times
