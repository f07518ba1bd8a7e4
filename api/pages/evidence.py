"""The chart of a fault: which metric, which hours, and where the limit lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.orm import Session

from api import history
from api.findings import findings
from api.services import Services
from api.thinning import thin
from api.views import times
from api.views.chart import Chart, draw, limit_of
from api.views.phrases import number, said
from domain.clock import from_ms, to_ms
from domain.errors import HistoryUnavailable
from rules.reasons import Why
from store.notes import in_force
from store.tables import Device, Fault, Product

BEFORE = timedelta(hours=2)
AFTER = timedelta(minutes=45)
LONGEST = timedelta(days=7)
POINTS = 240

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a fault's chart shows."""

    device_id: str
    metrics: Sequence[str]
    """The one that the condition names first comes first."""
    title: str
    unit: str
    since: datetime
    until: datetime
    onset: datetime
    over: datetime | None
    limit: float | None
    rule: str
    version: int
    when: str
    why: Why
    """In the reader's language."""
    comparisons: Sequence[Mapping[str, Any]]
    frozen: Mapping[str, history.Series]
    """Readings kept with the fault, for when the history has forgotten them."""

    @property
    def metric(self) -> str | None:
        """The one to show."""
        return self.metrics[0] if self.metrics else None


def evidence_of(session: Session, fault: Fault, *, now: datetime, language: str = "en") -> Evidence:
    """What to show of a fault."""
    device = session.get(Device, fault.device_id)
    product = session.get(Product, device.product) if device and device.product else None
    declared: Mapping[str, Any] = (product.metrics if product else None) or {}
    when = str((fault.evidence or {}).get("when") or "")
    metrics = metrics_in(fault.evidence or {}, declared)
    first = metrics[0] if metrics else ""
    about = declared.get(first) or {}
    attributes = in_force(device.reported, device.attributes) if device else {}
    (finding,) = findings(session, [fault])
    comparisons = finding.comparisons()
    over = fault.resolved_at
    until = min(now, over + AFTER) if over else now
    return Evidence(
        device_id=fault.device_id,
        metrics=metrics,
        title=said(about.get("title"), language) or first.replace("_", " ").replace(".", " "),
        unit=str(about.get("unit") or ""),
        since=max(fault.onset - max(BEFORE, (until - fault.onset) / 2), until - LONGEST),
        until=until,
        onset=fault.onset,
        over=over,
        limit=limit_in(comparisons, first) if comparisons else limit_of(when, first, attributes) if first else None,
        rule=fault.rule,
        version=fault.rule_version,
        when=when,
        why=finding.explanation.why[language],
        comparisons=comparisons,
        frozen={metric: finding.series(metric) for metric in metrics},
    )


def metrics_in(evidence: Mapping[str, Any], declared: Mapping[str, Any]) -> list[str]:
    """The numeric metrics of the frozen evidence, in the order in which the condition names them."""
    when, values = str(evidence.get("when") or ""), evidence.get("values") or {}
    numeric = [name for name, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    found = [name for name in numeric if name in declared] or ([] if declared else numeric)
    found = found or [name for name, about in declared.items() if (about or {}).get("kind") in {None, "number"}]
    return sorted(found, key=lambda name: when.find(name) if name in when else len(when))


def limit_in(comparisons: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """The number that the metric was compared with when the rule fired, whatever the device is set to now."""
    for one in comparisons:
        for here, other in ((one["left"], one["right"]), (one["right"], one["left"])):
            value = other["value"] if other else None
            fixed = other is not None and other["source"] in {"attribute", "constant", "expression"}
            if here and here["name"] == metric and fixed and isinstance(value, float):
                return value
    return None


def svg(
    house: Services, evidence: Evidence, *, zone: ZoneInfo, now: datetime, language: str = "en", height: int = 120
) -> Chart | None:
    """The chart as coordinates, from what was frozen where the history has forgotten or does not answer.

    None where there is nothing to draw.
    """
    if evidence.metric is None:
        return None
    try:
        found = history.series(house, evidence.device_id, [evidence.metric], since=evidence.since, until=evidence.until)
    except HistoryUnavailable as exc:
        log.warning("chart of frozen readings only", device_id=evidence.device_id, detail=str(exc))
        found = {}
    began = times.at(evidence.onset, zone, now=now, language=language)
    chart = draw(
        thin(found.get(evidence.metric) or evidence.frozen.get(evidence.metric, []), POINTS),
        since_ms=to_ms(evidence.since),
        until_ms=to_ms(evidence.until),
        label=f"{evidence.title}, {began}",
        onset_ms=to_ms(evidence.onset),
        over_ms=to_ms(evidence.over) if evidence.over else None,
        limit=evidence.limit,
        limit_label=number(evidence.limit, evidence.unit, language=language) if evidence.limit is not None else "",
        height=height,
    )
    if chart is None:
        return None
    ends = (from_ms(chart.since_ms), evidence.until)
    since, until = (times.at(moment, zone, now=now, language=language) for moment in ends)
    return replace(chart, since=since, until=until)
