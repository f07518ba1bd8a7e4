"""Why a rule fired, in words: only what was so, with the numbers, units and sources, in both languages."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.expressions import parse
from rules.grounds import Row
from rules.loader import rule_from_manifest
from rules.reasons import Firing, explain
from rules.wording import length, number

NBSP = "\u00a0"
METRICS = {
    "compressor_temp": {"unit": "°C"},
    "pressure": {"unit": "bar", "title": {"en": "Water pressure", "fr": "Pression d'eau"}},
    "mode": {"kind": "string"},
}
SLOPE = {"slope": {"op": "slope", "of": "pressure", "over": "30m"}}


def firing(when: str, values: dict[str, Any], *, attributes: tuple[str, ...] = (), **rule: Any) -> Firing:
    manifest = {"kind": "rule", "name": "r", "when": when, **rule}
    return Firing(rule_from_manifest(manifest), values, attributes, METRICS, lasted_s=310)


def say(when: str, values: dict[str, Any], **more: Any) -> tuple[str, str]:
    found = explain(firing(when, values, **more)).why
    return found["en"].sentence().replace(NBSP, " "), found["fr"].sentence().replace(NBSP, " ")


def test_a_limit_that_the_device_sets_itself() -> None:
    english, french = say(
        "compressor_temp > coalesce(max_temp, 95)",
        {"compressor_temp": 104.0, "max_temp": 90.0},
        attributes=("max_temp",),
        **{"for": "5m"},
    )
    assert english == "compressor_temp was 104 °C, above its limit of 90 °C (max_temp), for 5 min 10 s."
    assert french == "compressor_temp : 104 °C, au-dessus de la limite de 90 °C (max_temp), pendant 5 min 10 s."


def test_a_limit_of_the_rule_says_which_setting_is_absent() -> None:
    english, french = say("compressor_temp > coalesce(max_temp, 95)", {"compressor_temp": 104.0})
    assert english == "compressor_temp was 104 °C, above its limit of 95 °C (fixed in the rule; no value for max_temp)."
    assert "95 °C (fixé par la règle ; sans valeur pour max_temp)" in french


CASE = "compressor_temp > CASE WHEN mode = 'eco' THEN 50 ELSE 60 END"
SAYINGS = {
    "slope": ("slope < 0", {"slope": -1.2}, "Water pressure fell by 1.2 bar per hour over the last 30 min (slope)."),
    "slope beyond": ("slope < -0.5", {"slope": -1.2}, "below its limit of -0.5 bar per hour"),
    "or": (
        "compressor_temp > 90 OR pressure < 1", {"compressor_temp": 50.0, "pressure": 0.5},
        "Water pressure was 0.5 bar, below its limit of 1 bar.",
    ),
    "not": ("NOT (compressor_temp > 90)", {"compressor_temp": 50.0}, "50 °C, at or below its limit of 90 °C."),
    "mirrored": ("90 < compressor_temp", {"compressor_temp": 91.0}, "91 °C, above its limit of 90 °C."),
    "close": ("compressor_temp > 90", {"compressor_temp": 90.000004}, "compressor_temp was 90.000004 °C"),
    "between": ("pressure BETWEEN 1 AND 2", {"pressure": 1.5}, "Water pressure was 1.5 bar, between 1 bar and 2 bar."),
    "outside": ("pressure NOT BETWEEN 1 AND 2", {"pressure": 3.0}, "Water pressure was 3 bar, outside 1 bar to 2 bar."),
    "in": ("mode IN ('eco', 'away')", {"mode": "eco"}, "mode was “eco”, one of “eco”, “away”."),
    "not in": ("mode NOT IN ('eco')", {"mode": "boost"}, "mode was “boost”, none of “eco”."),
    "equal": ("mode = 'eco'", {"mode": "eco"}, "mode was “eco”."),
    "unequal": ("mode <> 'eco'", {"mode": "boost"}, "mode was “boost”, other than “eco”."),
    "null": ("pressure IS NULL", {}, "Water pressure had no value."),
    "not null": ("pressure IS NOT NULL", {"pressure": 2.0}, "Water pressure was 2 bar."),
    "like": ("mode LIKE 'e%'", {"mode": "eco"}, "mode was “eco”, like “e%”."),
    "boolean": ("NOT running", {"running": False}, "running was false."),
    "case": (CASE, {"compressor_temp": 55.0, "mode": "eco"}, "above its limit of 50 °C, as mode was “eco”."),
    "case else": (
        CASE, {"compressor_temp": 65.0, "mode": "x"},
        "above its limit of 60 °C, as mode was “x”, other than “eco”.",
    ),
    "worked out": ("supply - back > 3", {"supply": 9.0, "back": 2.0}, "supply - back was 7 (supply 9, back 2),"),
    "two metrics": ("supply > back", {"supply": 9.0, "back": 2.0}, "supply was 9, above back (2)."),
    "least": ("supply > LEAST(a, b)", {"supply": 9.0, "a": 3.0, "b": 2.0}, "supply was 9, above b (2)."),
}  # fmt: skip


@pytest.mark.parametrize("name", SAYINGS)
def test_each_part_of_the_language_has_its_words(name: str) -> None:
    when, values, wanted = SAYINGS[name]
    english, french = say(when, values, signals=SLOPE if "slope" in when else {})
    assert wanted in english
    assert french.endswith(".")
    assert french != english


def test_samples_counted_and_values_missing() -> None:
    english, french = say("pressure > 5", {}, missing="breach", count={"n": 3, "of": 5})
    assert "had no value, which this rule takes for a fault (missing: breach)" in english
    assert english.endswith("on at least 3 of the last 5 samples.")
    assert "au moins 3 des 5 dernières mesures" in french


OPS = {
    "mean": ({"over": "10m"}, 3.0, "the mean of Water pressure over the last 10 min was 3 bar"),
    "count": ({"over": "10m"}, 3.0, "the number of readings of Water pressure over the last 10 min was 3"),
    "delta": ({"over": "10m"}, 3.0, "Water pressure rose by 3 bar over the last 10 min"),
    "ewma": ({"half_life": "10m"}, 3.0, "the running mean of Water pressure (half-life 10 min) was 3 bar"),
    "zscore": ({"over": "1h"}, -4.0, "Water pressure was 4 standard deviations below its median over the last 1 h"),
    "silence": ({}, 700.0, "Water pressure had sent nothing for 11 min 40 s"),
}


@pytest.mark.parametrize("op", OPS)
def test_signals_are_named_for_what_they_say(op: str) -> None:
    fields, value, wanted = OPS[op]
    signal = {"op": op, "of": "pressure", **fields}
    english, french = say("s <> 1", {"s": value}, signals={"s": signal})
    assert english.startswith(f"{wanted} (s)")
    assert "(s)" in french


def test_expression_signals_quote_their_expression() -> None:
    signals = {"h": {"op": "held", "expr": "pressure < 1"}, "n": {"op": "times", "expr": "pressure < 1", "over": "1h"}}
    english, _ = say("h > 60 AND n >= 3", {"h": 90.0, "n": 4.0}, signals=signals)
    assert "`pressure < 1` had been true for 1 min 30 s (h), longer than its limit of 1 min" in english
    assert "`pressure < 1` became true 4 times over the last 1 h (n), at or above its limit of 3" in english


def test_comparisons_name_both_sides_and_their_sources() -> None:
    found = explain(
        firing(
            "compressor_temp > coalesce(max_temp, 95) AND slope < 0 OR pressure BETWEEN 1 AND 2",
            {"compressor_temp": 104.0, "max_temp": 90.0, "slope": 1.0, "pressure": 3.0},
            attributes=("max_temp",),
            signals=SLOPE,
        )
    ).comparisons
    shown = [
        (o.left.name, o.left.source, o.operator, o.right and (o.right.value, o.right.source), o.holds) for o in found
    ]
    assert shown == [
        ("compressor_temp", "metric", ">", (90.0, "attribute"), True),
        ("slope", "signal", "<", (0.0, "constant"), False),
        ("pressure", "metric", ">=", (1.0, "constant"), True),
        ("pressure", "metric", "<=", (2.0, "constant"), False),
    ]
    assert found[0].right is not None
    assert (found[0].right.text, found[0].right.name) == ("COALESCE(max_temp, 95)", "max_temp")


def test_numbers_stay_apart_and_lengths_have_two_parts() -> None:
    assert number(1234567.891, "en") == "1234568"
    assert number(0.00012345, "fr") == "0,0001234"
    assert number(90.04, "en", beside=90.0) == "90.04"
    assert number(90.00001, "en", beside=90.0) == "90.00001"
    assert [length(s, "en").replace(NBSP, " ") for s in (0.4, 310, 3600, 93_780)] == [
        "0.4 s",
        "5 min 10 s",
        "1 h",
        "1 d 2 h",
    ]
    assert length(93_780, "fr").replace(NBSP, " ") == "1 j 2 h"


# Conditions over distinct names, so that a name tells its comparison.

NAMES = [f"m{index}x" for index in range(8)]


@st.composite
def leaves(draw: st.DrawFn) -> str:
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]))
    return f"@ {operator} {draw(st.integers(-3, 3))}"


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(parts, st.sampled_from(["AND", "OR"]), parts)
    return pair.map(lambda found: f"({found[0]} {found[1]} {found[2]})") | parts.map(lambda inner: f"NOT ({inner})")


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, dict[str, float]]:
    template = draw(st.recursive(leaves(), _joined, max_leaves=8).filter(lambda text: text.count("@") <= len(NAMES)))
    names = iter(NAMES)
    text = re.sub("@", lambda _: next(names), template)
    return text, {name: float(draw(st.integers(-4, 4))) for name in NAMES if name in text}


def holds(text: str, values: dict[str, float]) -> bool:
    """Python reads these conditions as SQL does: nothing here is NULL."""
    python = re.sub(r"(?<![<>])=", "==", text).replace("<>", "!=")
    for word in ("AND", "OR", "NOT"):
        python = python.replace(word, word.lower())
    return bool(eval(python, {}, dict(values)))  # noqa: S307 - of our own making


@given(rows())
def test_what_is_said_is_enough_and_all_of_it_is_so(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    if not holds(text, values):
        return
    said = {language: found.sentence() for language, found in explain(firing(text, values)).why.items()}
    named = {language: {name for name in values if name in sentence} for language, sentence in said.items()}
    assert named["en"] == named["fr"] != set()
    row = Row.of(parse(text), values)
    assert row.truth() is True
    # Enough: whatever the other names are, what is named makes the condition TRUE.
    others = [name for name in values if name not in named["en"]]
    for other in (-100.0, 100.0, 0.0, 1.0):
        assert holds(text, {**values, **dict.fromkeys(others, other)})


@given(rows())
def test_of_an_or_that_is_true_no_false_branch_is_named(case: tuple[str, dict[str, float]]) -> None:
    text, values = case
    both = f"({text}) OR zzz < 0 OR {NAMES[0]} + 1 = {NAMES[0]}"
    if not holds(text, values):
        return
    assert "zzz" not in explain(firing(both, {**values, "zzz": 5.0})).why["en"].sentence()


@given(rows(), st.sets(st.sampled_from(NAMES)))
def test_every_row_has_words_whatever_is_missing(case: tuple[str, dict[str, float]], missing: set[str]) -> None:
    text, values = case
    present = {name: value for name, value in values.items() if name not in missing}
    found = explain(firing(text, present, missing="breach")).why
    assert all(said.sentence() for said in found.values())
