"""Random detector models: what the importer calls the same as the model fires and resolves as an interpreter does."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.faults import TransitionState
from rules.backtest import prepare, run
from rules.documents import parse_documents
from rules.iot_events.importer import Imported, import_file
from rules.loader import rules_from
from tests.unit.rules.iot_events_simulator import Message, Simulator

STEP_S = 60
X = "$input.Machine.x"
CONDITIONS = [f"{X} {sign} {limit}" for sign in (">", "<=", ">=", "<") for limit in (1, 2, 3)]
CONDITIONS += [f"{X} > 1 && {X} < 3", f"{X} < 1 || {X} > 3", f"!({X} > 2)", f"{X} == 2"]


def opposite(condition: str) -> str:
    return f"!({condition})"


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """Two to four states; transitions on values, some by a state that waits, some by a counter."""
    names = [f"S{index}" for index in range(draw(st.sampled_from([2, 2, 2, 3, 4])))]
    up, down = (f"{X} {sign} {draw(st.integers(1, 3))}" for sign in (">", "<="))
    states: dict[str, dict[str, Any]] = {name: {"enter": [], "events": [], "transitions": []} for name in names}
    for name in names:
        wanted = [(up, each) for each in names[1:]] if name == "S0" else [(down, "S0")]
        if not draw(st.booleans()):
            wanted.append((draw(st.sampled_from([up, down, *CONDITIONS])), draw(st.sampled_from(names))))
        for number, (condition, target) in enumerate(draw(st.permutations(wanted))):
            form = draw(st.sampled_from(["plain", "plain", "wait", "count"]))
            if form == "wait" and target != name:
                wait = f"{name}w{number}"
                states[wait] = waiting(wait, name, target, condition, draw(st.integers(1, 3)))
                states[name]["transitions"].append(transition(condition, wait))
            elif form == "count" and not states[name]["events"]:
                counted(states[name], condition, target, draw(st.integers(1, 3)))
            else:
                states[name]["transitions"].append(transition(condition, target))
    serial = draw(st.booleans())
    return whole(states, "SERIAL" if serial else "BATCH")


def waiting(name: str, back: str, on: str, condition: str, steps: int) -> dict[str, Any]:
    timer = {"setTimer": {"timerName": name, "seconds": steps * STEP_S}}
    return {
        "enter": [event("true", timer)],
        "events": [],
        "transitions": [transition(opposite(condition), back), transition(f'timeout("{name}")', on)],
    }


def counted(state: dict[str, Any], condition: str, target: str, times: int) -> None:
    def put(value: str) -> dict[str, Any]:
        return {"setVariable": {"variableName": "n", "value": value}}

    state["enter"].append(event("true", put("0")))
    state["events"] += [event(condition, put("$variable.n + 1")), event(opposite(condition), put("0"))]
    state["transitions"].append(transition(f"{condition} && $variable.n >= {times}", target))


def event(condition: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {"eventName": "e", "condition": condition, "actions": list(actions)}


def transition(condition: str, target: str) -> dict[str, Any]:
    return {**event(condition), "nextState": target}


def whole(states: dict[str, dict[str, Any]], method: str) -> dict[str, Any]:
    listed = [
        {
            "stateName": name,
            "onEnter": {"events": parts["enter"]},
            "onInput": {"events": parts["events"], "transitionEvents": parts["transitions"]},
            "onExit": {"events": []},
        }
        for name, parts in states.items()
    ]
    definition = {"states": listed, "initialStateName": "S0"}
    return {
        "detectorModelName": "random",
        "detectorModelDefinition": definition,
        "evaluationMethod": method,
        "key": "id",
    }


def fired(folder: Path, one: Imported, sent: list[Message]) -> dict[str, list[list[int | None]]]:
    rules = rules_from(parse_documents(one.text))
    path = folder / "readings.ndjson"
    path.write_text("".join(json.dumps({"ts": at * 1000, **values}) + "\n" for at, values in sent))
    spans: dict[str, list[list[int | None]]] = {rule.name: [] for rule in rules}
    for each in run(prepare(rules, path)).transitions if rules else ():
        at = round(each.at.timestamp())
        if each.state is TransitionState.FIRING:
            spans[each.rule].append([at, None])
        else:
            spans[each.rule][-1][1] = at
    return spans


def stayed(model: dict[str, Any], sent: list[Message], states: frozenset[str]) -> list[list[int | None]]:
    spans: list[list[int | None]] = []
    for stay in Simulator(model, own_time=False).run(sent):
        if stay.state in states and spans and spans[-1][1] == stay.begin:
            spans[-1][1] = stay.end
        elif stay.state in states:
            spans.append([stay.begin, stay.end])
    return spans


@settings(max_examples=150, deadline=None)
@given(model=models(), values=st.lists(st.sampled_from([0, 1, 2, 3, 4]), min_size=3, max_size=40))
def test_what_is_called_the_same_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, Any], values: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.json").write_text(json.dumps(model))
    (one,) = import_file(folder / "model.json")
    sent: list[Message] = [(1_700_000_000 + STEP_S * n, {"x": value}) for n, value in enumerate(values)]
    spans = fired(folder, one, sent)
    for outcome in one.outcomes:
        if not outcome.refused and not outcome.differs and not left_out(one, outcome.state):
            assert spans[outcome.name] == stayed(model, sent, outcome.during), one.text


def left_out(one: Imported, state: str) -> bool:
    """Whether a way in or out of the rule is named as missing."""
    return any(note.state == state and note.at in {"when", "clear"} for note in one.notes)
