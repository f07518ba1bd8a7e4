"""`prevenant score`: the command line's side of `rules.scoring`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from domain.errors import SourceError
from rules.loader import signal_from_manifest
from rules.model import Signal
from rules.readings import Layout
from rules.scoring import Progress, score


def print_scores(
    readings: Path,
    *,
    signal: str,
    devices: Path | None,
    time_column: str | None,
    device: str | None,
    ignore: Sequence[str],
    delimiter: str,
) -> int:
    """CSV on stdout, in input order; progress on stderr where that is a terminal."""
    asked = read_signal(signal)
    for path in (readings, *([devices] if devices else [])):
        if not path.is_file():
            raise typer.BadParameter(f"{path} is no file")
    layout = Layout(time_column=time_column or "ts", device=device, ignore=tuple(ignore), delimiter=delimiter)
    table = score(asked, readings, devices, layout=layout, progress=_progress())
    table.write_csv(sys.stdout.buffer)
    return 0


def read_signal(text: str) -> Signal:
    """The signal of `--signal`; typer.BadParameter in one line for what is none."""
    try:
        manifest = json.loads(text)
    except json.JSONDecodeError as exc:
        raise typer.BadParameter(f"--signal is not JSON: {exc}") from exc
    if not isinstance(manifest, dict):
        raise typer.BadParameter('--signal is not a mapping; write {"op": "anomaly", "of": ["value"]}')
    try:
        return signal_from_manifest(manifest)
    except (SourceError, ExceptionGroup) as exc:
        problems = exc.exceptions if isinstance(exc, ExceptionGroup) else [exc]
        raise typer.BadParameter("--signal: " + "; ".join(map(str, problems))) from exc


def _progress() -> Progress | None:
    if not sys.stderr.isatty():
        return None

    def tell(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        print(f"\r{done:,} of {total:,} rows", end=end, file=sys.stderr, flush=True)  # noqa: T201

    return tell
