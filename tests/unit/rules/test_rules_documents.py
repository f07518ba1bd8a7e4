"""Manifest files as text: what plain values become, and where things stand."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceError
from domain.faults import Stage
from rules.documents import parse_documents, plain, read_documents
from rules.durations import parse_duration
from rules.loader import rules_from
from rules.model import Kind
from rules.vocabulary import Vocabulary

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("21:00", "21:00"),
        ("+33612345678", "+33612345678"),
        ("0612345678", "0612345678"),
        ("1.4.2", "1.4.2"),
        ("2026-03-02", "2026-03-02"),
        ("12", 12),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("0x1F", "0x1F"),
        (".nan", ".nan"),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_plain_values_are_read_as_people_mean_them(written: str, value: object) -> None:
    (document,) = parse_documents(f"kind: {written}")
    assert document.data["kind"] == value
    assert type(document.data["kind"]) is type(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(max_size=8), items, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4), st.sampled_from([None, 1, "\t"]))
def test_json_is_read_as_json(data: dict[str, object], indent: int | str | None) -> None:
    text = json.dumps(data, indent=indent).replace("\t", " ")
    (document,) = parse_documents(text)
    assert document.data == data


def test_places_of_keys_and_items() -> None:
    (_, document) = parse_documents("a: 1\n---\nlist:\n  - x: 1\n    y: [5,\n      6]\n")
    assert document.where(("list", 0, "y")) == (5, 5)
    assert document.where(("list", 0, "y", 1)) == (6, 7)
    assert document.where(("list", 0, "nothing")) == (4, 5), "the nearest part that is there"
    assert str(document.error("bad", at=("list", 0, "y"), cure="write good")) == "5:5: list.0.y: bad; write good"


def test_documents_without_content_are_left_out_and_lists_hold_one_each() -> None:
    assert [document.kind for document in parse_documents("---\n---\nkind: a\n---\n[{kind: b}, {kind: c}]\n")] == [
        "a",
        "b",
        "c",
    ]
    assert parse_documents("# only a remark\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: x: y", "f.yaml:2:5: b: not YAML: a second colon in one line; put text with a colon in quotes"),
        ("a: [1", "f.yaml:1:4: a: not YAML: this [ is not closed; close it with ]"),
        ("a: *b", "f.yaml:1:4: a: not YAML: text that begins with * is an alias in YAML; put the whole text in quotes"),
        ("a: &x [*x]", "nested too deeply"),
        ("? [a]\n: b", "f.yaml:1:3: a key must be plain text"),
        ("a: !!python/name:os.system x", "f.yaml:1:4: a: the tag"),
        ("a: !!int '5'", "f.yaml:1:4: a: the tag"),
        ("a: {b: 1, b: 2}", "f.yaml:1:11: a.b: this key stands here twice; it is in line 1 already; keep one"),
        ("a: \x00", "f.yaml:1: not YAML: a control character; save it as plain text"),
    ],
)
def test_what_is_not_a_document(text: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_documents(text, file="f.yaml")
    assert said in str(caught.value)


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SourceError, match="too large once its aliases are written out"):
        parse_documents("\n".join(lines))


@given(st.text(max_size=60))
def test_any_text_is_documents_or_a_source_error(text: str) -> None:
    try:
        documents = parse_documents(text)
    except SourceError:
        return
    assert all(document.data is not None for document in documents)


def test_a_document_without_a_file_points_at_keys_only() -> None:
    assert str(plain({"a": 1}).error("bad", at=("a",))) == "a: bad"


@pytest.mark.parametrize(
    ("written", "ms"), [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("2d", 172_800_000), (0, 0), ("0s", 0)]
)
def test_durations(written: object, ms: int) -> None:
    assert parse_duration(written) == ms


@pytest.mark.parametrize("written", [5, 1.5, "5", "5 m", "", None, True, "m5", "-5m", "5m!", ["5m"], "1e9d"])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(SourceError, match=r"write for example 30s|write 5s|write 1\.5s"):
        parse_duration(written)


def test_the_example_in_the_checklist_loads() -> None:
    text = (ROOT / "docs" / "adding-a-rule.md").read_text(encoding="utf-8")
    example, acting = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    vocabulary = Vocabulary(
        metrics={"compressor_temp": Kind.NUMBER, "pressure": Kind.NUMBER}, attributes={"max_temp": Kind.NUMBER}
    )
    (rule,) = rules_from(parse_documents(example + acting), vocabulary)
    assert (rule.name, rule.for_ms, rule.stage) == ("compressor-overheat", 300_000, Stage.SHADOW)
    assert [signal.name for signal in rule.signals] == ["pressure_slope"]
    assert (rule.storm.devices, [one.rule for one in rule.inhibits], len(rule.active)) == (5, ["no-reading", None], 1)


@pytest.mark.parametrize("folder", ["home_fleet", "pump_testbed"])
def test_the_rules_of_the_examples_load(folder: str) -> None:
    assert rules_from(read_documents(ROOT / "examples" / folder))
