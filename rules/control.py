"""Log entries that change what the engine does: rules in force, devices and their attributes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from domain.clock import to_ms
from domain.errors import SourceError
from domain.faults import EndReason, Stage, Transition
from domain.telemetry import DeviceChanged, DeviceDeleted, PeerSummary, RuleActivated, RuleRetired, Serviced, Value
from rules.detector import Detector
from rules.lanes import Lane
from rules.loader import rule_from_manifest
from rules.model import Rule
from rules.program import compile_rule
from rules.samples import NEVER
from rules.state import State, Track, settle_kinds

LAST_SERVICE = "last_service"
"""The device attribute that says when it was last serviced, ISO 8601; for recordings, which have no service records."""
IDLE_STAGES = frozenset({Stage.DRAFT, Stage.RETIRED})
"""Rules in these stages are not evaluated."""

Control = RuleActivated | RuleRetired | DeviceChanged | DeviceDeleted | Serviced | PeerSummary


def take(state: State, entry: Control) -> list[Transition]:
    """Apply one entry; the episodes that end by it."""
    match entry:
        case RuleActivated():
            return _activate_from_log(state, entry)
        case RuleRetired():
            state.refused.pop(entry.name, None)
            return _retire(state, entry.name)
        case DeviceChanged():
            return list(_change(state, entry))
        case DeviceDeleted():
            return list(_delete(state, entry))
        case Serviced():
            _serviced(state, state.devices.slot(entry.device_id), entry.at)
        case PeerSummary():
            for track in state.tracks.values():
                track.past.beyond.summarised(entry, track.lane)
    return []


def activate(state: State, rule: Rule) -> list[Transition]:
    """Put a rule in force. One that looks for the same thing as before goes on where that stood."""
    state.refused.pop(rule.name, None)
    program = compile_rule(rule)
    old = detector_of(state, rule.name)
    ended: list[Transition] = []
    if old is not None and _same_question(old.rule, rule):
        detector = replace(old, program=program)
    else:
        ended = list(_end_all(state, rule.name))
        detector = Detector(program, episodes=state.past_episodes.pop(rule.name, {}))
    for track in state.tracks.values():
        track.detectors.pop(rule.name, None)
    track = state.tracks.setdefault(rule.lateness_ms, Track(Lane(rule.lateness_ms)))
    track.detectors[rule.name] = detector
    _drop_empty(state)
    detector.settle_kinds({**state.devices.kinds, **state.kinds})
    track.past.reach(program, detector.kinds, track.lane.evaluated)
    return ended


def _activate_from_log(state: State, entry: RuleActivated) -> list[Transition]:
    if entry.stage in IDLE_STAGES:
        return _retire(state, entry.name)
    try:
        rule = rule_from_manifest(entry.body, version=entry.version)
        old = detector_of(state, rule.name)
        ended = activate(state, rule)
        if old is None or not _same_question(old.rule, rule):
            state.cold.add(rule.name)
        elif old.rule.lateness_ms != rule.lateness_ms:
            state.cold.add(rule.name)
            state.moved.add(rule.name)
        return ended
    except (SourceError, ExceptionGroup) as exc:
        # The log cannot be mended: a rule that was let in by mistake must not stop the others.
        state.refused[entry.name] = "; ".join(map(str, getattr(exc, "exceptions", [exc])))
        return _retire(state, entry.name)


def _same_question(old: Rule, new: Rule) -> bool:
    return (old.when, old.clear, old.applies_to, old.product, old.signals) == (
        new.when,
        new.clear,
        new.applies_to,
        new.product,
        new.signals,
    )


def _retire(state: State, name: str) -> list[Transition]:
    """Out of force; a lane goes with its last rule."""
    ended = list(_end_all(state, name))
    for track in state.tracks.values():
        track.detectors.pop(name, None)
    _drop_empty(state)
    return ended


def _end_all(state: State, name: str) -> Iterator[Transition]:
    for track in state.tracks.values():
        detector = track.detectors.get(name)
        if detector is not None:
            for slot in sorted(detector.machines):
                yield from _end(state, track, detector, slot, EndReason.RULE_RETIRED)
            state.past_episodes[name] = detector.episodes


def _drop_empty(state: State) -> None:
    for lateness in [lateness for lateness, track in state.tracks.items() if not track.detectors]:
        del state.tracks[lateness]


def _change(state: State, entry: DeviceChanged) -> Iterator[Transition]:
    names = set(state.devices.kinds)
    slot = state.devices.change(entry)
    if state.ticked.one(slot) == NEVER and entry.registered_at:
        state.ticked.put_one(slot, max(state.coverage.last, entry.registered_at - 1))
    at = service_time(entry.attributes.get(LAST_SERVICE))
    if at is not None:
        _serviced(state, slot, at)
    for name in sorted(state.devices.kinds.keys() - names):
        settle_kinds(state, name)
    for track in state.tracks.values():
        for detector in track.detectors.values():
            if not detector.applies_to(state.devices, slot):
                yield from _end(state, track, detector, slot, EndReason.NOT_APPLICABLE)


def service_time(written: Value | None) -> int | None:
    """The attribute that says when a device was last serviced, as epoch ms; None where it is no time. Without a zone
    it is UTC, as in a recording."""
    if isinstance(written, float | int) and not isinstance(written, bool):
        return int(written)
    try:
        said = datetime.fromisoformat(str(written or ""))
    except ValueError:
        return None
    return to_ms(said if said.tzinfo else said.replace(tzinfo=UTC))


def _serviced(state: State, slot: int, at: int) -> None:
    """A record that is older than the last one changes nothing."""
    if at > state.devices.serviced.one(slot):
        state.devices.serviced.put_one(slot, at)
        for track in state.tracks.values():
            track.past.beyond.learned.serviced(slot, at)


def _delete(state: State, entry: DeviceDeleted) -> Iterator[Transition]:
    slot = state.devices.slots.get(entry.device_id)
    if slot is None:
        return
    for track in state.tracks.values():
        for detector in track.detectors.values():
            yield from _end(state, track, detector, slot, EndReason.DEVICE_DELETED)
            detector.forget(slot)
        track.lane.forget(slot)
        track.past.forget(slot)
    for episodes in state.past_episodes.values():
        episodes.pop(slot, None)
    state.devices.delete(entry.device_id)


def _end(state: State, track: Track, detector: Detector, slot: int, reason: EndReason) -> Iterator[Transition]:
    """At the device's last sample: the entry itself has no time."""
    known = [moment for moment in (track.lane.evaluated.one(slot), state.coverage.last) if moment > NEVER]
    at = known[0] if known else 0
    heard = track.lane.heard.one(slot)
    ended = detector.end(slot, state.devices, reason, at=at, received=heard if heard > NEVER else at)
    if ended is not None:
        yield ended


def detector_of(state: State, name: str) -> Detector | None:
    """The rule of that name, if it is in force."""
    found = (track.detectors[name] for track in state.tracks.values() if name in track.detectors)
    return next(found, None)
