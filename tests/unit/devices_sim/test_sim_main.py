"""`python -m devices_sim` as its users meet it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real import free_port

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = str(ROOT / "examples/home_fleet/scenario.yaml")


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "devices_sim", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--scenario", "nowhere.yaml"), "nowhere.yaml"),
        (("--scenario", SCENARIO, "--mqtt", "localhost"), "mqtt://"),
        (("--scenario", SCENARIO, "--clock", "noon"), "clock 'noon'"),
        ((), "--scenario"),
    ],
)
def test_wrong_usage_exits_2_with_one_clear_line(arguments: tuple[str, ...], word: str) -> None:
    process = start(*arguments)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert word in err.splitlines()[-1]


def test_it_waits_for_a_broker_and_ends_when_told(tmp_path: Path) -> None:
    process = start("--scenario", SCENARIO, "--mqtt", f"mqtt://127.0.0.1:{free_port()}")
    assert process.stderr is not None
    assert "devices=12" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
