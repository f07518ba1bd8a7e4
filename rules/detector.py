"""One rule in force: looks at a board, and moves the machines of the devices that are not well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from domain.clock import from_ms
from domain.faults import EndReason, Transition, TransitionState
from rules.devices import DEVICE_ID, Devices
from rules.machine import TRUE, UNKNOWN, Machine, Span, Step
from rules.model import Kind, Rule
from rules.probes import probes
from rules.program import Conditions, Program, channels, settle_kinds, translate
from rules.readout import Readout
from rules.samples import Batch, Channel, Flags, Ints, Rows
from rules.scene import Scene, Viewer
from rules.screening import Shared, Verdict, share
from rules.signals import logic
from rules.slots import SlotInts
from rules.tally import Tally
from rules.truth import codes, frame_of

_UNASKED = -1
_NOBODY = np.empty(0, dtype=np.int64)


class Found(NamedTuple):
    """A transition, and the ordinal of the message or tick that made it."""

    entry: int
    transition: Transition


@dataclass(slots=True)
class Detector:
    """A rule and where it stands on every device."""

    program: Program
    kinds: dict[str, Kind] = field(default_factory=dict)
    channels: frozenset[Channel] = frozenset()
    conditions: Conditions = field(default_factory=Conditions)
    shared: Shared | None = None
    """For rules without signals: judged all at once."""
    machines: dict[int, Machine] = field(default_factory=dict)
    """Of the devices that are not plainly NORMAL."""
    episodes: dict[int, int] = field(default_factory=dict)
    """Number of the last episode, of the others."""
    memories: dict[str, logic.Memory] = field(default_factory=dict)
    """Of `since`, `held`, `times`, by signal name."""
    applies: SlotInts = field(default_factory=lambda: SlotInts(empty=_UNASKED))
    """Asked once per device, and again when its attributes change."""
    tally: Tally | None = None
    """Counts what the rule sees, where somebody asked for it."""
    watch: Callable[[Scene, Rows], None] | None = None
    """Is shown what the rule sees on each board, where somebody asked for it."""

    @property
    def rule(self) -> Rule:
        return self.program.rule

    def settle_kinds(self, seen: Mapping[str, Kind]) -> None:
        """Take kinds as they have been seen so far."""
        self.kinds = settle_kinds(self.program, seen)
        self.channels = channels(self.program, self.kinds)
        self.conditions = translate(self.program, self.kinds)
        self.shared = share(self.program, self.kinds)

    def observe(
        self, readout: Readout, batch: Batch, *, ticked: Ints, until: Ints, verdict: Verdict | None
    ) -> list[Found]:
        """Everything that the board's samples and ticks do to this rule; `verdict` if it was screened."""
        board = readout.board
        seen = np.ones(len(board.rows), dtype=np.bool_) if self.program.sees_all else board.fresh(self.channels)
        applies = self.applicable(readout.devices, board.slots)
        if len(board.rows) and not applies.all():
            seen &= applies[board.group]
        if self.tally is not None:
            self.tally.devices.update(board.slots[applies].tolist())
        viewer = Viewer(self.program, self.kinds, self.conditions, self.memories)
        scene: Scene | None
        if verdict is not None:
            scene = viewer.judged(readout, seen, verdict)
        else:
            scene = viewer.view(readout, seen, applies, batch, ticked=ticked, until=until)
        if scene is None:
            return []
        if self.watch is not None:
            self.watch(scene, board.rows)
        if self.tally is not None:
            self._count(self.tally, scene, viewer, batch)
        chosen, found = self._chosen(scene), list[Found]()
        if not len(chosen):
            return found
        teller = _Teller(self.rule, viewer, scene, chosen, readout, batch)
        taken: list[_Taken] = []
        for slot, spans in viewer.spans(scene, chosen, batch.ticks):
            taken += self._move(slot, spans, teller)
        return _mark_superseded(teller.tell(taken))

    def applicable(self, devices: Devices, slots: Ints) -> Flags:
        """Whether the rule applies to these devices: its product, and `applies_to` TRUE."""
        known = self.applies.get(slots)
        if (known == _UNASKED).any():
            self._ask(devices, slots[known == _UNASKED])
            known = self.applies.get(slots)
        found: Flags = known == TRUE
        return found

    def ask_again(self, slot: int) -> None:
        """The device has changed."""
        self.applies.put_one(slot, _UNASKED)

    def applies_to(self, devices: Devices, slot: int) -> bool:
        """`applicable` for one device."""
        return bool(self.applicable(devices, np.array([slot], dtype=np.int64))[0])

    def end(self, slot: int, devices: Devices, reason: EndReason, *, at: int, received: int) -> Transition | None:
        """Forget where the device stood; an episode that is open ends with `reason`."""
        machine = self.machines.pop(slot, None)
        for memory in self.memories.values():
            memory.forget(slot)
        if machine is None:
            return None
        self.episodes[slot] = machine.episode
        if not machine.open:
            return None
        step = Step(TransitionState.RESOLVED, 0, machine.episode, machine.onset)
        ended = _transition(self.rule, step, devices.device(slot).device_id, at=at, received=received)
        return replace(ended, reason=reason)

    def forget(self, slot: int) -> None:
        """The device is gone; its number is not used again."""
        self.machines.pop(slot, None)
        self.episodes.pop(slot, None)
        self.applies.put_one(slot, _UNASKED)

    def _ask(self, devices: Devices, slots: Ints) -> None:
        fits = np.array([self._fits_product(devices, slot) for slot in slots.tolist()])
        condition = self.program.applies_to
        if condition is not None:
            hints = {name: devices.kinds[name] for name in condition.names if name in devices.kinds}
            kinds = condition.infer({**hints, DEVICE_ID: Kind.STRING}, wanted=Kind.BOOLEAN)
            columns = {name: devices.attribute(name, kinds[name], slots) for name in condition.names}
            fits &= codes(frame_of(columns, len(slots)), condition.to_polars(kinds)) == TRUE
        self.applies.put(slots, fits.astype(np.int64))

    def _fits_product(self, devices: Devices, slot: int) -> bool:
        device = devices.device(slot)
        return not (self.rule.product and device.product) or self.rule.product == device.product

    def _chosen(self, scene: Scene) -> Ints:
        """The points of devices that are not well, without those that mean nothing to the rule."""
        rising = scene.slot[scene.when == TRUE]
        if not len(rising) and not self.machines:
            return _NOBODY
        known = np.fromiter(self.machines, dtype=np.int64, count=len(self.machines))
        busy = np.union1d(np.unique(rising), known)
        wanted = np.isin(scene.slot, busy)
        if self.program.clear is None:
            wanted &= scene.when != UNKNOWN
        return np.flatnonzero(wanted)

    def _count(self, tally: Tally, scene: Scene, viewer: Viewer, batch: Batch) -> None:
        tally.take(scene, lambda: probes(self.program.when, self.kinds))
        known = np.flatnonzero(scene.when != UNKNOWN)
        for slot, spans in viewer.spans(scene, known, batch.ticks) if len(known) else ():
            tally.follow(slot, spans)

    def _move(self, slot: int, spans: list[Span], teller: "_Teller") -> list["_Taken"]:
        machine = self.machines.pop(slot, None) or Machine(episode=self.episodes.pop(slot, 0))
        taken = [teller.place(step, span, slot) for span in spans for step in machine.advance(span, self.rule)]
        machine.forget_changes(spans[-1].times[-1], self.rule)
        if not machine.idle:
            self.machines[slot] = machine
        elif machine.episode:
            self.episodes[slot] = machine.episode
        return taken


class _Taken(NamedTuple):
    """A machine's step, and the point that made it."""

    step: Step
    slot: int
    at: int
    point: int


@dataclass(frozen=True, slots=True)
class _Teller:
    """Makes transitions of machines' steps."""

    rule: Rule
    viewer: Viewer
    scene: Scene
    chosen: Ints
    readout: Readout
    batch: Batch

    def place(self, step: Step, span: Span, slot: int) -> _Taken:
        tick = bool(self.scene.points.tick[self.chosen[span.point]])
        point = int(self.chosen[span.point if tick else span.point + step.offset])
        return _Taken(step, slot, span.times[step.offset], point)

    def tell(self, taken: list[_Taken]) -> list[Found]:
        """With the evidence of all steps read at once."""
        points, rows = self.scene.points, self.readout.board.rows
        at = np.array([one.point for one in taken], dtype=np.int64)
        later_s = [(one.at - int(time)) / 1000 for one, time in zip(taken, points.time[at], strict=True)]
        found = []
        for one, evidence in zip(taken, self.viewer.evidence(self.scene, self.readout, at, later_s), strict=True):
            if points.tick[one.point]:
                entry, received = self.batch.entry_of_tick(one.at), one.at
            else:
                row = int(points.row[one.point])
                entry, received = int(rows.entry[row]), int(rows.received[row])
            device_id = self.readout.devices.device(one.slot).device_id
            told = _transition(self.rule, one.step, device_id, at=one.at, received=received)
            found.append(Found(entry, replace(told, evidence=evidence)))
        return found


def _transition(rule: Rule, step: Step, device_id: str, *, at: int, received: int) -> Transition:
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
        reason=EndReason.CLEARED if step.state is TransitionState.RESOLVED else None,
    )


def _mark_superseded(found: list[Found]) -> list[Found]:
    """Of the episodes that one message opened on one device, all but the newest."""
    opened: dict[tuple[str, int], int] = {}
    newest: dict[tuple[str, int], int] = {}
    for entry, transition in found:
        if transition.state is TransitionState.FIRING and entry >= 0:
            opened[transition.device_id, transition.episode] = entry
            newest[transition.device_id, entry] = transition.episode

    def superseded(transition: Transition) -> bool:
        entry = opened.get((transition.device_id, transition.episode))
        return entry is not None and newest[transition.device_id, entry] != transition.episode

    return [
        Found(entry, replace(one, superseded=True)) if superseded(one) else Found(entry, one) for entry, one in found
    ]
