"""The back-test against the naive reference: random rules over random readings, line for line.

`PREVENANT_REFERENCE_ROUNDS=100 PREVENANT_REFERENCE_SEED=7 pytest …` looks further than the fixed examples of every run.
"""

import os
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rules.expressions import parse
from rules.model import Kind
from tests.unit.rules.reference_engine import reference
from tests.unit.rules.reference_expressions import Row, evaluate
from tests.unit.rules.reference_files import backtest_lines, devices_text, readings_text, rules_text
from tests.unit.rules.reference_live import live_lines
from tests.unit.rules.reference_reduction import smallest
from tests.unit.rules.reference_strategies import MODIFIERS, OPS, Case, Words, cases, conditions

ROUNDS = int(os.environ.get("PREVENANT_REFERENCE_ROUNDS", "6"))
SEED = int(os.environ.get("PREVENANT_REFERENCE_SEED", "1"))
EXAMPLES = 10
"""A round: after ten examples hypothesis turns to variations of what it has, and we want new rules."""
RULES = 6

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

Lines = Sequence[Mapping[str, Any]]


def expected_lines(case: Case) -> list[dict[str, Any]]:
    return reference(case.rules, case.rows, case.attributes, case.registered)


def of_rule(lines: Lines, name: str) -> list[Mapping[str, Any]]:
    return [line for line in lines if line["rule"] == name]


def show(lines: Lines | str) -> str:
    keys = ("device_id", "episode", "state", "at", "onset", "severity")
    return lines if isinstance(lines, str) else "".join(f"  {' '.join(str(x[key]) for key in keys)}\n" for x in lines)


def story(case: Case, *, expected: Lines, found: Lines | str) -> str:
    """The case as a person would want to read it: only the rules on which the two disagree."""
    text = f"\n{case.layout} {case.suffix}, unit {case.unit} ms, cut {case.cut}\n{readings_text(case)}\n"
    text += f"devices:\n{devices_text(case.attributes, case=case)}\n" if case.attributes else ""
    for rule in case.rules:
        ours = of_rule(expected, rule["name"])
        theirs = found if isinstance(found, str) else of_rule(found, rule["name"])
        if theirs != ours:
            text += f"{rules_text([rule])}reference:\n{show(ours)}back-test:\n{show(theirs)}"
    return text


def answer(case: Case) -> list[dict[str, Any]] | str:
    """The back-test's lines; a crash is an answer, too, and as readable."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            return backtest_lines(case, Path(folder))
    except Exception:  # noqa: BLE001
        return traceback.format_exc()


def disagreement(case: Case) -> str:
    """Empty if the back-test gives the reference's lines in the reference's order; else the smallest such case."""

    def differs(part: Case) -> bool:
        return answer(part) != expected_lines(part)

    if not differs(case):
        return ""
    small = smallest(case, differs=differs)
    return story(small, expected=expected_lines(small), found=answer(small))


def book(seen: Counter[str], case: Case, lines: Lines) -> None:
    """Count what this case exercised: rules by what they have, and by what they did."""
    seen[f"layout {case.layout}"] += 1
    seen[f"suffix {case.suffix}"] += 1
    for rule in case.rules:
        states = {line["state"] for line in of_rule(lines, rule["name"])}
        uses = [key for key in rule if key in MODIFIERS]
        uses += [str(signal["op"]) for signal in rule.get("signals", {}).values()]
        seen["rules"] += 1
        for what in [*states, *uses, *(f"{use} {state}" for use in uses for state in states)]:
            seen[what] += 1


def check_not_vacuous(seen: Counter[str]) -> None:
    """A healthy share of the rules fires, resolves and flaps, with each modifier and each signal among them."""
    rules = seen["rules"]
    assert rules >= 300
    assert seen["firing"] >= 0.35 * rules, seen
    assert seen["resolved"] >= 0.25 * rules, seen
    assert seen["flapping"] >= 0.02 * rules, seen
    for modifier in MODIFIERS:
        assert seen[f"{modifier} firing"] >= 0.02 * rules, (modifier, seen)
        assert seen[f"{modifier} resolved"] >= 0.01 * rules, (modifier, seen)
    for op in OPS:
        assert seen[f"{op} firing"] >= 2, (op, seen)
    for shape in ("layout wide", "layout long", "suffix csv", "suffix ndjson", "suffix parquet"):
        assert seen[shape] > 0, (shape, seen)


def test_the_back_test_equals_the_naive_reference() -> None:
    seen: Counter[str] = Counter()
    different: list[Case] = []

    @SETTINGS
    @given(case=cases(RULES))
    def compare(case: Case) -> None:
        lines = expected_lines(case)
        book(seen, case, lines)
        if not different and answer(case) != lines:
            different.append(case)

    for offset in range(ROUNDS):
        seed(1000 * SEED + offset)(compare)()
        assert not different, disagreement(different[0])
    check_not_vacuous(seen)


def test_live_batches_equal_the_naive_reference() -> None:
    """The same cases as log entries, in batches, with the state stored and loaded after each."""
    seen: Counter[str] = Counter()

    @SETTINGS
    @given(case=cases(4))
    def agree(case: Case) -> None:
        lines = expected_lines(case)
        book(seen, case, lines)
        found = live_lines(case, cut=50 * case.cut or 1_000)
        assert found == lines, story(case, expected=lines, found=found)

    for offset in range(max(1, ROUNDS // 6)):
        seed(1000 * SEED + offset)(agree)()
    assert seen["firing"] > 0.35 * seen["rules"]
    assert seen["resolved"] > 0.25 * seen["rules"]


WORDS = Words(("temp", "pressure", "a.b", "max_temp"), ("door",), ("mode", "region"), 1_000)
KINDS = (
    dict.fromkeys(WORDS.numbers, Kind.NUMBER)
    | dict.fromkeys(WORDS.booleans, Kind.BOOLEAN)
    | dict.fromkeys(WORDS.strings, Kind.STRING)
)
COLUMNS = {Kind.NUMBER: pl.Float64, Kind.BOOLEAN: pl.Boolean, Kind.STRING: pl.String}
VALUES = {
    Kind.NUMBER: st.sampled_from([None, 0.0, -0.0, 0.5, 1.0, 7.25, 1e308, -1e308]) | st.integers(-9, 9).map(float),
    Kind.BOOLEAN: st.sampled_from([None, True, False]),
    Kind.STRING: st.sampled_from([None, "auto", "off", "eco mode", "été", "EU", "US"]),
}


def test_conditions_equal_the_naive_evaluator() -> None:
    answers: Counter[object] = Counter()
    rows = st.fixed_dictionaries({name: VALUES[kind] for name, kind in KINDS.items()})

    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        texts=st.lists(conditions(WORDS), min_size=8, max_size=8, unique=True),
        rows=st.lists(rows, min_size=8, max_size=12),
    )
    def agree(texts: list[str], rows: list[Row]) -> None:
        frame = pl.DataFrame(rows, schema={name: COLUMNS[kind] for name, kind in KINDS.items()})
        for text in texts:
            expected = [evaluate(text, row) for row in rows]
            answers.update(expected)
            found = frame.select(parse(text).to_polars(KINDS).alias("answer"))["answer"].to_list()
            found *= len(rows) if len(found) == 1 else 1  # what depends on no column is one row
            assert found == expected, [text, *zip(rows, expected, found, strict=True)]

    for offset in range(ROUNDS):
        seed(1000 * SEED + offset)(agree)()
    assert min(answers[truth] for truth in (True, False, None)) > 0.1 * answers.total()


def test_one_difference_is_told_apart_from_agreement(tmp_path: Path) -> None:
    """The comparison itself can fail: an answer with one line missing is reported with the rule that lost it."""
    from tests.unit.rules.test_rules_golden import GOLDENS, case_of

    case = case_of(GOLDENS[0])
    lines = expected_lines(case)
    assert answer(case) == answer(replace(case, suffix="ndjson")) == lines
    assert "when: temp > 5" in story(case, expected=lines, found=lines[:-1])
    assert story(case, expected=lines, found="Traceback").endswith("back-test:\nTraceback")
