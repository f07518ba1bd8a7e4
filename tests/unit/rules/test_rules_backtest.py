"""Files in, transitions out: every form of readings that the contract names, and what is said of wrong ones."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.errors import SourceError
from rules.backtest import backtest, prepare, run, summary, to_line
from rules.explain import explain
from rules.readings import Layout

HOT = "kind: rule\nname: hot\nwhen: temp > 90\n"
FIRED = {"rule": "hot", "device_id": "a", "episode": 1, "state": "firing", "severity": "minor"}


@pytest.fixture
def lines(tmp_path: Path) -> Any:
    """Run rules over a text of readings."""

    def go(rules: str, readings: str, *, suffix: str = "csv", devices: str | None = None, **layout: Any) -> list[Any]:
        paths = write(tmp_path, rules, readings, suffix)
        fleet = None
        if devices is not None:
            fleet = tmp_path / ("fleet.yaml" if "kind:" in devices else "fleet.csv")
            fleet.write_text(devices)
        return [to_line(one) for one in backtest(*paths, fleet, layout=Layout(**layout) if layout else None)]

    return go


def write(folder: Path, rules: str, readings: str, suffix: str = "csv") -> tuple[Path, Path]:
    (folder / "rules.yaml").write_text(rules)
    (folder / f"readings.{suffix}").write_text(readings)
    return folder / "rules.yaml", folder / f"readings.{suffix}"


FORMS = {
    "wide csv": ("csv", "device_id,ts,temp,mode\na,2023-11-14T22:13:20Z,95.5,on\n"),
    "long csv": ("csv", "device_id,ts,metric,value\na,1700000000000,temp,95.5\na,1700000000000,mode,on\n"),
    "wide ndjson": ("ndjson", '{"device_id": "a", "ts": 1700000000000, "temp": 95.5, "mode": null}\n'),
    "long ndjson": (
        "ndjson",
        (
            ""
            '{"device_id":"a","ts":"2023-11-14T22:13:20Z","metric":"temp","value":95.5}\n'
            '{"device_id":"a","ts":"2023-11-14T22:13:20Z","metric":"mode","value":"on"}\n'
        ),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_readings_says_the_same(lines: Any, form: str) -> None:
    suffix, text = FORMS[form]
    moment = "2023-11-14T22:13:20Z"
    assert lines(HOT, text, suffix=suffix) == [{**FIRED, "at": moment, "onset": moment}]


def test_parquet_with_types_of_its_own(tmp_path: Path) -> None:
    rules, _ = write(tmp_path, HOT, "")
    table = pl.DataFrame({"ts": [1_700_000_000_000], "temp": [95]}, schema={"ts": pl.Datetime("ms"), "temp": pl.Int16})
    table = table.with_columns(pl.from_epoch(pl.lit(1_700_000_000_000), time_unit="ms").alias("ts"))
    table.write_parquet(tmp_path / "readings.parquet")
    (one,) = backtest(rules, tmp_path / "readings.parquet")
    assert to_line(one) == {
        **FIRED,
        "device_id": "device",
        "at": "2023-11-14T22:13:20Z",
        "onset": "2023-11-14T22:13:20Z",
    }


@pytest.mark.parametrize(
    "stamp",
    [
        "1000",
        "1000.0",
        "1970-01-01T00:00:01Z",
        "1970-01-01 00:00:01",
        "1970-01-01T01:00:01+01:00",
        "1970-01-01T02:00:01.000+0200",
    ],
)
def test_times_in_many_hands(lines: Any, stamp: str) -> None:
    (one,) = lines(HOT, f"ts,temp\n{stamp},95\n")
    assert one["at"] == "1970-01-01T00:00:01Z"


def test_rows_of_one_message_are_put_in_order_and_make_one_sample_per_time(lines: Any) -> None:
    rules = "kind: rule\nname: r\nwhen: temp > 90 AND pressure < 2\njoin_within: 0s\n"
    readings = "ts,metric,value,received_at\n2000,temp,95,9000\n1000,temp,1,9000\n2000,pressure,1,9000\n"
    assert [one["at"] for one in lines(rules, readings)] == ["1970-01-01T00:00:02Z"]


def test_the_first_of_two_readings_of_one_time_counts(lines: Any) -> None:
    assert lines(HOT, "ts,metric,value\n1000,temp,1\n1000,temp,95\n") == []


def test_lines_are_sorted_by_time_then_rule_and_device(lines: Any) -> None:
    rules = HOT + "---\nkind: rule\nname: also\nwhen: temp > 90\n"
    found = lines(rules, "device_id,ts,temp\nb,2000,95\na,2000,95\na,1000,95\n")
    assert [(one["at"][-3:-1], one["rule"], one["device_id"]) for one in found] == [
        ("02", "also", "a"),
        ("02", "also", "b"),
        ("02", "hot", "a"),
        ("02", "hot", "b"),
    ]


@pytest.mark.parametrize(
    "devices",
    [
        "device_id,region,product\na,EU,pump\nb,US,pump\n",
        (
            "kind: device\nid: a\nproduct: pump\nattributes: {region: EU}\n---\n"
            "kind: device\nid: b\nattributes: {region: US}\n"
        ),
    ],
)
def test_devices_give_attributes_and_products(lines: Any, devices: str) -> None:
    readings = "device_id,ts,temp\na,1000,95\nb,1000,95\n"
    assert [one["device_id"] for one in lines(HOT + "applies_to: region = 'EU'\n", readings, devices=devices)] == ["a"]


def test_another_product_is_left_alone_where_products_are_known(lines: Any) -> None:
    readings = "device_id,ts,temp\na,1000,95\n"
    assert lines(HOT + "product: oven\n", readings, devices="device_id,product\na,pump\n") == []
    assert len(lines(HOT + "product: oven\n", readings)) == 1


def test_a_foreign_file_is_made_to_fit(lines: Any) -> None:
    found = lines(
        HOT, "when;temp;label\n1000;95;x\n", time_column="when", device="bed", ignore=("label",), delimiter=";"
    )
    assert [one["device_id"] for one in found] == ["bed"]


def test_other_kinds_of_manifests_are_passed_over_and_products_declare_metrics(lines: Any) -> None:
    rules = "kind: product\nname: p\nmetrics: {humidity: {}}\n---\nkind: customer\nid: c\nname: C\n---\n" + HOT
    assert len(lines(rules.replace("temp > 90", "temp > 90 OR humidity > 3"), "ts,temp\n1000,95\n")) == 1


def test_an_unknown_name_is_an_error_with_its_place(lines: Any) -> None:
    with pytest.raises(SourceError, match=r"rules\.yaml:3.*tmp"):
        lines(HOT.replace("temp", "tmp"), "ts,temp\n1000,95\n")


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ("temp\n1\n", "no column 'ts'"),
        ("ts,temp\n1000,1\nyesterday,2\n", r"readings\.csv:3: ts: 'yesterday' is no time"),
        ("", "empty"),
    ],
)
def test_wrong_files_are_named(lines: Any, readings: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        lines(HOT, readings)


def test_a_retired_rule_is_not_evaluated_and_a_draft_is(lines: Any) -> None:
    assert lines(HOT + "stage: retired\n", "ts,temp\n1000,95\n") == []
    assert len(lines(HOT + "stage: draft\n", "ts,temp\n1000,95\n")) == 1


def test_the_size_of_batches_changes_nothing(tmp_path: Path) -> None:
    rules = HOT + "---\nkind: rule\nname: q\nsignals: {s: {op: silence}}\nwhen: s > 3\nlateness: 2s\n"
    rows = [f"{'ab'[n % 2]},{1000 * (n * 7 % 90)},{90 + n % 3}" for n in range(200)]
    trial = prepare(*write(tmp_path, rules, "device_id,ts,temp\n" + "\n".join(rows)))
    whole = run(trial).transitions
    assert len(whole) > 4
    assert all(run(trial, rows_per_batch=size).transitions == whole for size in (1, 7, 60))


def test_weeks_of_silence_are_not_visited_second_by_second(lines: Any) -> None:
    rules = "kind: rule\nname: q\nsignals: {s: {op: silence}}\nwhen: s / 3600 >= 48\nfor: 1h\n"
    readings = "ts,temp\n0,1\n1,1\n1700000000000,1\n"
    assert [one["at"] for one in lines(rules, readings)] == ["1970-01-03T01:00:01Z", "2023-11-14T22:13:20Z"]


def test_explain_says_why_a_rule_did_not_fire(tmp_path: Path) -> None:
    rules = (
        "kind: rule\nname: never\nwhen: temp > 200\n---\nkind: rule\nname: short\nwhen: temp > 90\nfor: 1h\n---\n"
        "kind: rule\nname: nobody\nwhen: temp > 90\napplies_to: device_id = 'x'\n---\n"
        "kind: rule\nname: young\nwhen: z > 3\nsignals: {z: {op: zscore, of: temp, over: 1m}}\n---\n" + HOT
    )
    trial = prepare(*write(tmp_path, rules, "ts,temp\n0,95\n60000,96\n120000,1\n"))
    said = {name: " ".join(reasons) for name, reasons in explain(trial, run(trial, tally=True)).items()}
    assert said.keys() == {"never", "short", "nobody", "young"}
    assert "FALSE on 3" in said["never"]
    assert "1m" in said["short"]
    assert "1h" in said["short"]
    assert "none of the 1 devices" in said["nobody"]
    assert "never had a value" in said["young"]


def test_the_summary_counts_episodes_per_rule(tmp_path: Path) -> None:
    trial = prepare(*write(tmp_path, HOT, "ts,temp\n0,95\n60000,1\n120000,95\n"))
    (row,) = summary(trial, run(trial))
    assert (row["episodes"], row["resolved"], row["open"], row["median_duration_s"]) == (2, 1, 1, 60.0)
    assert json.dumps(row)
