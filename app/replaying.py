"""`prevenant replay`: the command line's side of `devices_sim.replay`, with progress."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.installation import settle_clock
from app.settings import Settings
from devices_sim.replay import replay
from domain.clock import iso, parse_clock
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
    console: Console,
) -> int:
    """Publish `file` to the broker of the settings; a line says what was published."""
    if not file.is_file():
        raise SourceError("no such file", file=str(file))
    clock = parse_clock(settle_clock(settings.clock, Database(settings.database)) if settings.clock else "")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(file.name, total=None)
        try:
            done = replay(
                file,
                mqtt_url=settings.mqtt.split(",", 1)[0],
                speed=_speed(speed),
                time_column=time_column or "ts",
                device=device,
                ignore=ignore,
                delimiter=delimiter,
                now=clock.now,
                progress=lambda count, total: progress.update(task, completed=count, total=total),
            )
        except (ValueError, TimeoutError) as exc:
            raise SourceError(str(exc), file=str(file)) from exc
    console.print(
        f"published {done.samples} samples, {done.readings} readings of {', '.join(done.devices)}; "
        f"stamps from {iso(done.first)} to {iso(done.last)}"
    )
    return 0


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError as exc:
        raise ValueError(f"--speed {text}: a number of times real time, or max") from exc
