"""`prevenant backtest`: the command line's side of `rules.backtest`."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from domain.errors import SourceError
from rules.backtest import Outcome, Trial, prepare, run, summary, to_line
from rules.explain import explain as reasons
from rules.readings import Layout

COLUMNS = {
    "rule": "left",
    "severity": "left",
    "episodes": "right",
    "devices": "right",
    "resolved": "right",
    "open": "right",
    "flapping": "right",
    "first": "left",
}


def print_backtest(
    rules: Path,
    readings: Path,
    *,
    devices: Path | None,
    as_json: bool,
    explain: bool,
    time_column: str | None,
    device: str | None,
    ignore: Sequence[str],
    delimiter: str,
) -> int:
    """Run it and print transitions (`as_json`) or a table; with `explain`, why rules did not fire."""
    for path in (rules, readings, *([devices] if devices else [])):
        if not path.exists():
            raise SourceError("no such file or folder", file=str(path))
    layout = Layout(time_column=time_column or "ts", device=device, ignore=tuple(ignore), delimiter=delimiter)
    trial = prepare(rules, readings, devices, layout=layout)
    outcome = run(trial, tally=explain)
    if as_json:
        for transition in outcome.transitions:
            print(json.dumps(to_line(transition), ensure_ascii=False))  # noqa: T201
    else:
        # A pipe has no width: nothing is cut there.
        console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=240)
        _print_table(list(summary(trial, outcome)), outcome, console)
    if explain:
        _print_reasons(trial, outcome, Console(stderr=as_json, highlight=False))
    return 0


def _print_table(rows: Sequence[Mapping[str, Any]], outcome: Outcome, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name, side in COLUMNS.items():
        table.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str("–" if row[name] is None else row[name]) for name in COLUMNS))
    console.print(table)
    late = f", {outcome.late_samples} of them late" if outcome.late_samples else ""
    console.print(f"{outcome.samples} samples{late}", style="dim")


def _print_reasons(trial: Trial, outcome: Outcome, console: Console) -> None:
    for rule, found in reasons(trial, outcome).items():
        for reason in found:
            console.print(f"{rule} did not fire: {reason}", soft_wrap=True)
