"""A back-test's report, one shape for the command line and REST: what rules would have found, caused, and missed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.clock import from_ms, iso
from domain.errors import NotFound, SourceError
from domain.faults import Stage
from domain.telemetry import DeviceChanged
from rules.archive import recording_of
from rules.backtest import Outcome, Trial, assemble
from rules.comparison import Change, Difference, compare
from rules.confirmed import Confirmed, Quality, Share, quality
from rules.documents import Document, plain
from rules.episodes import Episode, episodes_of
from rules.loader import rule_from_manifest
from rules.model import Rule
from store.history import History
from store.notes import changed
from store.tables import Device, Fault, Playbook, Product, RuleVersion
from store.tables import Rule as RuleRow
from tickets.estimate import COUNTED, Cost, Firing, Terms, estimate
from tickets.playbooks import DEFAULT, parse_playbook
from tickets.playbooks import Playbook as Steps

DAY = timedelta(days=1)
LISTED = 200
"""So many differences are listed one by one; all are counted."""
_COSTS = ("tickets", "attached", "reopened", "messages", "visits", "commands")
_PER_DAY = ("episodes", "tickets", "messages", "visits")


def report(
    trial: Trial,
    outcome: Outcome,
    *,
    playbooks: Mapping[str, Steps],
    confirmed: Sequence[Confirmed] | None = None,
    all_known: bool = True,
) -> dict[str, Any]:
    """What came of a trial. `confirmed`: faults to compare with; `all_known` as `rules.confirmed.quality` says."""
    episodes = episodes_of(outcome.transitions)
    since, until = span(trial)
    days = max((until - since) / DAY, 1.0)
    costs = estimate(_firings(trial, episodes), _terms(trial, playbooks), until=until)
    rows = []
    for rule in trial.rules:
        mine = [one for one in episodes if one.rule == rule.name]
        row = {"rule": rule.name, "severity": str(rule.severity), "family": rule.family, **_counts(mine)}
        row |= _costs(costs[rule.name])
        row["per_day"] = {key: round(row[key] / days, 4) for key in _PER_DAY}
        if confirmed is not None:
            heard = set(trial.recording.device_ids)
            judged = [one for one in confirmed if since <= (one.end or until) and one.start <= until]
            row |= _quality(quality(mine, judged, family=rule.family, devices=heard, all_known=all_known))
        rows.append(row)
    total = {key: sum(row[key] for row in rows) for key in ("episodes", *_COSTS)}
    return {
        "from": iso(since),
        "to": iso(until),
        "days": round(days, 4),
        "devices": len(trial.recording.device_ids),
        "samples": outcome.samples,
        "late_samples": outcome.late_samples,
        "rules": rows,
        "total": total | {"per_day": {key: round(total[key] / days, 4) for key in _PER_DAY}},
        "counted": COUNTED,
        "notes": [
            f"rule {rule.name}: playbook {rule.playbook!r} is not known here; counted with the default one"
            for rule in trial.rules
            if rule.playbook is not None and rule.playbook not in playbooks
        ],
    }


def difference(before: Outcome, after: Outcome) -> dict[str, Any]:
    """What changes from one trial to another over the same readings: counts by rule, and the changes themselves."""
    found = compare(episodes_of(before.transitions), episodes_of(after.transitions))
    counts = Counter((one.episode.rule, one.change) for one in found)
    names = sorted({rule for rule, _ in counts})
    changes = [one for one in found if one.change is not Change.SAME]
    return {
        "rules": [{"rule": name, **{str(kind): counts[name, kind] for kind in Change}} for name in names],
        "changes": [_change(one) for one in changes[:LISTED]],
        "not_listed": max(0, len(changes) - LISTED),
    }


@dataclass(frozen=True, slots=True)
class Fleet:
    """The devices of a trial over the history, as the database has them now."""

    devices: Sequence[DeviceChanged]
    products: Sequence[Document]
    """What metrics they declare."""
    product: str | None
    """None: all devices, also those that are not registered any more."""


def fleet_of(session: Session, product: str | None) -> Fleet:
    """All devices, or a product's. Raises NotFound."""
    query = select(Device).order_by(Device.id)
    if product is not None:
        if session.get(Product, product) is None:
            raise NotFound("product", product)
        query = query.where(Device.product == product)
    products = [
        plain({"kind": "product", "name": row.name, "metrics": dict(row.metrics or {})})
        for row in session.scalars(select(Product))
    ]
    return Fleet([changed(device) for device in session.scalars(query)], products, product)


def trial_over_history(
    history: History,
    fleet: Fleet,
    rules: Sequence[Document | Rule],
    *,
    since: datetime,
    until: datetime,
    at_most: int,
) -> Trial:
    """Rules over the readings with event times in [since, until], of all devices or a product's.

    Raises SourceError when there is nothing, or more than `at_most` readings.
    """
    ids = None if fleet.product is None else [device.device_id for device in fleet.devices]
    rows = history.recording(ids, since=since, until=until, at_most=at_most)
    if rows is None:
        raise SourceError(f"more than {at_most} readings", cure="shorten the time, or name a product", key="from")
    if rows.is_empty():
        raise SourceError(
            f"the history holds no reading from {iso(since)} to {iso(until)}", cure="ask for another time", key="from"
        )
    return assemble([*fleet.products, *rules], recording_of(rows), fleet.devices)


def stored_rule(session: Session, name: str, version: int | None) -> Rule:
    """A version of a rule in the database, the newest by default. Raises NotFound."""
    row = session.get(RuleRow, name)
    found = session.get(RuleVersion, (name, version or row.version)) if row is not None else None
    if found is None:
        raise NotFound("rule", name if version is None else f"{name} version {version}")
    return rule_from_manifest(found.body, version=found.version)


def stored_playbooks(session: Session) -> dict[str, Steps]:
    """Those in the database, by name."""
    return {row.name: parse_playbook(row.body) for row in session.scalars(select(Playbook))}


def playbooks_in(documents: Iterable[Document]) -> dict[str, Steps]:
    """Those among manifests, by name. Raises SourceError."""
    found = [parse_playbook(document.data) for document in documents if document.kind == "playbook"]
    return {playbook.name: playbook for playbook in found}


def verdicts(session: Session) -> list[Confirmed]:
    """Faults on which somebody gave a verdict."""
    query = (
        select(Fault, RuleVersion.family)
        .join(RuleVersion, (RuleVersion.name == Fault.rule) & (RuleVersion.version == Fault.rule_version), isouter=True)
        .where(Fault.verdict.in_(("real", "false_alarm")))
    )
    return [
        Confirmed(fault.device_id, fault.onset, fault.resolved_at, family or fault.rule, real=fault.verdict == "real")
        for fault, family in session.execute(query)
    ]


def episode_fields(episode: Episode) -> dict[str, Any]:
    """What a list of episodes says of one."""
    return {"rule": episode.rule, "device_id": episode.device_id, **_times(episode)}


def span(trial: Trial) -> tuple[datetime, datetime]:
    """Event time of the first and the last reading."""
    ts = trial.recording.ts
    if not len(ts):
        raise SourceError("no readings", cure="give a file that holds some")
    return from_ms(int(ts.min())), from_ms(int(ts.max()))


def _firings(trial: Trial, episodes: Iterable[Episode]) -> list[Firing]:
    rules = {rule.name: rule for rule in trial.rules}
    return [
        Firing(
            one.rule,
            one.device_id,
            one.onset,
            max(one.fired, one.received),
            one.ended,
            one.severity,
            stale=one.received - one.fired > timedelta(milliseconds=rules[one.rule].max_evidence_age_ms),
            flapping=one.flapping,
        )
        for one in episodes
        if not one.superseded
    ]


def _terms(trial: Trial, playbooks: Mapping[str, Steps]) -> dict[str, Terms]:
    return {
        rule.name: Terms(
            rule.family,
            playbooks.get(rule.playbook or "", DEFAULT),
            timedelta(milliseconds=rule.hold_ms),
            agents_only=rule.stage is Stage.AGENTS_ONLY,
        )
        for rule in trial.rules
    }


def _counts(episodes: Sequence[Episode]) -> dict[str, Any]:
    lasted = [(one.ended - one.onset).total_seconds() for one in episodes if one.ended is not None]
    return {
        "episodes": len(episodes),
        "devices": len({one.device_id for one in episodes}),
        "resolved": len(lasted),
        "open": len(episodes) - len(lasted),
        "flapping": sum(one.flapping for one in episodes),
        "median_duration_s": median(lasted) if lasted else None,
    }


def _costs(cost: Cost) -> dict[str, int]:
    return {key: getattr(cost, key) for key in _COSTS}


def _quality(found: Quality) -> dict[str, Any]:
    return {"precision": _share(found.precision), "recall": _share(found.recall)}


def _share(share: Share) -> dict[str, Any]:
    return {"value": None if share.value is None else round(share.value, 4), "hits": share.hits, "n": share.n}


def _change(one: Difference) -> dict[str, Any]:
    was = {"was": _times(one.was)} if one.was is not None else {}
    return {"change": str(one.change), **episode_fields(one.episode), **was}


def _times(episode: Episode) -> dict[str, str | None]:
    ended = iso(episode.ended) if episode.ended else None
    return {"onset": iso(episode.onset), "fired": iso(episode.fired), "ended": ended}
