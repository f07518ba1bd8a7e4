"""AWS IoT Events detector models interpreted from their JSON, independently of the importer: states, variables, timers.

Written after the service's developer guide: one transition per message; onExit, then onEnter; in BATCH conditions see
variables as they were when the group of events began; a message without a value leaves it undefined. One input.
Expressions become Python with undefined values as an exception, which makes a condition false.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Message = tuple[int, dict[str, Any]]
"""Seconds, and the payload with dotted paths as keys."""

_TOKEN = re.compile(
    r"(?P<string>\"[^\"]*\"|'[^']*')|(?P<ref>\$(?:input|variable)(?:\.(?:`[^`]+`|\w+))+)|(?P<number>\d+\.?\d*)"
    r"|(?P<word>\w+)|(?P<operator>&&|\|\||==|!=|<=|>=|.)"
)
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}


class Stay(NamedTuple):
    """In `state` from `begin` to `end` (None: still), in seconds."""

    state: str
    begin: int
    end: int | None


class Undefined(Exception):
    """A value that never came."""


@dataclass
class Simulator:
    """One detector. With `own_time`, timers end when they are due; else with the first message after that."""

    model: dict[str, Any]
    own_time: bool = True
    state: str = ""
    now: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    timers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Due at, and how long it was set for."""
    expired: set[str] = field(default_factory=set)
    message: bool = False
    stays: list[Stay] = field(default_factory=list)

    def run(self, messages: Sequence[Message], *, until: int | None = None) -> list[Stay]:
        """Where it has been after all messages, and at `until`."""
        for at, payload in messages:
            if self.own_time and self.state:
                self._timers_until(at)
            self.now, self.message = at, True
            self.values = payload
            if not self.state:
                self._enter(self.model["detectorModelDefinition"]["initialStateName"])
            self._take_due(at)
            self._input()
        if until is not None:
            self._timers_until(until + 1)
        return self.stays

    def _timers_until(self, at: int) -> None:
        """All timers due before `at`, in order."""
        while due := sorted((end, name) for name, (end, _) in self.timers.items() if end < at):
            self.now, self.message = due[0][0], False
            self._take_due(self.now)
            self._input()

    def _take_due(self, at: int) -> None:
        for name in [name for name, (end, _) in self.timers.items() if end <= at]:
            del self.timers[name]
            self.expired.add(name)

    def _input(self) -> None:
        definition = self._definition(self.state)["onInput"]
        wanted = [t for t in definition["transitionEvents"] if self._true(t["condition"])] if not self._serial else []
        self._events(definition["events"])
        if self._serial:
            wanted = [t for t in definition["transitionEvents"] if self._true(t["condition"])]
        if wanted:
            self._go(wanted[0])

    def _go(self, transition: dict[str, Any]) -> None:
        self._act(transition["actions"])
        self._events(self._definition(self.state)["onExit"]["events"])
        self._enter(transition["nextState"])

    def _enter(self, state: str) -> None:
        if self.stays:
            self.stays[-1] = self.stays[-1]._replace(end=self.now)
        self.state = state
        self.stays.append(Stay(state, self.now, None))
        self._events(self._definition(state)["onEnter"]["events"])

    def _events(self, events: Sequence[dict[str, Any]]) -> None:
        if self._serial:
            for event in events:
                if self._true(event["condition"]):
                    self._act(event["actions"])
            return
        for event in [event for event in events if self._true(event["condition"])]:
            self._act(event["actions"])

    def _act(self, actions: Sequence[dict[str, Any]]) -> None:
        for action in actions:
            ((kind, said),) = action.items()
            if kind == "setVariable":
                self.variables[said["variableName"]] = self._value(said["value"])
            elif kind == "setTimer":
                self.timers[said["timerName"]] = (self.now + said["seconds"], said["seconds"])
                self.expired.discard(said["timerName"])
            elif kind == "resetTimer" and said["timerName"] in self.timers:
                span = self.timers[said["timerName"]][1]
                self.timers[said["timerName"]] = (self.now + span, span)
            elif kind == "clearTimer":
                self.timers.pop(said["timerName"], None)
                self.expired.discard(said["timerName"])

    @property
    def _serial(self) -> bool:
        return bool(self.model.get("evaluationMethod") == "SERIAL")

    def _definition(self, state: str) -> dict[str, Any]:
        states = self.model["detectorModelDefinition"]["states"]
        return next(each for each in states if each["stateName"] == state)

    def _true(self, condition: str) -> bool:
        try:
            return self._value(condition) is True
        except (Undefined, TypeError):
            return False

    def _value(self, expression: str) -> Any:
        text = "".join(self._python(expression)).strip()
        return eval(text, {"__builtins__": {}}, self._functions())  # noqa: S307 - models of our own

    def _python(self, expression: str) -> Iterator[str]:
        for token in _TOKEN.finditer(expression):
            if token.lastgroup == "ref":
                root, *path = (step.strip("`") for step in re.findall(r"`[^`]+`|\w+", token[0]))
                yield f"read({root!r}, {'.'.join(path if root == 'variable' else path[1:])!r})"
            else:
                yield _PYTHON.get(token[0], token[0])

    def _functions(self) -> dict[str, Any]:
        return {
            "read": self._read,
            "timeout": self._timeout,
            "currentInput": lambda _: self.message,
            "triggerType": lambda kind: self.message is (kind == "Message"),
            "convert": lambda _, value: value,
            "Decimal": "Decimal",
        }

    def _read(self, root: str, name: str) -> Any:
        found = (self.variables if root == "variable" else self.values).get(name)
        if found is None:
            raise Undefined(name)
        return found

    def _timeout(self, name: str) -> bool:
        """TRUE once."""
        found = name in self.expired
        self.expired.discard(name)
        return found
