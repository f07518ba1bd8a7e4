"""Transitions of a detector model as moves: what is asked of inputs, of a timer and of a counter, each by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domain.errors import SourceError
from rules.iot_events.expressions import (
    TRUE,
    Binary,
    Call,
    Expr,
    Input,
    Literal,
    Variable,
    parse_expression,
    rebuild,
    walk,
)
from rules.iot_events.logic import both, conjuncts
from rules.iot_events.models import Action, DetectorModel, Event


@dataclass(frozen=True, slots=True)
class Threshold:
    """A variable against a number: `$variable.n >= 3`."""

    variable: str
    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition taken apart."""

    when: Expr
    """What is asked of the inputs' values; TRUE if nothing is."""
    timers: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    inputs: frozenset[str] = frozenset()
    """Inputs of which a message must have come."""
    trouble: str = ""
    """Why it cannot be expressed; empty if it can."""


@dataclass(frozen=True, slots=True)
class Move:
    """From state to state. `seconds` and `count` say how long, or how many times in a row, `when` must have held."""

    source: str
    target: str
    event: Event
    asked: Asked
    seconds: int = 0
    count: int = 0
    via: frozenset[str] = field(default_factory=frozenset)
    """States that only measure the time of this move."""
    trouble: str = ""

    @property
    def when(self) -> Expr:
        return self.asked.when


class Reader:
    """Takes conditions of one model apart. Variables that never change are the values they have."""

    def __init__(self, model: DetectorModel) -> None:
        self.model = model
        self.constants: dict[str, Literal] = {}
        self.inputs = _inputs_of(model)
        self.constants.update(_constants(model))

    def moves(self) -> list[Move]:
        """In the order of the file."""
        found = []
        for state in self.model.states.values():
            for event in state.transitions:
                asked = self.asked(event)
                found.append(Move(state.name, event.target, event, asked, trouble=asked.trouble))
        return found

    def asked(self, event: Event) -> Asked:
        """The condition of an event, taken apart."""
        rest: list[Expr] = []
        timers: list[str] = []
        thresholds: list[Threshold] = []
        inputs: set[str] = set()
        trigger = ""
        for each in conjuncts(self.settled(event.condition)):
            name = _named(each)
            if isinstance(each, Call) and each.name == "timeout" and name:
                timers.append(name)
            elif isinstance(each, Call) and each.name == "currentInput" and name:
                inputs.add(name)
            elif isinstance(each, Call) and each.name == "triggerType" and name:
                trigger = name
            elif (threshold := _threshold(each)) is not None:
                thresholds.append(threshold)
            else:
                rest.append(each)
        asked = Asked(both(rest), tuple(timers), tuple(thresholds), frozenset(inputs))
        trouble = _trouble(asked)
        if trigger == "Timer" and not timers:
            trouble = trouble or "a condition on any timer's end"
        return Asked(asked.when, asked.timers, asked.thresholds, asked.inputs, trouble)

    def settled(self, expr: Expr) -> Expr:
        """With constants in place, and without guards that always hold where a model has one input."""
        if isinstance(expr, Variable) and expr.name in self.constants:
            return self.constants[expr.name]
        if isinstance(expr, Call) and expr.name == "currentInput" and len(self.inputs) == 1:
            return TRUE if _named(expr) in self.inputs else expr
        done = rebuild(expr, self.settled)
        if isinstance(done, Binary) and done.operator == "&&":
            return both([done.left, done.right])
        return done

    def number(self, expression: object) -> int | None:
        """A whole number that an expression gives whatever happens; None if there is none."""
        try:
            found = self.settled(parse_expression(str(expression)))
        except SourceError:
            return None
        plain = isinstance(found, Literal) and isinstance(found.value, (int, float))
        return int(found.value) if plain and not isinstance(found.value, bool) else None  # type: ignore[union-attr]

    def seconds(self, action: Action) -> int | None:
        """How long a timer runs; None if that depends on what comes."""
        found = action.fields.get("seconds", action.fields.get("durationExpression"))
        return self.number(found)


def value_of(action: Action) -> Expr | None:
    """What a setVariable sets; None where the text is no expression."""
    try:
        return parse_expression(str(action.fields.get("value", "")))
    except SourceError:
        return None


def _inputs_of(model: DetectorModel) -> frozenset[str]:
    found: set[str] = set()
    for event in model.events():
        for node in walk(event.condition):
            if isinstance(node, Input):
                found.add(node.name)
            elif isinstance(node, Call) and node.name == "currentInput" and (name := _named(node)):
                found.add(name)
    return frozenset(found)


def _constants(model: DetectorModel) -> Mapping[str, Literal]:
    """Variables that are set to one literal, at the start."""
    values: dict[str, list[Expr | None]] = {}
    for action in model.actions("setVariable"):
        values.setdefault(action.variable, []).append(value_of(action))
    first = {
        action.variable
        for event in model.states[model.initial].on_enter
        if event.condition == TRUE
        for action in event.actions
        if action.kind == "setVariable"
    }
    return {
        name: found[0]
        for name, found in values.items()
        if name in first and isinstance(found[0], Literal) and all(each == found[0] for each in found)
    }


def _named(expr: Expr) -> str:
    """The one text argument of a call."""
    if isinstance(expr, Call) and len(expr.arguments) == 1 and isinstance(expr.arguments[0], Literal):
        return str(expr.arguments[0].value)
    return ""


def _threshold(expr: Expr) -> Threshold | None:
    if not isinstance(expr, Binary) or expr.operator not in {"<", "<=", ">", ">=", "=="}:
        return None
    if not (isinstance(expr.left, Variable) and isinstance(expr.right, Literal)):
        return None
    value = expr.right.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return Threshold(expr.left.name, expr.operator, float(value))


def _trouble(asked: Asked) -> str:
    for node in walk(asked.when):
        if isinstance(node, Variable):
            return f"the variable {node.name}, which changes"
        if isinstance(node, Call) and node.name in {"timeout", "currentInput", "triggerType"}:
            return f"{node.name}() inside an alternative"
    if len(asked.timers) > 1 or len(asked.thresholds) > 1:
        return "more than one timer or counter in one condition"
    return ""


def setters(event: Event, kinds: tuple[str, ...], timer: str) -> Iterator[Action]:
    """The actions of these kinds on one timer."""
    return (action for action in event.actions if action.kind in kinds and action.timer == timer)
