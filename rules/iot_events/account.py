"""Keeps account of every part of a model: expressed, expressed with a difference, or left out by name."""

from dataclasses import dataclass, field
from enum import StrEnum

from rules.iot_events.models import STATE_KEEPING, DetectorModel

_LEFT = {
    "setVariable": "a rule keeps no variables of its own",
    "setTimer": "no timeout() that could be expressed waits for this timer",
    "resetTimer": "no timeout() that could be expressed waits for this timer",
    "clearTimer": "no timeout() that could be expressed waits for this timer",
}


class Weight(StrEnum):
    """What became of a part."""

    BECOMES = "becomes"
    """Something else here does it."""
    DIFFERS = "differs"
    """Expressed, but not to the letter."""
    LEFT = "left out"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report, and one comment in the file."""

    weight: Weight
    path: str
    reason: str
    state: str = ""
    """The state whose rule it concerns; empty: the file."""
    at: str = ""
    """The rule's field it stands above."""


@dataclass(slots=True)
class Account:
    """`settled` paths are fully expressed."""

    settled: set[str] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)

    def settle(self, *paths: str) -> None:
        self.settled.update(paths)

    def note(self, weight: Weight, path: str, reason: str, *, state: str = "", at: str = "") -> None:
        """Each once."""
        found = Note(weight, path, reason, state, at)
        if found not in self.notes:
            self.notes.append(found)

    def differs(self, path: str, reason: str, *, state: str = "", at: str = "") -> None:
        self.note(Weight.DIFFERS, path, reason, state=state, at=at)

    def left(self, path: str, reason: str, *, state: str = "", at: str = "") -> None:
        self.note(Weight.LEFT, path, reason, state=state, at=at)

    def refuse(self, state: str, path: str, reason: str) -> None:
        """There is no rule for this state: what would have been different about it matters no more."""
        of_it = [note for note in self.notes if note.state == state and note.at in {"when", "clear"}]
        self.notes = [note for note in self.notes if note not in of_it or note.weight is Weight.LEFT]
        if not any(note.weight is Weight.LEFT and note.at == "when" for note in of_it):
            self.left(path, reason, state=state, at="when")

    def known(self, path: str) -> bool:
        """Whether something has been said of this part."""
        return path in self.settled or any(note.path == path for note in self.notes)

    def close(self, model: DetectorModel) -> None:
        """Everything nothing has been said of yet is left out."""
        for state in model.states.values():
            for event in state.events:
                if event.target and not self.known(event.path):
                    owner = state.name if event.target == model.initial else event.target
                    self.left(event.path, f"the transition to {event.target}: {event.text}", state=owner)
                for action in event.actions:
                    if action.kind in STATE_KEEPING and not self.known(action.path):
                        what = action.variable or action.timer
                        self.left(action.path, f"{what}: {_LEFT[action.kind]}", state=state.name)
        for path in model.extras:
            self.left(path, "this key is not known")
