"""Real servers in tests: what is missing is skipped, or fails where everything is required."""

import os
import shutil
import socket
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
"""Recordings kept beside the project, never inside it."""


def require(condition: object, reason: str) -> None:
    """Skip the test for `reason` unless `condition`; under PREVENANT_REQUIRE_ALL=1 it fails instead."""
    if condition:
        return
    if os.environ.get("PREVENANT_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {reason}")
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of a system program, by `require`."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    require(path, f"{name} is not installed")
    return str(path)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
