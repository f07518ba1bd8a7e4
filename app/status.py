"""`prevenant status`: what every process says of itself, how far each partition is, and how far behind."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.reports import Report, read_folder
from app.settings import ROLES, Role, Settings
from domain.brakes import CauseState
from domain.clock import iso
from domain.errors import StoreUnavailable
from store import pausing
from store.approvals import approvals
from store.database import Database
from store.lines import breakers
from store.settling import stuck
from store.tables import PartitionLease, RoleReport


def gather(settings: Settings, database: Database) -> dict[str, Any]:
    """Everything known, whether or not the database can be reached: {ready, trouble, roles, partitions, services}."""
    local = read_folder(settings.data_dir / "run")
    reports = {report.instance: report for report in local}
    partitions: list[dict[str, Any]] = []
    trouble: list[str] = []
    try:
        remote, partitions, waiting = _from_database(database)
        trouble += waiting
        reports = {report.instance: report for report in remote if report.alive} | reports
    except StoreUnavailable as exc:
        trouble.append(f"database unavailable: {exc}")
    roles = sorted(reports.values(), key=lambda report: (ROLES.index(cast("Role", report.role)), report.pid))
    trouble += [f"{report.role}: {report.trouble}" for report in roles if report.trouble]
    missing = [role for role in ROLES if not any(r.role == role and r.alive and r.ready for r in roles)]
    trouble += [f"{role}: not running" for role in missing]
    ends = _ends(roles)
    for partition in partitions:
        partition["lag"] = max(0, ends.get(partition["partition"], 0) - partition["position"])
    return {
        "ready": not missing,
        "trouble": trouble,
        "roles": [_role(report, partitions) for report in roles],
        "partitions": partitions,
        "services": _services(settings),
    }


def print_status(settings: Settings, *, as_json: bool) -> int:
    """Print it; exit code 0 when every role is ready, else 1."""
    database = Database(settings.database, busy_timeout_s=1.0)
    try:
        found = gather(settings, database)
    finally:
        database.close()
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        _print(found, Console())
    return 0 if found["ready"] else 1


def _from_database(database: Database) -> tuple[Sequence[Report], list[dict[str, Any]], list[str]]:
    if database.url.startswith("sqlite:///") and not Path(database.url.removeprefix("sqlite:///")).exists():
        return [], [], []
    with database.read() as session:
        remote = [
            Report(row.role, row.instance, row.pid, row.at, row.ready, row.trouble, row.detail)
            for row in session.scalars(select(RoleReport))
        ]
        rows = session.scalars(select(PartitionLease).order_by(PartitionLease.partition))
        partitions = [
            {
                "partition": row.partition,
                "owner": row.owner if row.lease_until > time.time() else None,
                "epoch": row.epoch,
                "position": row.position,
            }
            for row in rows
        ]
        waiting = _of_messages(session)
    return remote, partitions, waiting


def _of_messages(session: Session) -> list[str]:
    """A pause, messages and questions that wait for a person, and lines to providers that are out of order."""
    found = []
    if (pause := pausing.state(session)).paused:
        since = f" since {iso(pause.since)} by {pause.by}" if pause.since else ""
        waiting = sum(queue.count for queue in pausing.waiting(session))
        found.append(f"messages: all sending is paused{since}; {waiting} wait")
    ends = sorted(stuck(session).items())
    found += [f"messages: {count} {state.replace('_', ' ')}; a person decides" for state, count in ends]
    asked = approvals(session, state=CauseState.WAITING)
    found += [f"messages: {one.waiting} wait for approval, {one.name}" for one in asked]
    lines = ((f"{one.line.provider} {one.line.country}".strip(), one.reason) for one in breakers(session))
    return [*found, *(f"{line}: out of order, {reason}" for line, reason in lines)]


def _role(report: Report, partitions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One process. Position and lag, summed over the partitions it owns, are for those that read the log."""
    row = asdict(report)
    owned = [partition for partition in partitions if partition["owner"] == report.instance]
    age = round(max(0.0, time.time() - row.pop("at")), 1)
    detail = dict(row.pop("detail"))
    reads = report.role == "rules"
    return {
        **row,
        "alive": report.alive,
        "reported_s_ago": age,
        "position": sum(partition["position"] for partition in owned) if reads else None,
        "lag": sum(partition["lag"] for partition in owned) if reads else None,
        **detail,
    }


def _ends(roles: Sequence[Report]) -> Mapping[int, int]:
    """Newest log sequence of each partition, as the rules workers last saw it."""
    found: dict[int, int] = {}
    for report in roles:
        for partition, end in dict(report.detail.get("ends") or {}).items():
            found[int(partition)] = max(found.get(int(partition), 0), int(end))
    return found


def _services(settings: Settings) -> dict[str, Any]:
    return {
        "http": settings.public,
        "mqtt": "embedded" if not settings.mqtt_url else "external",
        "mqtt_port": settings.mqtt_port,
        "log": "embedded" if settings.embedded else "external",
        "nats_port": settings.nats_port,
        "database": settings.database.split(":", 1)[0].split("+", 1)[0],
    }


def _print(found: Mapping[str, Any], console: Console) -> None:
    if not found["roles"]:
        console.print("nothing runs here; start it with: prevenant serve")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("role", "pid", "state", "position", "lag", "says"):
        table.add_column(name, justify="right" if name in {"pid", "position", "lag"} else "left")
    for role in found["roles"]:
        state = "ready" if role["ready"] and role["alive"] else "starting" if role["alive"] else "silent"
        figures = ("" if role[name] is None else str(role[name]) for name in ("position", "lag"))
        table.add_row(role["role"], str(role["pid"]), state, *figures, role["trouble"] or "")
    console.print(table)
    for line in found["trouble"]:
        console.print(f"! {line}", style="yellow")
