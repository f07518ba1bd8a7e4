"""`prevenant replay`: hands over to the simulator, which is a stranger to the product and so a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.installation import settle_clock
from app.settings import Settings
from domain.errors import SourceError
from store.database import Database


def replay_file(
    settings: Settings,
    file: Path,
    *,
    speed: str,
    time_column: str | None,
    device: str | None,
    ignore: Sequence[str],
    delimiter: str,
) -> int:
    """Publish `file` to the broker of the settings; the exit code of the replay."""
    if not file.is_file():
        raise SourceError("no such file", file=str(file))
    broker = settings.mqtt.split(",", 1)[0]
    command = [sys.executable, "-m", "devices_sim.replay_command", str(file), "--mqtt", broker, "--speed", speed]
    command += ["--delimiter", delimiter]
    command += ["--time-column", time_column] if time_column else []
    command += ["--device", device] if device else []
    command += [part for name in ignore for part in ("--ignore", name)]
    clock = settle_clock(settings.clock, Database(settings.database)) if settings.clock else ""
    return subprocess.run(command, env={**os.environ, "PREVENANT_CLOCK": clock}, check=False).returncode
