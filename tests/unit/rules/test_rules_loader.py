"""Rule files: what each field becomes, and that every mistake is named with file, line, key and cure."""

from pathlib import Path

import pytest

from domain.errors import SourceError
from domain.faults import Severity, Stage
from rules.documents import parse_documents
from rules.loader import load_rules, rule_from_manifest, rules_from, signal_from_manifest
from rules.model import Count, Flapping, Kind, Missing, Rule, Signal
from rules.vocabulary import Vocabulary, kinds_of

FULL = """\
kind: rule
name: compressor-overheat
product: heatpump-x
applies_to: region = 'EU' AND model IN ('X1', 'X2')
family: cooling
title: {en: Compressor too hot, fr: Compresseur trop chaud}
says: {en: gets too hot, fr: chauffe trop}
severity: major
signals:
  slope: {op: slope, of: pressure, over: 30m, per: 2h, counter: true}
  quiet: {op: silence}
when: compressor_temp > coalesce(max_temp, 95) AND slope < 0
clear: compressor_temp < 85 OR quiet > 60
for: 5m
keep_firing_for: 2m
count: {n: 3, of: 5}
missing: breach
max_gap: 15m
join_within: 10m
lateness: 30s
max_evidence_age: 2h
hold: 0s
flapping: {transitions: 6, within: 1h}
stage: shadow
playbook: overheat-standard
"""
NUMBER, STRING = Kind.NUMBER, Kind.STRING
WORDS = Vocabulary(
    metrics={"compressor_temp": NUMBER, "pressure": NUMBER, "mode": STRING, "twin": NUMBER},
    attributes={"region": STRING, "model": STRING, "max_temp": NUMBER, "twin": NUMBER},
)


def load(text: str, vocabulary: Vocabulary | None = None) -> list[Rule]:
    return rules_from(parse_documents(text, file="rules.yaml"), vocabulary)


def complaints(text: str, vocabulary: Vocabulary | None = WORDS) -> list[str]:
    try:
        load(text, vocabulary)
    except SourceError as exc:
        return [str(exc)]
    except ExceptionGroup as group:
        return [str(exc) for exc in group.exceptions]
    return []


def test_every_field_of_a_full_rule() -> None:
    (rule,) = load(FULL, WORDS)
    assert rule == Rule(
        name="compressor-overheat",
        product="heatpump-x",
        applies_to="region = 'EU' AND model IN ('X1', 'X2')",
        family="cooling",
        title={"en": "Compressor too hot", "fr": "Compresseur trop chaud"},
        says={"en": "gets too hot", "fr": "chauffe trop"},
        severity=Severity.MAJOR,
        signals=(
            Signal("slope", "slope", of="pressure", over_ms=1_800_000, per_ms=7_200_000, counter=True),
            Signal("quiet", "silence"),
        ),
        when="compressor_temp > coalesce(max_temp, 95) AND slope < 0",
        clear="compressor_temp < 85 OR quiet > 60",
        for_ms=300_000,
        keep_firing_for_ms=120_000,
        count=Count(3, 5),
        missing=Missing.BREACH,
        max_gap_ms=900_000,
        join_within_ms=600_000,
        lateness_ms=30_000,
        max_evidence_age_ms=7_200_000,
        hold_ms=0,
        flapping=Flapping(6, 3_600_000),
        stage=Stage.SHADOW,
        playbook="overheat-standard",
        manifest=rule.manifest,
    )


def test_the_defaults_of_the_contract() -> None:
    (rule,) = load("{kind: rule, name: hot, when: celsius > 90}")
    assert (rule.family, rule.severity, rule.missing, rule.stage) == ("hot", Severity.MINOR, Missing.HOLD, None)
    assert (rule.for_ms, rule.keep_firing_for_ms, rule.lateness_ms, rule.max_gap_ms) == (0, 0, 0, None)
    assert (rule.join_within_ms, rule.max_evidence_age_ms, rule.hold_ms) == (300_000, 3_600_000, 60_000)
    assert (rule.clear, rule.count, rule.flapping, rule.signals, rule.version) == (None, None, None, (), 1)


def test_a_manifest_gives_back_the_same_rule() -> None:
    (rule,) = load(FULL)
    assert rule_from_manifest(rule.manifest) == rule
    assert rule_from_manifest(rule.manifest, version=7).version == 7
    assert "manifest" not in rule.manifest


QUIET = "quiet: {op: silence}"


@pytest.mark.parametrize(
    ("there", "instead", "said"),
    [
        ("kind: rule", "kind: rul", "1:1: kind: 'rul' is no kind; did you mean rule?"),
        ("kind: rule\n", "", "1:1: kind: is missing; write kind: rule"),
        ("name: compressor-overheat", "name:", "2:1: name: is empty; write name: compressor-overheat"),
        ("name: compressor-overheat", "name: 7", "2:1: name: 7 is not a text; write name: compressor-overheat"),
        ("name: compressor-overheat", "name: a/b", "2:1: name: 'a/b' cannot be a name; up to 128"),
        ("for: 5m", "fro: 5m", "14:1: fro: unknown key; did you mean for?"),
        ("for: 5m", "zzz: 5m", "14:1: zzz: unknown key; known are: kind, name"),
        ("for: 5m", "for: 5", "14:1: for: 5 has no unit; write 5s or 5m"),
        ("for: 5m", "for: 5 minutes", "14:1: for: '5 minutes' is not a duration; write for example 30s"),
        ("for: 5m", "for: -5m", "14:1: for: '-5m' is not a duration"),
        ("for: 5m", "for: [5m]", "14:1: for: ['5m'] is not a duration"),
        ("for: 5m", "for: 99999d", "14:1: for: '99999d' is longer than ten years"),
        ("for: 5m", "for: 5m\nfor: 6m", "15:1: for: this key stands here twice; it is in line 14 already"),
        ("max_gap: 15m", "max_gap: 0s", "18:1: max_gap: '0s' is too short; write max_gap: 5m"),
        ("severity: major", "severity: majr", "8:1: severity: 'majr' is not one of them; did you mean major?"),
        ("severity: major", "severity: 3", "8:1: severity: 3 is not one of them; write info, minor, major"),
        ("missing: breach", "missing: ignore", "17:1: missing: 'ignore' is not one of them; write hold"),
        ("stage: shadow", "stage: on", "24:1: stage: 'on' is not one of them; write draft, shadow"),
        ("title: {en: C", "title: {de: C", "6:9: title.de: unknown key; known are: en, fr"),
        (
            "title: {en: Compressor too hot, fr: Compresseur trop chaud}",
            "title: Hot",
            "6:1: title: is not given per language; write title: {en: Hot}",
        ),
        ("count: {n: 3, of: 5}", "count: 3", "16:1: count: 3 is not a mapping"),
        ("{n: 3, of: 5}", "{n: 6, of: 5}", "16:9: count.n: 6 of the last 5 samples can never be; write n: 5"),
        ("{n: 3, of: 5}", "{n: 3}", "16:1: count.of: is missing; write of: 3"),
        ("{n: 3, of: 5}", "{n: 3, of: 0}", "16:15: count.of: 0 is not a whole number from 1 to 10000"),
        ("{n: 3, of: 5}", "{n: true, of: 5}", "16:9: count.n: True is not a whole number"),
        ("{n: 3, of: 5}", "{n: 3, off: 5, of: 5}", "16:15: count.off: unknown key; did you mean of?"),
        (", within: 1h}", "}", "23:1: flapping.within: is missing; write within: 30m"),
        ("transitions: 6", "transitions: 6.5", "23:12: flapping.transitions: 6.5 is not a whole number"),
        ("op: slope", "op: slpe", "10:11: signals.slope.op: 'slpe' is no signal; did you mean slope?"),
        ("op: slope, ", "", "10:3: signals.slope.op: is missing; write op: mean"),
        ("of: pressure, ", "", "10:3: signals.slope.of: is missing; write of: metric"),
        ("over: 30m, ", "", "10:3: signals.slope.over: is missing; write over: 30m"),
        ("over: 30m", "over: 0s", "10:36: signals.slope.over: '0s' is too short"),
        ("per: 2h", "expr: a > 1", "10:47: signals.slope.expr: unknown key; known are: op, of"),
        ("counter: true", "counter: yes", "10:56: signals.slope.counter: 'yes' is neither; write true or false"),
        ("quiet: {op: silence}", "quiet:", "11:3: signals.quiet: is empty; write quiet: {op: mean"),
        ("quiet: {op: silence}", "quiet: {op: since}", "11:3: signals.quiet.expr: is missing"),
        (
            "quiet: {op: silence}",
            "quiet: {op: since, expr: 'pressure >'}",
            "11:38: signals.quiet.expr: a value is missing after >",
        ),
        (
            "quiet: {op: silence}",
            "quiet: {op: held, expr: slope > 1}",
            "11:27: signals.quiet.expr: 'slope' is a signal; here stand only metrics and attributes",
        ),
        (
            "quiet: {op: silence}",
            "quiet: {op: silence, of: prssure}",
            "11:24: signals.quiet.of: 'prssure' is no metric; did you mean pressure?",
        ),
        (QUIET, "quiet: {op: time_to, of: pressure, over: 6h}", "11:3: signals.quiet.threshold: is missing; write thr"),
        (
            QUIET,
            "quiet: {op: time_to, of: pressure, over: 6h, threshold: high}",
            "11:48: signals.quiet.threshold: 'high' is not a number; write threshold: 95",
        ),
        (
            QUIET,
            "quiet: {op: time_to, of: pressure, over: 6h, threshold: 9, direction: abve}",
            "11:62: signals.quiet.direction: 'abve' is not one of them; did you mean above?",
        ),
        (
            QUIET,
            "quiet: {op: baseline, of: pressure, over: 7d}",
            "11:39: signals.quiet.over: the same hours of 2 to 13 weeks are looked at; write over: 28d",
        ),
        (
            QUIET,
            "quiet: {op: baseline, of: pressure, over: 28d, by: hour}",
            "11:50: signals.quiet.by: 'hour' is not one of them; write hour_of_week",
        ),
        (QUIET, "quiet: {op: anomaly}", "11:3: signals.quiet.of: is missing; write of: [temperature, pressure]"),
        (QUIET, "quiet: {op: anomaly, of: 3}", "11:24: signals.quiet.of: 3 is not a list of names; write of: [t"),
        (QUIET, "quiet: {op: anomaly, of: [pressure, pressure]}", "11:39: signals.quiet.of.1: 'pressure' stands twice"),
        (QUIET, "quiet: {op: anomaly, of: [pressure, prssure]}", "11:39: signals.quiet.of.1: 'prssure' is no metric"),
        (QUIET, "quiet: {op: anomaly, of: [pressure, mode]}", "signals.quiet.of.1: 'mode' is a string; anomaly needs"),
        (
            QUIET,
            "quiet: {op: anomaly, of: [pressure, compressor_temp], detector: single}",
            "11:57: signals.quiet.detector: single takes one metric, not 2; write detector: multi",
        ),
        (QUIET, "quiet: {op: anomaly, of: pressure, detector: nab}", "signals.quiet.detector: 'nab' is not one"),
        (QUIET, "quiet: {op: peers, of: pressure}", "11:3: signals.quiet.by: is missing; write by: [model, firmware]"),
        (
            QUIET,
            "quiet: {op: peers, of: pressure, by: [regon]}",
            "11:41: signals.quiet.by.0: 'regon' is no attribute; did you mean region?",
        ),
        (QUIET, "quiet: {op: peers, of: pressure, by: region, stat: mean}", "signals.quiet.stat: 'mean' is not one"),
        (QUIET, "quiet: {op: usage, of: pressure, since: birth}", "11:36: signals.quiet.since: 'birth' is not one of"),
        (QUIET, "quiet: {op: distance, lat: pressure, to: site}", "11:3: signals.quiet.lon: is missing; write lon"),
        (
            QUIET,
            "quiet: {op: distance, lat: pressure, lon: prssure, to: site}",
            "11:40: signals.quiet.lon: 'prssure' is no metric; did you mean pressure?",
        ),
        (
            QUIET,
            "quiet: {op: distance, lat: pressure, lon: twin, to: [91, 2]}",
            "11:51: signals.quiet.to: [91, 2] is neither site nor a latitude and a longitude; write to: site",
        ),
        ("of: pressure", "of: max_temp", "10:22: signals.slope.of: 'max_temp' is no metric"),
        ("of: pressure", "of: mode", "10:22: signals.slope.of: 'mode' is a string; slope needs a metric"),
        ("  slope:", "  pressure:", "10:3: signals.pressure: 'pressure' is also the name of a metric; give"),
        ("  slope:", "  region:", "10:3: signals.region: 'region' is also the name of an attribute; give"),
        (
            "when: compressor_temp > coalesce(max_temp, 95) AND slope < 0\n",
            "",
            "1:1: when: is missing; write when: temperature > 90",
        ),
        ("when: compressor_temp > coalesce(max_temp, 95)", "when: true #", "12:1: when: True is not a text"),
        (
            "compressor_temp > coalesce",
            "compresor_temp > coalesce",
            "12:7: when: unknown name 'compresor_temp'; did you mean compressor_temp?",
        ),
        (
            "compressor_temp > coalesce",
            "twin > coalesce",
            "12:7: when: 'twin' is both a metric and an attribute; rename",
        ),
        ("slope < 0", "slope < 'a'", "12:60: when: slope is a number and 'a' is a string"),
        ("slope < 0", "foo(slope) < 0", "12:52: when: foo is not a function that rules may use"),
        ("compressor_temp < 85", "compressor_temp", "13:8: clear: compressor_temp is a number, not a boolean"),
        ("compressor_temp < 85", "mode < 85", "13:15: clear: mode is a string and 85 is a number"),
        ("region = 'EU'", "region = 3", "4:22: applies_to: region is a string and 3 is a number"),
        (
            "region = 'EU'",
            "slope > 3",
            "4:13: applies_to: 'slope' is a signal; here stand only attributes and device_id",
        ),
        ("region = 'EU'", "pressure > 3", "4:13: applies_to: unknown name 'pressure'; known are: device_id, max_temp"),
        ("compressor_temp > coalesce", "device_id > coalesce", "12:7: when: unknown name 'device_id'"),
        ("playbook: overheat-standard", "playbook: ''", "25:1: playbook: is empty; write a text"),
        ("playbook: overheat-standard", "playbook: {a: b}", "25:1: playbook: {'a': 'b'} is not a text"),
        ("signals:", "signals: [", "not YAML"),
        ("for: 5m", " for: 5m", "14:5: not YAML"),
        ("playbook: overheat-standard", "playbook: !secret x", "25:11: playbook: the tag !secret is not supported"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_key_and_cure(there: str, instead: str, said: str) -> None:
    assert there in FULL
    found = complaints(FULL.replace(there, instead, 1))
    assert any(complaint.startswith("rules.yaml:") and said in complaint for complaint in found), found


def test_all_mistakes_of_a_file_are_told_together() -> None:
    found = complaints(
        FULL.replace("for: 5m", "fro: 5m").replace("severity: major", "severity: bad") + "---\nkind: rule\n"
    )
    assert [complaint.split(": ")[1] for complaint in found] == ["fro", "severity", "name", "when"]


def test_two_rules_of_one_name() -> None:
    (said,) = complaints("kind: rule\nname: a\nwhen: b\n---\nkind: rule\nname: a\nwhen: c\n", None)
    assert said == "rules.yaml:6:1: name: 'a' is the name of another rule, at rules.yaml:2; names are unique"


@pytest.mark.parametrize(
    "when",
    [
        ">-\n  pressure > 1\n  AND foo(pressure) > 2",
        "|\n  pressure > 1\n  AND foo(pressure) > 2",
        "pressure > 1\n  AND foo(pressure) > 2",
        "'pressure > 1\n  AND foo(pressure) > 2'",
    ],
)
def test_the_place_inside_an_expression_over_several_lines(when: str) -> None:
    text = f"kind: rule\nname: a\nwhen: {when}\n"
    (said,) = complaints(text)
    line = next(number for number, row in enumerate(text.split("\n"), 1) if "foo" in row)
    assert said.startswith(f"rules.yaml:{line}:7: when: foo is not a function")


def test_the_place_inside_quotes_counts_written_characters() -> None:
    (said,) = complaints("kind: rule\nname: a\nwhen: 'mode = ''x'' AND foo(pressure) > 2'\n")
    assert said.startswith("rules.yaml:3:25: when: foo is not a function")


def test_when_and_clear_must_agree_on_a_name_that_nobody_declared() -> None:
    (said,) = complaints("kind: rule\nname: a\nwhen: level > 3\nclear: level = 'low'\n", None)
    assert said.startswith("rules.yaml:4:16: clear: level is a number and 'low' is a string")


def test_open_vocabularies_take_unknown_names_for_metrics() -> None:
    text = "kind: rule\nname: a\nwhen: strange > 3\n"
    assert complaints(text, Vocabulary(metrics={"pressure": NUMBER}, closed=False)) == []
    assert complaints(text, Vocabulary(metrics={"pressure": NUMBER})) != []


def test_a_declared_metric_without_a_kind_takes_the_kind_of_its_use() -> None:
    vocabulary = Vocabulary(metrics={"door": None, "mode": None})
    assert complaints("kind: rule\nname: a\nwhen: door AND mode = 'x'\n", vocabulary) == []
    assert complaints("kind: rule\nname: a\nwhen: door AND door = 'x'\n", vocabulary) != []


def test_a_vocabulary_checks_a_rule_by_itself() -> None:
    rule = rule_from_manifest({"kind": "rule", "name": "a", "when": "presure > 3"})
    with pytest.raises(SourceError, match=r"^1:1: when: unknown name 'presure'; did you mean pressure"):
        WORDS.check(rule)


def test_kinds_of_every_name_in_a_rule() -> None:
    rule = rule_from_manifest(
        {
            "kind": "rule",
            "name": "a",
            "applies_to": "region = 'EU' AND device_id LIKE 'x%'",
            "signals": {"m": {"op": "median", "of": "level", "over": "5m"}, "s": {"op": "since", "expr": "door"}},
            "when": "m > 3 AND s > 5 AND colour = other",
            "clear": "colour = 'red'",
        }
    )
    assert kinds_of(rule) == {
        "region": STRING, "device_id": STRING, "level": NUMBER, "door": Kind.BOOLEAN, "m": NUMBER, "s": NUMBER,
        "colour": STRING, "other": STRING,
    }  # fmt: skip


def test_errors_without_a_file_tell_the_key() -> None:
    with pytest.raises(SourceError) as caught:
        rule_from_manifest({"kind": "rule", "name": "a", "when": "x > 1", "for": 5})
    assert str(caught.value) == "for: 5 has no unit; write 5s or 5m"
    with pytest.raises(SourceError) as caught:
        rule_from_manifest({"kind": "rule", "name": "a", "when": "x > 1 AND foo(y)"})
    assert str(caught.value).startswith("1:11: when: foo is not a function")


def test_a_folder_of_manifests_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "rules.yml").write_text("kind: rule\nname: two\nwhen: x > 1\n")
    (tmp_path / "a.json").write_text('[\n\t{"kind": "rule", "name": "one", "when": "x > 1"},\n\t{"kind": "maker"}\n]')
    (tmp_path / "notes.txt").write_text("kind: nonsense")
    assert [rule.name for rule in load_rules(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rules.yaml", b"kind: product\n", "rules.yaml: no rule in here; write a document with kind: rule"),
        ("rules.yaml", b"", "rules.yaml: no rule in here"),
        ("rules.yaml", b"kind: rule\nname: \xff", "rules.yaml: not UTF-8 text; save it as UTF-8"),
        ("rules.yaml", b"just words", "rules.yaml:1:1: not a mapping"),
        ("rules.json", b'{"kind": "rule",\n "name": 5, "when": "x > 1"}', "rules.json:2:2: name: 5 is not a text"),
    ],
)
def test_files_that_hold_no_rule(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        load_rules(path)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_rules(tmp_path / "nowhere.yaml")
    with pytest.raises(SourceError, match="no manifest in this folder"):
        load_rules(tmp_path)


def test_one_signal_by_itself() -> None:
    assert signal_from_manifest({"op": "zscore", "of": "value", "over": "1h"}).over_ms == 3_600_000
    with pytest.raises(SourceError, match="over: is missing"):
        signal_from_manifest({"op": "zscore", "of": "value"})
