"""What a model says, once its JSON has been read: states, events, transitions, actions, each with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.iot_events.expressions import Expr

STATE_KEEPING = ("setVariable", "setTimer", "resetTimer", "clearTimer")
"""Actions on the detector itself; all others speak to the world."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action; `fields` are as the file says them."""

    kind: str
    path: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timer(self) -> str:
        return str(self.fields.get("timerName", ""))

    @property
    def variable(self) -> str:
        return str(self.fields.get("variableName", ""))


@dataclass(frozen=True, slots=True)
class Event:
    """Actions under a condition; with a `target`, a transition."""

    name: str
    path: str
    text: str
    condition: Expr
    """TRUE where the file has none."""
    actions: tuple[Action, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """One state. `on_input` is what happens while it lasts."""

    name: str
    path: str
    on_enter: tuple[Event, ...] = ()
    on_input: tuple[Event, ...] = ()
    transitions: tuple[Event, ...] = ()
    on_exit: tuple[Event, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        return (*self.on_enter, *self.on_input, *self.transitions, *self.on_exit)


@dataclass(frozen=True, slots=True)
class DetectorModel:
    """States in the order of the file."""

    name: str
    path: str
    states: Mapping[str, State]
    initial: str
    description: str = ""
    key: str = ""
    """The attribute that tells one device from another; empty: one detector for all."""
    serial: bool = False
    """evaluationMethod SERIAL: conditions see variables as just set; BATCH: as they were before the message."""
    extras: tuple[str, ...] = ()
    """Paths of keys that nothing here knows."""

    def events(self) -> Iterator[Event]:
        for state in self.states.values():
            yield from state.events

    def actions(self, kind: str = "") -> Iterator[Action]:
        for event in self.events():
            yield from (action for action in event.actions if kind in {"", action.kind})


@dataclass(frozen=True, slots=True)
class AlarmModel:
    """One comparison, and who hears of it."""

    name: str
    path: str
    left: Expr
    operator: str
    """As in expressions: `>`, `>=` …"""
    threshold: Expr
    description: str = ""
    key: str = ""
    severity: int | None = None
    acknowledge: bool = False
    disabled: bool = False
    notifications: tuple[str, ...] = ()
    """Paths."""
    actions: tuple[Action, ...] = ()
    extras: tuple[str, ...] = ()


Model = DetectorModel | AlarmModel
