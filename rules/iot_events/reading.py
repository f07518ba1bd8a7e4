"""Reads a model's JSON: the forms that the service took, gave back, and that CloudFormation templates hold."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from domain.errors import SourceError
from domain.spelling import suggest
from rules.iot_events.expressions import TRUE, Expr, parse_expression
from rules.iot_events.models import Action, AlarmModel, DetectorModel, Event, Model, State

OPERATORS = {
    "GREATER": ">", "GREATER_OR_EQUAL": ">=", "LESS": "<", "LESS_OR_EQUAL": "<=", "EQUAL": "==", "NOT_EQUAL": "!=",
}  # fmt: skip
ACTIONS = (
    "setVariable", "setTimer", "resetTimer", "clearTimer", "sns", "iotTopicPublish", "lambda", "iotEvents", "sqs",
    "firehose", "dynamoDB", "dynamoDBv2", "iotSiteWise",
)  # fmt: skip
_EXPECTED = "a model as `aws iotevents describe-detector-model` or `describe-alarm-model` gave it"
_IDLE = frozenset({"roleArn", "tags", "creationTime", "lastUpdateTime", "status", "statusMessage"})
"""Keys that say nothing of what the model does."""


class Part:
    """A value of the file and its JSON path. Keys may begin with a capital, as in CloudFormation."""

    def __init__(self, data: Any, path: str, file: str) -> None:
        self.data, self.path, self.file = data, path, file

    def wrong(self, problem: str, *, cure: str = "") -> SourceError:
        return SourceError(problem, cure=cure, file=self.file, key=self.path)

    def key(self, name: str) -> str | None:
        """The key as the file writes it."""
        if not isinstance(self.data, dict):
            raise self.wrong("is not an object", cure="write {…}")
        return next((key for key in (name, name[:1].upper() + name[1:]) if key in self.data), None)

    def get(self, name: str) -> "Part | None":
        key = self.key(name)
        if key is None or self.data[key] is None:
            return None
        return Part(self.data[key], f"{self.path}.{key}", self.file)

    def fields(self) -> dict[str, Any]:
        """All keys as the service spells them."""
        if not isinstance(self.data, dict):
            raise self.wrong("is not an object", cure="write {…}")
        return {key[:1].lower() + key[1:]: value for key, value in self.data.items()}

    def need(self, name: str) -> "Part":
        found = self.get(name)
        if found is None:
            raise self.wrong(f"{name} is missing", cure=f"expected {_EXPECTED}")
        return found

    def items(self, name: str) -> list["Part"]:
        """The list at `name`; empty where there is none."""
        found = self.get(name)
        if found is None:
            return []
        if not isinstance(found.data, list):
            raise found.wrong("is not a list", cure="write […]")
        return [Part(item, f"{found.path}[{index}]", self.file) for index, item in enumerate(found.data)]

    def text(self) -> str:
        if not isinstance(self.data, str):
            raise self.wrong(f"{json.dumps(self.data)[:60]} is not a text", cure="resolve template functions first")
        return self.data

    def extras(self, known: Iterable[str]) -> Iterator[str]:
        """Paths of keys beside the known ones."""
        for key in self.data if isinstance(self.data, dict) else ():
            if key[:1].lower() + key[1:] not in {*known, *_IDLE}:
                yield f"{self.path}.{key}"


def read_models(path: Path) -> list[Model]:
    """All models of a file. SourceError with file and JSON path (or line and column where it is no JSON)."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise SourceError("not UTF-8 text", cure="save it as UTF-8", file=str(path)) from exc
    except json.JSONDecodeError as exc:
        raise SourceError(
            f"not JSON: {exc.msg}", cure=f"expected {_EXPECTED}", file=str(path), line=exc.lineno, column=exc.colno
        ) from exc
    except RecursionError as exc:
        raise SourceError("nested too deeply", file=str(path)) from exc
    except OSError as exc:
        raise SourceError(f"cannot be read: {exc.strerror}", file=str(path)) from exc
    found = list(_models(Part(data, "$", str(path)), path.stem))
    if not found:
        raise SourceError("no model in here", cure=f"expected {_EXPECTED}", file=str(path), key="$")
    return found


def _models(part: Part, name: str) -> Iterator[Model]:
    if isinstance(part.data, list):
        for index, item in enumerate(part.data):
            yield from _models(Part(item, f"{part.path}[{index}]", part.file), f"{name}-{index + 1}")
        return
    resources = part.get("resources")
    if resources is not None:
        for key in resources.data if isinstance(resources.data, dict) else ():
            resource = resources.need(key)
            if resource.key("type") and str(resource.need("type").data).startswith("AWS::IoTEvents::"):
                yield from _models(resource.need("properties"), key)
        return
    inner = part.get("detectorModel")
    if inner is not None:
        yield _detector(inner, inner.get("detectorModelConfiguration") or inner, name)
    elif part.get("detectorModelDefinition") is not None:
        yield _detector(part, part, name)
    elif part.get("alarmRule") is not None:
        yield _alarm(part, name)


def _detector(part: Part, about: Part, name: str) -> DetectorModel:
    definition = part.need("detectorModelDefinition")
    states: dict[str, State] = {}
    for each in definition.items("states"):
        state = _state(each)
        if state.name in states:
            raise each.wrong(f"two states are called {state.name!r}", cure="state names are unique")
        states[state.name] = state
    if not states:
        raise definition.wrong("states is missing or empty", cure="a detector model has a state at least")
    initial = definition.need("initialStateName")
    _known(initial, states)
    for each in definition.items("states"):
        for transition in _inner(each, "onInput").items("transitionEvents"):
            _known(transition.need("nextState"), states)
    method = about.get("evaluationMethod")
    if method is not None and method.text() not in {"BATCH", "SERIAL"}:
        raise method.wrong(f"{method.data!r} is no evaluation method", cure="write BATCH or SERIAL")
    known = ("detectorModelName", "detectorModelDefinition", "detectorModelDescription", "key", "evaluationMethod")
    given = ("detectorModelArn", "detectorModelVersion", "detectorModelConfiguration")
    return DetectorModel(
        name=_text(about, "detectorModelName") or name,
        path=definition.path,
        states=states,
        initial=initial.text(),
        description=_text(about, "detectorModelDescription"),
        key=_text(about, "key"),
        serial=method is not None and method.data == "SERIAL",
        extras=(*part.extras((*known, *given)), *definition.extras(("states", "initialStateName"))),
    )


def _known(name: Part, states: Iterable[str]) -> None:
    if name.text() not in states:
        near = suggest(name.text(), list(states))
        raise name.wrong(f"there is no state {name.text()!r}", cure=near or f"states are {', '.join(states)}")


def _state(part: Part) -> State:
    on_input = _inner(part, "onInput")
    return State(
        name=part.need("stateName").text(),
        path=part.path,
        on_enter=tuple(_event(each) for each in _inner(part, "onEnter").items("events")),
        on_input=tuple(_event(each) for each in on_input.items("events")),
        transitions=tuple(_event(each, transition=True) for each in on_input.items("transitionEvents")),
        on_exit=tuple(_event(each) for each in _inner(part, "onExit").items("events")),
    )


def _inner(part: Part, name: str) -> Part:
    return part.get(name) or Part({}, f"{part.path}.{name}", part.file)


def _event(part: Part, *, transition: bool = False) -> Event:
    condition = part.need("condition") if transition else part.get("condition")
    return Event(
        name=_text(part, "eventName"),
        path=part.path,
        text=condition.text() if condition is not None else "true",
        condition=_expression(condition),
        actions=tuple(_action(each) for each in part.items("actions")),
        target=part.need("nextState").text() if transition else "",
    )


def _action(part: Part) -> Action:
    found = [kind for kind in ACTIONS if part.key(kind)]
    if len(found) != 1 or len(part.data) != 1:
        names = ", ".join(part.data) or "nothing"
        raise part.wrong(f"one action stands in each object, here {names}", cure=f"known are {', '.join(ACTIONS)}")
    inner = part.need(found[0])
    needed = {"setVariable": ("variableName", "value")}.get(found[0], ("timerName",) if "Timer" in found[0] else ())
    for name in needed:
        inner.need(name)
    return Action(found[0], inner.path, inner.fields())


def _alarm(part: Part, name: str) -> AlarmModel:
    rule = part.need("alarmRule").need("simpleRule")
    operator = rule.need("comparisonOperator")
    if operator.text() not in OPERATORS:
        raise operator.wrong(f"{operator.data!r} is no comparison", cure=f"write {', '.join(OPERATORS)}")
    severity = part.get("severity")
    if severity is not None and (not isinstance(severity.data, int) or isinstance(severity.data, bool)):
        raise severity.wrong(f"{severity.data!r} is not a whole number", cure="write severity: 1")
    capabilities = _inner(part, "alarmCapabilities")
    known = ("alarmModelName", "alarmModelDescription", "key", "severity", "alarmRule", "alarmNotification",
             "alarmEventActions", "alarmCapabilities")  # fmt: skip
    return AlarmModel(
        name=_text(part, "alarmModelName") or name,
        path=rule.path,
        left=_expression(rule.need("inputProperty")),
        operator=OPERATORS[str(operator.data)],
        threshold=_expression(rule.need("threshold")),
        description=_text(part, "alarmModelDescription"),
        key=_text(part, "key"),
        severity=None if severity is None else severity.data,
        acknowledge=_flag(_inner(capabilities, "acknowledgeFlow"), "enabled"),
        disabled=_flag(_inner(capabilities, "initializationConfiguration"), "disabledOnInitialization"),
        notifications=tuple(each.path for each in _inner(part, "alarmNotification").items("notificationActions")),
        actions=tuple(_action(each) for each in _inner(part, "alarmEventActions").items("alarmActions")),
        extras=tuple(part.extras((*known, "alarmModelArn", "alarmModelVersion"))),
    )


def _text(part: Part, name: str) -> str:
    found = part.get(name)
    return "" if found is None else found.text().strip()


def _flag(part: Part, name: str) -> bool:
    found = part.get(name)
    if found is not None and not isinstance(found.data, bool):
        raise found.wrong(f"{json.dumps(found.data)[:60]} is neither", cure="write true or false")
    return found is not None and bool(found.data)


def _expression(part: Part | None) -> Expr:
    if part is None:
        return TRUE
    try:
        return parse_expression(part.text())
    except SourceError as exc:
        if exc.key:
            raise
        raise part.wrong(exc.problem, cure="see the expressions of AWS IoT Events") from exc
