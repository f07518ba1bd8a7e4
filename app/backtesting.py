"""`prevenant backtest`: the command line's side of `rules.backtest` and of its report."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from app import backtest_tables
from app.settings import load_settings
from domain.errors import SourceError, StoreUnavailable
from rules.backtest import Outcome, Trial, assemble, run, summary, to_line
from rules.confirmed import Confirmed, read_faults
from rules.documents import read_documents
from rules.episodes import episodes_of
from rules.explain import explain as reasons
from rules.fleet import devices_in, read_devices
from rules.readings import Layout, read_readings

HISTORY = "history"
"""Instead of a file: the telemetry history that the settings name."""
AT_MOST = 50_000_000
"""Readings of the history that one back-test takes in."""
PLOTS = 20
"""Pictures that `--plot FOLDER` makes at most."""
SHOW_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    rules: Path
    readings: Path
    devices: Path | None = None
    layout: Layout = field(default_factory=Layout)
    since: datetime | None = None
    until: datetime | None = None
    product: str | None = None
    faults: Path | None = None
    diff: Path | None = None
    plot: Path | None = None
    as_json: bool = False
    explain: bool = False
    report: bool = False

    @property
    def over_history(self) -> bool:
        return str(self.readings) == HISTORY

    @property
    def wants_report(self) -> bool:
        """Whether more than transitions, or a table of rules, is to be printed."""
        return self.report or self.diff is not None or self.faults is not None


def print_backtest(request: Request) -> int:
    """Run it and print transitions (`as_json`), a table, or a report; draw and explain as asked."""
    _check(request)
    with _progress() as told:
        trial, more = _read(request)
        outcome = run(trial, tally=request.explain, progress=told)
        other = run(more.other, progress=told) if more.other is not None else None
    console = _console()
    if request.wants_report:
        _report(request, trial, outcome, more=more, other=other, console=console)
    elif request.as_json:
        for transition in outcome.transitions:
            print(json.dumps(to_line(transition), ensure_ascii=False))  # noqa: T201
    else:
        backtest_tables.print_summary(list(summary(trial, outcome)), outcome, console)
    if request.plot is not None:
        _draw(request.plot, trial, outcome)
    if request.explain:
        _print_reasons(trial, outcome, Console(stderr=request.as_json, highlight=False))
    return 0


@dataclass(frozen=True, slots=True)
class _More:
    """What a report needs beside the trial."""

    playbooks: Mapping[str, Any]
    confirmed: Sequence[Confirmed] | None
    other: Trial | None
    """The same readings under the rules of `--diff`."""


def _check(request: Request) -> None:
    files = [request.rules, *([] if request.over_history else [request.readings])]
    for path in (*files, *(path for path in (request.devices, request.faults, request.diff) if path)):
        if not path.exists():
            raise SourceError("no such file or folder", file=str(path))
    if not request.over_history and (request.since or request.until or request.product):
        raise SourceError("--from, --to and --product are for the history", cure="write history for READINGS")
    if request.over_history and (request.devices or request.layout != Layout()):
        raise SourceError("options of a file beside history", cure="leave them out; devices come from the database")


def _read(request: Request) -> tuple[Trial, _More]:
    if request.over_history:
        return _read_history(request)
    from api import trials

    recording = read_readings(request.readings, request.layout)
    documents = read_documents(request.rules)
    devices = read_devices(request.devices) if request.devices is not None else devices_in(documents)
    trial = assemble(documents, recording, devices, file=str(request.rules))
    other = (
        assemble(read_documents(request.diff), recording, devices, file=str(request.diff))
        if request.diff is not None
        else None
    )
    confirmed = read_faults(request.faults) if request.faults is not None else None
    return trial, _More(trials.playbooks_in(documents) if request.wants_report else {}, confirmed, other)


def _read_history(request: Request) -> tuple[Trial, _More]:
    from datetime import timedelta

    from api import trials
    from domain.clock import parse_clock
    from store.database import Database
    from store.history import History

    settings, documents = load_settings(), read_documents(request.rules)
    if settings.database.startswith("sqlite:///") and not Path(settings.database.removeprefix("sqlite:///")).exists():
        raise StoreUnavailable("there is no database yet; prevenant serve, or PREVENANT_DATA_DIR, decides where it is")
    database = Database(settings.database)
    try:
        with database.read() as session:
            fleet = trials.fleet_of(session, request.product)
            playbooks = trials.stored_playbooks(session) | trials.playbooks_in(documents)
            confirmed = read_faults(request.faults) if request.faults is not None else trials.verdicts(session)
    finally:
        database.close()
    until = request.until or parse_clock(settings.clock).now()
    since = request.since or until - timedelta(days=30)
    history = History(settings.history)
    trial = trials.trial_over_history(history, fleet, documents, since=since, until=until, at_most=AT_MOST)
    other = (
        assemble(
            [*fleet.products, *read_documents(request.diff)], trial.recording, trial.devices, file=str(request.diff)
        )
        if request.diff is not None
        else None
    )
    return trial, _More(playbooks, confirmed, other)


def _report(
    request: Request, trial: Trial, outcome: Outcome, *, more: _More, other: Outcome | None, console: Console
) -> None:
    from api import trials

    all_known = request.faults is not None
    found = trials.report(trial, outcome, playbooks=more.playbooks, confirmed=more.confirmed, all_known=all_known)
    if other is not None:
        found["diff"] = trials.difference(outcome, other)
    if request.as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))  # noqa: T201
    else:
        backtest_tables.print_report(found, console)


def _draw(target: Path, trial: Trial, outcome: Outcome) -> None:
    from rules.plot import SUFFIXES, file_name, plot_episode

    episodes = episodes_of(outcome.transitions)
    if not episodes:
        print(f"no episode to draw in {target}", file=sys.stderr)  # noqa: T201
        return
    if target.suffix.lower() in SUFFIXES:
        target.parent.mkdir(parents=True, exist_ok=True)
        plot_episode(target, trial, episodes[0])
        return
    target.mkdir(parents=True, exist_ok=True)
    for episode in episodes[:PLOTS]:
        plot_episode(target / file_name(episode, ".png"), trial, episode)
    print(f"{min(len(episodes), PLOTS)} of {len(episodes)} episodes drawn in {target}", file=sys.stderr)  # noqa: T201


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Tells a person at a terminal how far it is, on stderr."""
    if not sys.stderr.isatty():
        yield lambda _samples: None
        return
    shown_at = [0.0]
    with Console(stderr=True).status("reading") as status:

        def told(samples: int) -> None:
            if time.monotonic() - shown_at[0] >= SHOW_EVERY_S:
                shown_at[0] = time.monotonic()
                status.update(f"{samples:,} samples")

        yield told


def _console() -> Console:
    # A pipe has no width: nothing is cut there.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=240)


def _print_reasons(trial: Trial, outcome: Outcome, console: Console) -> None:
    for rule, found in reasons(trial, outcome).items():
        for reason in found:
            console.print(f"{rule} did not fire: {reason}", soft_wrap=True)
