"""One rule in force: looks at a board, and moves the machines of the devices that are not well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.faults import EndReason, Transition, TransitionState
from rules.devices import DEVICE_ID, UNASKED, Devices
from rules.machine import TRUE, UNKNOWN, Machine, Span, Step
from rules.model import Kind, Rule
from rules.probes import probes
from rules.program import Conditions, Program, channels, settle_kinds, translate
from rules.readout import Readout
from rules.samples import Batch, Channel, Flags, Ints, Rows
from rules.scene import Scene, Viewer
from rules.screening import Shared, share
from rules.signals import logic
from rules.slots import SlotInts
from rules.tally import Tally
from rules.telling import Found, Taken, tell, transition
from rules.truth import codes, frame_of

_NOBODY = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Detector:
    """A rule and where it stands on every device."""

    program: Program
    kinds: dict[str, Kind] = field(default_factory=dict)
    channels: frozenset[Channel] = frozenset()
    conditions: Conditions = field(default_factory=Conditions)
    shared: Shared | None = None
    """For rules that look at samples alone: judged all at once."""
    machines: dict[int, Machine] = field(default_factory=dict)
    """Of the devices that are not plainly NORMAL."""
    episodes: dict[int, int] = field(default_factory=dict)
    """Number of the last episode, of the others."""
    memories: dict[str, logic.Memory] = field(default_factory=dict)
    """Of `since`, `held`, `times`, by signal name."""
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

    def seen(self, readout: Readout) -> Flags:
        """Rows of the board that hold a new reading of what the rule names, or all."""
        return readout.every if self.program.sees_all else readout.fresh(self.channels)

    def observe(self, readout: Readout, batch: Batch, *, ticked: Ints, until: Ints) -> list[Found]:
        """Everything that the board's samples and ticks do to a rule with a view of its own."""
        board, seen = readout.board, self.seen(readout)
        applies = self.applicable(readout.devices, board.slots)
        if len(board.rows) and not applies.all():
            seen = seen & applies[board.group]
        viewer = Viewer(self.program, self.kinds, self.conditions, self.memories)
        scene = viewer.view(readout, seen, applies, batch, ticked=ticked, until=until)
        if self.tally is not None:
            self.tally.devices.update(board.slots[applies].tolist())
        if scene is None:
            return []
        if self.watch is not None:
            self.watch(scene, board.rows)
        if self.tally is not None:
            self._count(self.tally, scene, viewer, batch)
        taken = self._follow(viewer, scene, batch)
        if not taken:
            return []
        at = np.array([one.point for one in taken], dtype=np.int64)
        later_s = [(one.at - time) / 1000 for one, time in zip(taken, scene.points.time[at].tolist(), strict=True)]
        arrivals = [_arrival(scene, one, readout, batch) for one in taken]
        return tell(self.rule, taken, arrivals, viewer.evidence(scene, at, later_s), readout.devices)

    @property
    def for_all(self) -> bool:
        """Whether it applies to every device without asking."""
        return not self.rule.product and self.program.applies_to is None

    def applicable(self, devices: Devices, slots: Ints) -> Flags:
        """Whether the rule applies to these devices: its product, and `applies_to` TRUE."""
        if self.for_all:
            return np.ones(len(slots), dtype=np.bool_)
        answers = devices.answer(self.rule.product, self.rule.applies_to)
        known = answers.get(slots)
        if (known == UNASKED).any():
            self._ask(devices, answers, slots[known == UNASKED])
            known = answers.get(slots)
        found: Flags = known == TRUE
        return found

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
        device_id = devices.device_id(slot)
        return transition(self.rule, step, device_id, at=at, received=received, reason=reason)

    def forget(self, slot: int) -> None:
        """The device is gone; its number is not used again."""
        self.machines.pop(slot, None)
        self.episodes.pop(slot, None)

    def _ask(self, devices: Devices, answers: SlotInts, slots: Ints) -> None:
        products = (devices.products[slot] for slot in slots.tolist())
        fits = np.array([not (self.rule.product and own) or own == self.rule.product for own in products])
        condition = self.program.applies_to
        if condition is not None:
            hints = {name: devices.kinds[name] for name in condition.names if name in devices.kinds}
            kinds = condition.infer({**hints, DEVICE_ID: Kind.STRING}, wanted=Kind.BOOLEAN)
            columns = {name: devices.attribute(name, kinds[name], slots) for name in condition.names}
            fits &= codes(frame_of(columns, len(slots)), condition.to_polars(kinds)) == TRUE
        answers.put(slots, fits.astype(np.int64))

    def _follow(self, viewer: Viewer, scene: Scene, batch: Batch) -> list[Taken]:
        chosen, taken = self._chosen(scene), list[Taken]()
        for slot, stretches in viewer.spans(scene, chosen, batch.ticks) if len(chosen) else ():
            for span, step in self.move(slot, stretches):
                tick = bool(scene.points.tick[chosen[span.point]])
                point = int(chosen[span.point if tick else span.point + step.offset])
                taken.append(Taken(step, slot, span.times[step.offset], point))
        return taken

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
        for slot, stretches in viewer.spans(scene, known, batch.ticks) if len(known) else ():
            tally.follow(slot, stretches)

    def move(self, slot: int, stretches: Sequence[Span]) -> list[tuple[Span, Step]]:
        """Let the device's machine take these samples; the steps it makes, and where."""
        machine = self.machines.pop(slot, None) or Machine(episode=self.episodes.pop(slot, 0))
        steps = [(span, step) for span in stretches for step in machine.advance(span, self.rule)]
        machine.forget_changes(stretches[-1].times[-1], self.rule)
        if not machine.idle:
            self.machines[slot] = machine
        elif machine.episode:
            self.episodes[slot] = machine.episode
        return steps


def _arrival(scene: Scene, one: Taken, readout: Readout, batch: Batch) -> tuple[int, int]:
    """Which entry made the step, and when it was received."""
    if scene.points.tick[one.point]:
        return batch.entry_of_tick(one.at), one.at
    row = int(scene.points.row[one.point])
    return int(readout.board.rows.entry[row]), int(readout.board.rows.received[row])
