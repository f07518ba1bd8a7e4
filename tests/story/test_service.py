"""`prevenant serve` from outside: ready once all is, one clear line for each mistake, and a clean end."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.real import free_port
from tests.story.service import ROOT, Service, running_service

pytestmark = [pytest.mark.slow]
ROLES = ["ingest", "rules", "notify", "clock", "api"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


def lines(service: Service, *arguments: str, **settings: str) -> tuple[int, list[str]]:
    """Exit code and the lines of standard error of one command."""
    environment = service.environment | {f"PREVENANT_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "app", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


def test_status_names_every_role_with_its_process_position_and_lag(service: Service) -> None:
    found = service.status()
    assert found["ready"]
    assert [row["role"] for row in found["roles"]] == ROLES
    assert all(psutil.pid_exists(row["pid"]) for row in found["roles"])
    rules = found["roles"][1]
    assert rules["position"] > 0
    assert rules["lag"] >= 0


def test_a_second_service_in_the_folder_is_told_so_in_one_line(service: Service) -> None:
    code, said = lines(service, "serve")
    assert code == 1
    assert len(said) == 1
    assert "is in use by prevenant serve (pid" in said[0]


def test_a_taken_port_is_one_line(service: Service, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for setting in ("http_port", "mqtt_port", "nats_port"):
            ports = {setting: port, "data_dir": str(tmp_path / setting)}
            free = {name: str(free_port()) for name in ("http_port", "mqtt_port", "nats_port") if name != setting}
            code, said = lines(service, "serve", **ports, **free)
            assert code == 1
            assert [line for line in said if "prevenant:" in line] == said[-1:]
            assert port in said[-1]
            assert setting.upper() in said[-1]


@pytest.mark.parametrize(
    "arguments", [["run", "cook"], ["serve", "--fast"], ["backtest"], ["apply"], ["replay"], ["frobnicate"]]
)
def test_wrong_usage_exits_2_with_one_line(service: Service, arguments: list[str]) -> None:
    code, said = lines(service, *arguments)
    assert code == 2
    assert len(said) == 1
    assert said[0].startswith("prevenant: ")


def test_applying_twice_changes_nothing(service: Service) -> None:
    first = service.cli("apply", "examples/home_fleet").stdout.splitlines()
    again = service.cli("apply", "examples/home_fleet").stdout.splitlines()
    assert first[-1].startswith("in force")
    assert {line.split()[0] for line in first[:-1]} == {"created"}
    assert {line.split()[0] for line in again} == {"unchanged"}


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    with running_service(tmp_path) as running:
        pids = [row["pid"] for row in running.status()["roles"]]
        assert running.stop() == 0
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert running.log.read_text().rstrip().endswith("stopped")
