"""Imported models say the same as the models themselves: rules against an interpreter, and every leftover by name."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import main
from app.importing import import_models
from domain.errors import SourceError
from domain.faults import Severity, Stage, TransitionState
from rules.backtest import prepare, run
from rules.documents import parse_documents
from rules.iot_events import Imported, import_file
from rules.iot_events.account import Weight
from rules.loader import rules_from
from rules.model import Rule
from tests.unit.rules.iot_events_simulator import Message, Simulator

MODELS = Path(__file__).parent / "iot_events"
BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
Span = tuple[int, int | None]


def imported(name: str) -> Imported:
    (one,) = import_file(MODELS / f"{name}.json")
    return one


def rules_of(name: str) -> list[Rule]:
    return rules_from(parse_documents(imported(name).text))


def model_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MODELS / f"{name}.json").read_text())
    return found


def fired(folder: Path, rules: list[Rule], messages: list[Message]) -> dict[str, list[Span]]:
    """Seconds from firing to resolved (None: still), by rule, through the engine."""
    path = folder / "readings.ndjson"
    rows = [{"ts": (BEGIN + timedelta(seconds=at)).isoformat(), **values} for at, values in messages]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found: dict[str, list[Span]] = {rule.name: [] for rule in rules}
    for each in run(prepare(rules, path)).transitions:
        at = round((each.at - BEGIN).total_seconds())
        if each.state is TransitionState.FIRING:
            found[each.rule].append((at, None))
        else:
            found[each.rule][-1] = (found[each.rule][-1][0], at)
    return found


def stayed(name: str, messages: list[Message], *states: str, own_time: bool = False) -> list[Span]:
    """The same of an interpreted model: the time in any of `states`, without a break."""
    spans: list[Span] = []
    for stay in Simulator(model_of(name), own_time=own_time).run(messages, until=messages[-1][0] if own_time else None):
        if stay.state not in states:
            continue
        if spans and spans[-1][1] == stay.begin:
            spans[-1] = (spans[-1][0], stay.end)
        else:
            spans.append((stay.begin, stay.end))
    return spans


def messages(metric: str, values: list[Any], *, steps: tuple[int, ...] = (60,), **also: Any) -> st.SearchStrategy[Any]:
    """Random messages of one metric, some of them (with the default steps) without it."""
    each = st.tuples(st.sampled_from(steps), st.sampled_from(values if len(steps) > 1 else [*values, None]))

    def timed(drawn: list[tuple[int, Any]]) -> list[Message]:
        at, made = 0, []
        for step, value in drawn:
            at += step
            made.append((at, {**also, **({} if value is None else {metric: value})}))
        return [(0, {metric: values[0], **also}), *made]

    return st.lists(each, min_size=1, max_size=40).map(timed)


CASES = {
    "pressure_two_state": (
        messages("sensorData.pressure", [60, 70, 70.5, 80]),
        {"BoilerPressure-Overpressure": ("Overpressure",)},
    ),
    "motor_heating": (
        messages("temperature", [60, 75, 85, 90, 90, 60], steps=(30, 60, 90, 200)),
        {"MotorHeating-Overheated": ("Overheated", "Cooling")},
    ),
    "counter_of_three": (messages("rms", [5, 5, 5, 2, 4]), {"Vibration-Shaking": ("Shaking",)}),
    "serial_counter": (messages("ok", [False, False, False, True]), {"Retries-Failing": ("Failing",)}),
    "hysteresis": (messages("level", [10, 25, 40], **{"pump mode": "auto"}), {"TankLevel-Low": ("Low",)}),
    "warning_to_critical": (
        messages("bearing.temp", [60, 75, 83, 90, 97]),
        {"Bearing-Warning": ("Warning", "Critical"), "Bearing-Critical": ("Critical",)},
    ),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_rule_fires_and_resolves_when_the_model_enters_and_leaves_its_state(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    strategy, states = CASES[name]
    sent = data.draw(strategy)
    spans = fired(tmp_path_factory.mktemp("run"), rules_of(name), sent)
    assert spans == {rule: stayed(name, sent, *named) for rule, named in states.items()}


@settings(max_examples=40, deadline=None)
@given(gaps=st.lists(st.sampled_from([20, 100, 299, 301, 700]), min_size=1, max_size=12))
def test_a_heartbeat_that_stops_is_noticed_at_the_same_second(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int]
) -> None:
    sent: list[Message] = [(0, {"beat": 1})]
    for gap in gaps:
        sent.append((sent[-1][0] + gap, {"beat": 1}))
    spans = fired(tmp_path_factory.mktemp("run"), rules_of("heartbeat"), sent)
    assert spans["Heartbeat-Offline"] == stayed("heartbeat", sent, "Offline", own_time=True)


def test_every_model_but_the_monster_has_rules_that_load_as_drafts() -> None:
    for path in sorted(MODELS.glob("*.json")):
        rules = rules_of(path.stem)
        assert rules
        assert {rule.stage for rule in rules} == {Stage.DRAFT}


def test_where_timers_run_in_their_own_time_the_rule_fires_with_the_next_sample(tmp_path: Path) -> None:
    sent: list[Message] = [(at, {"temperature": 90.0}) for at in (0, 100, 250, 400)]
    assert stayed("motor_heating", sent, "Overheated", "Cooling", own_time=True) == [(180, None)]
    assert fired(tmp_path, rules_of("motor_heating"), sent)["MotorHeating-Overheated"] == [(250, None)]


def test_a_ladder_climbed_step_by_step_takes_one_message_less_here(tmp_path: Path) -> None:
    sent: list[Message] = [(at, {"drop": value}) for at, value in ((0, 20.0), (60, 70.0), (120, 70.0), (180, 20.0))]
    assert stayed("stepwise_ladder", sent, "Clogged") == [(120, 180)]
    assert fired(tmp_path, rules_of("stepwise_ladder"), sent)["Filter-Clogged"] == [(60, 180)]
    assert "with one message more; here at once" in imported("stepwise_ladder").text.replace("\n#  ", "")


@pytest.mark.parametrize(("sent", "apart"), [([80, 60, 60, 60], 2), ([80, 60, 80, 60], 2)])
def test_an_end_after_three_in_a_row_is_named_with_what_to_write(tmp_path: Path, sent: list[float], apart: int) -> None:
    readings: list[Message] = [(60 * n, {"sensorData.pressure": value}) for n, value in enumerate(sent)]
    (name,) = fired(tmp_path, rules_of("three_in_a_row_to_clear"), readings)
    begin = stayed("three_in_a_row_to_clear", readings, "Dangerous")[0][0]
    assert fired(tmp_path, rules_of("three_in_a_row_to_clear"), readings)[name][0][0] == begin
    assert f"took 3 messages in a row, here the first: write keep_firing_for with {apart} times" in " ".join(
        note.reason for note in imported("three_in_a_row_to_clear").notes
    )


def test_an_alarm_model_becomes_one_rule() -> None:
    (rule,) = rules_of("alarm")
    assert (rule.name, rule.when, rule.clear) == ("CompressorTemperature", '"temps.head" >= 95.5', None)
    told = {note.path: note.weight for note in imported("alarm").notes}
    assert told == {
        "$.severity": Weight.DIFFERS,
        "$.alarmCapabilities.acknowledgeFlow": Weight.LEFT,
        "$.alarmCapabilities.initializationConfiguration": Weight.BECOMES,
        "$.alarmNotification.notificationActions[0]": Weight.BECOMES,
        "$.alarmEventActions.alarmActions[0].dynamoDBv2": Weight.LEFT,
    }


def test_steps_of_a_ladder_share_a_family_and_rise_in_severity() -> None:
    warning, critical = rules_of("warning_to_critical")
    assert (warning.severity, critical.severity) == (Severity.MINOR, Severity.CRITICAL)
    assert warning.family == critical.family == "Bearing-Warning"


def test_what_the_service_measured_in_time_is_for_and_keep_firing_for() -> None:
    (rule,) = rules_of("motor_heating")
    assert (rule.when, rule.clear) == ("temperature > 80", "temperature < 70")
    assert (rule.for_ms, rule.keep_firing_for_ms) == (180_000, 120_000)


def test_counters_are_counts_in_both_orders_of_evaluation() -> None:
    for name in ("counter_of_three", "serial_counter"):
        (rule,) = rules_of(name)
        assert rule.count is not None
        assert (rule.count.n, rule.count.of) == (3, 3)


def parts_of(model: dict[str, Any]) -> list[str]:
    """JSON paths of all that a detector model does: its actions and transitions."""
    found = []
    for index, state in enumerate(model["detectorModelDefinition"]["states"]):
        at = f"$.detectorModelDefinition.states[{index}]"
        for key, group in (("onEnter", "events"), ("onInput", "events"), ("onExit", "events"),
                           ("onInput", "transitionEvents")):  # fmt: skip
            for place, event in enumerate(state[key].get(group, [])):
                path = f"{at}.{key}.{group}[{place}]"
                found += [path] if group == "transitionEvents" else []
                found += [f"{path}.actions[{n}].{kind}" for n, each in enumerate(event["actions"]) for kind in each]
    return found


def test_every_part_of_a_model_that_cannot_be_expressed_is_named_in_report_and_file() -> None:
    one = imported("monster")
    named = {note.path for note in one.notes}
    expressed = {  # of the one rule there is, for Filling: the ways in and out
        "$.detectorModelDefinition.states[0].onInput.transitionEvents[0]",
        "$.detectorModelDefinition.states[2].onInput.transitionEvents[1]",
        "$.detectorModelDefinition.states[1].onInput.transitionEvents[0]",
    }
    assert [path for path in parts_of(model_of("monster")) if path not in named | expressed] == []
    assert "$.extraKey" in named
    assert [rule.name for rule in rules_of("monster")] == ["Washer-Filling"]
    flat = " ".join(one.text.replace("\n#   ", " ").split())
    assert [note.path for note in one.notes if f"{note.weight}: {note.path}: {note.reason}" not in flat] == []


def test_a_cloudformation_template_holds_models_too(tmp_path: Path) -> None:
    def capital(data: Any) -> Any:
        if isinstance(data, dict):
            return {key[:1].upper() + key[1:]: capital(value) for key, value in data.items()}
        return [capital(each) for each in data] if isinstance(data, list) else data

    resource = {"Type": "AWS::IoTEvents::DetectorModel", "Properties": capital(model_of("counter_of_three"))}
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Model": resource}}))
    (one,) = import_file(path)
    assert rules_from(parse_documents(one.text))[0].manifest == rules_of("counter_of_three")[0].manifest


def test_an_answer_of_the_service_is_a_model_too(tmp_path: Path) -> None:
    model = model_of("heartbeat")
    about = {"detectorModelName": "Beat", "key": "id", "evaluationMethod": "BATCH", "status": "ACTIVE"}
    answer = {"detectorModelDefinition": model["detectorModelDefinition"], "detectorModelConfiguration": about}
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"detectorModel": answer}))
    (one,) = import_file(path)
    assert (one.model, [note for note in one.notes if note.weight is Weight.LEFT]) == ("Beat", [])


def changed(**parts: Any) -> dict[str, Any]:
    model = model_of("pressure_two_state")
    model["detectorModelDefinition"].update(parts)
    return model


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "model.json:1:2: not JSON: Expecting property name"),
        ("[]", "model.json: $: no model in here; expected a model as `aws iotevents describe-detector-model`"),
        ("3", "model.json: $: is not an object"),
        (changed(initialStateName="Norml"), "initialStateName: there is no state 'Norml'; did you mean Normal?"),
        (changed(states=[]), "$.detectorModelDefinition: states is missing or empty"),
        (changed(states=[{}]), "$.detectorModelDefinition.states[0]: stateName is missing"),
        (changed(states={"a": 1}), "$.detectorModelDefinition.states: is not a list"),
        ({**changed(), "evaluationMethod": "BOTH"}, "$.evaluationMethod: 'BOTH' is no evaluation method; write BATCH"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_model_is_told_with_its_json_path(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(SourceError) as caught:
        import_file(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("$input.A.x >", "a value is missing, at column 13 of the expression"),
        ("$input.A.x # 3", "'#' is not understood, at column 12 of the expression"),
        ("($input.A.x > 3", "')' is missing, at column 16 of the expression"),
        ("$input.A.x > three", "'three' is neither a value nor a function, at column 14"),
    ],
)
def test_a_wrong_expression_is_told_with_its_column(tmp_path: Path, condition: str, said: str) -> None:
    model = model_of("pressure_two_state")
    model["detectorModelDefinition"]["states"][0]["onInput"]["transitionEvents"][0]["condition"] = condition
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    with pytest.raises(SourceError) as caught:
        import_file(path)
    assert "$.detectorModelDefinition.states[0].onInput.transitionEvents[0].condition: " + said in str(caught.value)


def test_the_command_writes_files_once_and_says_what_became_of_every_part(tmp_path: Path) -> None:
    said: list[str] = []
    paths = [MODELS / "pressure_two_state.json", MODELS / "monster.json"]
    assert import_models(paths, out=tmp_path / "rules", product="boiler", dry_run=True, say=said.append) == 0
    assert not (tmp_path / "rules").exists()
    assert import_models(paths, out=tmp_path / "rules", product="boiler", dry_run=False, say=said.append) == 0
    assert {path.name for path in (tmp_path / "rules").iterdir()} == {"BoilerPressure.yaml", "Washer.yaml"}
    assert said[-1].startswith("2 rules in 2 files, all stage: draft")
    with pytest.raises(SourceError, match=r"BoilerPressure\.yaml: is there already"):
        import_models(paths[:1], out=tmp_path / "rules", product=None, dry_run=False, say=said.append)


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a JSON document."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        inner = list(data.items())
    elif isinstance(data, list):
        inner = list(enumerate(data))
    return [at] + [place for key, value in inner for place in places(value, (*at, key))]


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(path.stem for path in MODELS.glob("*.json"))),
    junk=st.sampled_from([None, 3, -1.5, True, "", "x", "$input.A.b > 3", "true", [], [3], {}, {"a": 1}, {"Ref": "A"}]),
    data=st.data(),
)
def test_a_broken_model_is_imported_or_refused_with_a_json_path(
    tmp_path_factory: pytest.TempPathFactory, name: str, junk: Any, data: st.DataObject
) -> None:
    model = model_of(name)
    *way, last = data.draw(st.sampled_from(places(model)[1:]))
    part = model
    for key in way:
        part = part[key]
    part[last] = junk
    path = tmp_path_factory.mktemp("broken") / "model.json"
    path.write_text(json.dumps(model))
    outcome: Imported | SourceError
    try:
        (outcome,) = import_file(path)
    except SourceError as exc:
        outcome = exc
    if isinstance(outcome, SourceError):
        assert outcome.key.startswith("$")
        assert outcome.cure
    else:
        assert all(rule.stage is Stage.DRAFT for rule in rules_from(parse_documents(outcome.text)))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.json"], 1, "prevenant: nowhere.json: cannot be read: No such file or directory"),
        ([], 2, "prevenant: Missing argument 'FILE...'; see prevenant import aws-iot-events --help"),
        ([str(MODELS / "alarm.json"), "--dry-run"], 0, ""),
    ],
)
def test_the_command_line_ends_as_the_contract_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["prevenant", "import", "aws-iot-events", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err.strip() == said
