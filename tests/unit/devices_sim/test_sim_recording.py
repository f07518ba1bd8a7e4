"""Recordings in every form become the same samples."""

import math
from pathlib import Path

import polars as pl
import pytest

from devices_sim.recording import Recording, Sample

T0 = 1_700_000_000_000


def write(tmp_path: Path, text: str, name: str = "r.csv") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def samples(path: Path, **options: object) -> list[Sample]:
    return list(Recording(path, **options).samples())  # type: ignore[arg-type]


def test_a_wide_csv(tmp_path: Path) -> None:
    file = write(tmp_path, f"device_id,ts,temp,ok,mode\na,{T0},21.5,true,eco\na,{T0 + 1000},,FALSE,7\nb,{T0},nan,,\n")
    assert samples(file) == [
        Sample("a", T0, {"temp": 21.5, "ok": True, "mode": "eco"}),
        Sample("a", T0 + 1000, {"ok": False, "mode": 7.0}),
    ]


def test_a_long_csv_joins_adjacent_rows_of_one_time(tmp_path: Path) -> None:
    rows = [f"a,{T0},temp,21.5", f"a,{T0},ok,true", f"b,{T0},temp,3", f"a,{T0},mode,eco"]
    file = write(tmp_path, "device_id,ts,metric,value\n" + "\n".join(rows))
    assert samples(file) == [
        Sample("a", T0, {"temp": 21.5, "ok": True}),
        Sample("b", T0, {"temp": 3.0}),
        Sample("a", T0, {"mode": "eco"}),
    ]
    assert Recording(file).metrics == ("temp", "ok", "mode")


def test_a_foreign_csv(tmp_path: Path) -> None:
    file = write(tmp_path, "when;Volume Flow;anomaly\n2020-03-09 10:54:34;31.0;0\n2020-03-09T10:54:35.500Z;32;1\n")
    recording = Recording(file, time_column="when", device="testbed-1", ignore=("anomaly",), delimiter=";")
    first, second = recording.samples()
    assert first == Sample("testbed-1", 1583751274000, {"Volume Flow": 31.0})
    assert second.ts - first.ts == 1500
    assert (recording.metrics, recording.rows) == (("Volume Flow",), 2)


def test_ndjson_and_parquet_keep_their_types(tmp_path: Path) -> None:
    lines = f'{{"ts": {T0}, "temp": 1.5, "ok": true}}\n{{"ts": {T0 + 1}, "temp": null, "mode": "x"}}\n'
    expected = [Sample("device", T0, {"temp": 1.5, "ok": True}), Sample("device", T0 + 1, {"mode": "x"})]
    ndjson = write(tmp_path, lines, "r.ndjson")
    parquet = tmp_path / "r.parquet"
    pl.read_ndjson(ndjson).write_parquet(parquet)
    assert samples(ndjson) == expected
    assert samples(parquet) == expected


def test_a_datetime_column_of_parquet_is_read(tmp_path: Path) -> None:
    file = tmp_path / "r.parquet"
    pl.DataFrame({"ts": [T0], "x": [math.inf], "y": [2]}).with_columns(
        pl.from_epoch("ts", time_unit="ms")
    ).write_parquet(file)
    assert samples(file) == [Sample("device", T0, {"y": 2})]


def test_received_at_is_no_metric(tmp_path: Path) -> None:
    assert samples(write(tmp_path, f"ts,x,received_at\n{T0},1,{T0 + 5}\n")) == [Sample("device", T0, {"x": 1.0})]


def test_the_ends_are_found_in_any_order(tmp_path: Path) -> None:
    recording = Recording(write(tmp_path, f"ts,x\n{T0 + 5},1\n{T0},1\n{T0 + 9},\n"))
    assert (recording.first_ts, recording.last_ts) == (T0, T0 + 9)


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("time,x\n1,2\n", "r.csv", "no column 'ts'; it has time, x"),
        (f"ts,x\n{T0},1\nyesterday,2\n", "r.csv", "row 2, column 'ts': 'yesterday'"),
        ("ts,x\n", "r.csv", "no rows"),
        ("ts,x\n", "r.txt", ".txt is not known"),
        ("{nonsense", "r.ndjson", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace(".", r"\.")):
        samples(write(tmp_path, text, name))


def test_a_column_to_ignore_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no column 'label'"):
        samples(write(tmp_path, f"ts,x\n{T0},1\n"), ignore=("label",))
