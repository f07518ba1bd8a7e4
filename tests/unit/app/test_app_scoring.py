"""`prevenant score`: CSV in input order; wrong usage is one line and exit 2."""

import subprocess
import sys
from pathlib import Path

import pytest

READINGS = """device_id,ts,temp,hum
a,1700000000000,1,5
b,1700000000000,2,
a,1700000060000,3,6
a,1700000060000,4,7
a,1700000030000,9,
b,1700000000000,2,
a,2023-11-14T22:15:20Z,,8
"""


def score(folder: Path, signal: str, *more: str, readings: str = READINGS) -> subprocess.CompletedProcess[str]:
    (folder / "readings.csv").write_text(readings)
    command = [sys.executable, "-m", "app", "score", str(folder / "readings.csv"), "--signal", signal, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_every_sample_has_a_line_in_input_order_late_ones_too(tmp_path: Path) -> None:
    done = score(tmp_path, '{"op": "mean", "of": "temp", "over": "5m"}')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "device_id,ts,score",
        "a,1700000000000,1.0",
        "b,1700000000000,2.0",
        "a,1700000060000,2.0",
        "a,1700000030000,",
        "a,1700000120000,2.0",
    ]


def test_silence_of_a_metric_is_told_at_the_samples_of_others(tmp_path: Path) -> None:
    done = score(tmp_path, '{"op": "silence", "of": "temp"}')
    assert [line.split(",")[2] for line in done.stdout.splitlines()[1:]] == ["0.0", "0.0", "0.0", "", "60.0"]


def test_foreign_files_and_attributes_fit(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text("device_id,site.lat,site.lon\npump,0,90\n")
    readings = "when;lat;lon;junk\n2023-11-14T22:13:20Z;0;0;x\n"
    signal = '{"op": "distance", "lat": "lat", "lon": "lon", "to": "site"}'
    more = ("--time-column", "when", "--device", "pump", "--ignore", "junk", "--delimiter", ";")
    done = score(tmp_path, signal, *more, "--devices", str(tmp_path / "devices.csv"), readings=readings)
    device, ts, metres = done.stdout.splitlines()[1].split(",")
    assert (device, ts) == ("pump", "1700000000000")
    assert float(metres) == pytest.approx(10_007_557, rel=1e-6)


@pytest.mark.parametrize(
    ("signal", "code", "said"),
    [
        ("{op: mean}", 2, "--signal is not JSON"),
        ("[1]", 2, "--signal is not a mapping"),
        ('{"op": "men"}', 2, "op: 'men' is no signal; did you mean mean?"),
        ('{"op": "mean", "of": "temp"}', 2, "over: is missing; write over: 30m"),
        ('{"op": "mean", "of": "tmp", "over": "5m"}', 1, "--signal: of: 'tmp' is no metric; did you mean temp?"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, signal: str, code: int, said: str) -> None:
    done = score(tmp_path, signal)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "score", str(tmp_path / "none.csv"), "--signal", '{"op": "count"}']
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 2
