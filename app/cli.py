"""The command line: each command is a few lines that call the part that does it."""

import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from app.settings import ROLES, Settings, load_settings
from domain.errors import PrevenantError

cli = typer.Typer(
    name="prevenant",
    help="Notices a likely fault in a connected product before its owner does, and sees it through.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


imports = typer.Typer(help="Rules from other systems, as rule files.", rich_markup_mode=None)
cli.add_typer(imports, name="import")


@cli.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Say which one this is.")] = False,
) -> None:
    if show_version:
        typer.echo(f"prevenant {version('prevenant')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


def main() -> NoReturn:
    """Entry point. Wrong usage exits 2, a failure exits 1, each with one clear line per problem."""
    try:
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as exc:
        context = getattr(exc, "ctx", None)
        hint = f"; see {context.command_path} --help" if context else ""
        typer.echo(f"prevenant: {exc.format_message().rstrip('.')}{hint}", err=True)
        sys.exit(exc.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BaseExceptionGroup as group:
        for problem in group.exceptions:
            typer.echo(f"prevenant: {problem}", err=True)
        sys.exit(1)
    except (PrevenantError, OSError) as exc:
        typer.echo(f"prevenant: {exc}", err=True)
        sys.exit(1)


@cli.command()
def serve() -> int:
    """Run everything on this machine, embedded services included."""
    from app import logs
    from app.serve import serve as run_all

    settings = load_settings()
    logs.configure("serve", level=settings.log_level)
    return run_all(settings, say=lambda line: print(line, flush=True))  # noqa: T201


@cli.command()
def run(role: Annotated[str, typer.Argument(metavar="ROLE", help=" | ".join(ROLES))]) -> int:
    """Run one role, as many copies as wanted, against external services."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role; one of {', '.join(ROLES)}")
    from app.roles import run_role

    return run_role(role, load_settings())


@cli.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the story is complete.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> int:
    """Tell the whole story on simulated products."""
    from app.demo import run_demo

    return run_demo(load_settings(), once=once or as_json, as_json=as_json)


@cli.command()
def apply(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Manifest files, or folders of them.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check.")] = False,
) -> int:
    """Create or update what manifests declare."""
    from app.applying import apply_files

    return apply_files(load_settings(), paths, dry_run=dry_run, say=typer.echo)


@cli.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, NDJSON or Parquet, long or wide.")],
    speed: Annotated[str, typer.Option("--speed", help="Times real time, or max.")] = "1",
    time_column: Annotated[str | None, typer.Option("--time-column", help="Column with the event time.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Device id for a file without one.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Columns to leave out.")] = None,
    delimiter: Annotated[str, typer.Option("--delimiter", help="Field separator of a CSV.")] = ",",
) -> int:
    """Publish a recorded dataset over MQTT as if it were live."""
    from app.replaying import replay_file

    return replay_file(
        load_settings(),
        file,
        speed=speed,
        time_column=time_column,
        device=device,
        ignore=ignore or [],
        delimiter=delimiter,
    )


@cli.command()
def backtest(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="A rule file, or a folder of them.")],
    readings: Annotated[Path, typer.Argument(metavar="READINGS", help="CSV, NDJSON or Parquet; or: history.")],
    devices: Annotated[Path | None, typer.Option("--devices", help="Devices with their attributes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One transition per line; a report as JSON.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why a rule did not fire.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Tickets, messages, visits it would have caused.")] = False,
    faults: Annotated[
        Path | None, typer.Option("--faults", help="Confirmed faults, CSV device_id,start,end[,family].")
    ] = None,
    diff: Annotated[Path | None, typer.Option("--diff", help="Other rules: what would change with them.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw episodes: .png or .svg for one, a folder.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Of history: ISO 8601; default 30 days ago.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Of history: ISO 8601; default now.")] = None,
    product: Annotated[str | None, typer.Option("--product", help="Of history: its devices alone.")] = None,
    time_column: Annotated[str | None, typer.Option("--time-column", help="Column with the event time.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Device id for a file without one.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Columns to leave out.")] = None,
    delimiter: Annotated[str, typer.Option("--delimiter", help="Field separator of a CSV.")] = ",",
) -> int:
    """Run rules over recorded readings, by the engine that runs live."""
    from app.backtesting import Request, print_backtest
    from rules.readings import Layout

    ignored = tuple(name for item in ignore or [] for name in item.split(","))
    return print_backtest(
        Request(
            rules,
            readings,
            devices=devices,
            layout=Layout(time_column=time_column or "ts", device=device, ignore=ignored, delimiter=delimiter),
            since=_moment(since, "--from"),
            until=_moment(until, "--to"),
            product=product,
            faults=faults,
            diff=diff,
            plot=plot,
            as_json=as_json,
            explain=explain,
            report=report,
        )
    )


def _moment(text: str | None, option: str) -> datetime | None:
    from domain.clock import parse_iso

    try:
        return None if text is None else parse_iso(text)
    except ValueError as exc:
        raise typer.BadParameter(
            f"{text!r} is no time; write for example 2026-03-02T09:00:00Z", param_hint=option
        ) from exc


@imports.command("aws-iot-events")
def import_aws_iot_events(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Detector or alarm models, JSON.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the rule files.")] = Path(),
    product: Annotated[str | None, typer.Option("--product", help="The product that the rules watch.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
) -> int:
    """Detector and alarm models of AWS IoT Events, as drafts of rules; names what cannot be expressed."""
    from app.importing import import_models

    return import_models(files, out=out, product=product, dry_run=dry_run, say=typer.echo)


@cli.command()
def score(
    readings: Annotated[Path, typer.Argument(metavar="READINGS", help="CSV, NDJSON or Parquet, long or wide.")],
    signal: Annotated[str, typer.Option("--signal", help='JSON, e.g. {"op": "anomaly", "of": ["value"]}.')],
    devices: Annotated[Path | None, typer.Option("--devices", help="Devices with their attributes.")] = None,
    time_column: Annotated[str | None, typer.Option("--time-column", help="Column with the event time.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Device id for a file without one.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Columns to leave out.")] = None,
    delimiter: Annotated[str, typer.Option("--delimiter", help="Field separator of a CSV.")] = ",",
) -> int:
    """One signal at every sample of recorded readings, as CSV device_id,ts,score."""
    from app.scoring import print_scores

    return print_scores(
        readings,
        signal=signal,
        devices=devices,
        time_column=time_column,
        device=device,
        ignore=[name for item in ignore or [] for name in item.split(",")],
        delimiter=delimiter,
    )


@cli.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> int:
    """Roles with their process ids, positions, lag; embedded services."""
    from app.status import print_status

    return print_status(load_settings(), as_json=as_json)


@cli.command("mail-in")
def mail_in() -> int:
    """Hand in a mail from standard input: for the mail system to pipe answers and bounces to."""
    from app.mailing_in import EX_TEMPFAIL, hand_in

    try:
        code, trouble = hand_in(load_settings(), sys.stdin.buffer.read())
    except PrevenantError as exc:
        # A setting to be put right: until then the mail waits in the mail system's queue.
        code, trouble = EX_TEMPFAIL, str(exc)
    if trouble:
        typer.echo(f"prevenant: {trouble}", err=True)
    return code


@cli.command()
def migrate() -> int:
    """Bring the database to the current schema."""
    from store.migration import migrate as bring

    settings: Settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    bring(settings.database)
    typer.echo("the schema is current")
    return 0
