"""What `prevenant backtest` prints for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from rules.backtest import Outcome

SUMMARY = ("rule", "severity", "episodes", "devices", "resolved", "open", "flapping", "first")
CAUSED = ("rule", "severity", "episodes", "devices", "tickets", "attached", "reopened", "messages", "visits")
_LEFT = frozenset({"rule", "severity", "first", "change", "device_id", "fired", "was"})


def print_summary(rows: Sequence[Mapping[str, Any]], outcome: Outcome, console: Console) -> None:
    """One row per rule, and how many samples there were."""
    _print(SUMMARY, rows, console)
    late = f", {outcome.late_samples} of them late" if outcome.late_samples else ""
    console.print(f"{outcome.samples} samples{late}", style="dim")


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """The report of `api.trials`: what rules would have caused, how well they did, what another version changes."""
    names = [*CAUSED, "messages/day", "visits/day"]
    names += ["precision", "recall"] if "precision" in report["rules"][0] else []
    rows = [_caused(row) for row in report["rules"]]
    total = {**report["total"], "rule": "total", "severity": "", "devices": ""}
    if len(rows) > 1:
        rows.append(_caused(total))
    _print(names, rows, console)
    console.print(
        f"{report['samples']} samples of {report['devices']} devices in {report['days']:g} days, "
        f"{report['from']} to {report['to']}",
        style="dim",
        soft_wrap=True,
    )
    console.print(f"counted: {report['counted']}", style="dim", soft_wrap=True)
    for note in report["notes"]:
        console.print(note, soft_wrap=True)
    if "diff" in report:
        print_difference(report["diff"], console)


def print_difference(diff: Mapping[str, Any], console: Console) -> None:
    """Counts by rule, then what changes."""
    console.print("\nunder the other rules")
    _print(("rule", "same", "shifts", "appears", "vanishes"), diff["rules"], console)
    if diff["changes"]:
        console.print()
        rows = [{**one, "was": one.get("was", {}).get("fired")} for one in diff["changes"]]
        _print(("change", "rule", "device_id", "fired", "was"), rows, console)
    if diff["not_listed"]:
        console.print(f"and {diff['not_listed']} more")


def _caused(row: Mapping[str, Any]) -> dict[str, Any]:
    shares = {name: _share(row[name]) for name in ("precision", "recall") if name in row}
    days = {f"{name}/day": f"{row['per_day'][name]:.3g}" for name in ("messages", "visits")}
    return {**row, **shares, **days}


def _share(share: Mapping[str, Any]) -> str:
    return f"{share['value']:.0%} ({share['hits']} of {share['n']})" if share["n"] else "none known"


def _print(names: Sequence[str], rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in _LEFT else "right", overflow="fold")
    for row in rows:
        table.add_row(*("–" if row.get(name) is None else str(row[name]) for name in names))
    console.print(table)
