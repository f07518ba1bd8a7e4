"""`python -m devices_sim.replay_command`: a replay as a process of its own, with progress on standard error."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from devices_sim.clock import read_clock
from devices_sim.replay import Replayed, replay


def main() -> int:
    """Publish one file; 1 when it cannot be, with one line that says why; 130 after Ctrl-C."""
    options = _options()
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda _number, _frame: stop.set())
    console = Console(stderr=True, highlight=False)
    try:
        done = _replay(options, stop, console)
    except (ValueError, OSError) as exc:
        sys.stderr.write(f"prevenant: {exc}\n")
        return 1
    console.print(
        f"published {done.samples} samples, {done.readings} readings of {', '.join(done.devices)}; "
        f"stamps from {done.first:%Y-%m-%d %H:%M:%S} to {done.last:%H:%M:%S} UTC",
        soft_wrap=True,
    )
    return 130 if stop.is_set() else 0


def _replay(options: argparse.Namespace, stop: threading.Event, console: Console) -> Replayed:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(options.file.name, total=None)
        return replay(
            options.file,
            mqtt_url=options.mqtt,
            speed=_speed(options.speed),
            time_column=options.time_column,
            device=options.device,
            ignore=[name for item in options.ignore for name in item.split(",")],
            delimiter=options.delimiter,
            now=read_clock(os.environ.get("PREVENANT_CLOCK", "")).now,
            progress=lambda count, total: progress.update(task, completed=count, total=total),
            stop=stop,
        )


def _speed(text: str) -> float | None:
    """None is as fast as the broker takes it."""
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--speed {text}: a number of times real time, or max") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prevenant replay", description="Publish a recording as if it were live.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--mqtt", required=True)
    parser.add_argument("--speed", default="1")
    parser.add_argument("--time-column", default="ts")
    parser.add_argument("--device")
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--delimiter", default=",")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
