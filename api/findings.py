"""A fault as it is read: its frozen facts completed with what follows from them, for REST and for the pages.

Frozen are the values, which of them were attributes, the readings around, and the rule's version, which never changes.
Comparisons and sentences are worked out from these alone, so they say the same at any time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from domain.clock import from_ms, iso
from domain.errors import SourceError
from rules.loader import rule_from_manifest
from rules.model import Rule
from rules.reasons import Explanation, Firing, Why, explain
from store.tables import Device, Fault, FaultSamples, Product, RuleVersion, Verdict

SILENT = Explanation({"en": Why((), ""), "fr": Why((), "")}, ())


@dataclass(frozen=True)
class Finding:
    """One fault with all that belongs to it."""

    fault: Fault
    version: RuleVersion | None
    metrics: Mapping[str, Any]
    """The product's declarations."""
    samples: FaultSamples | None
    verdicts: Sequence[Verdict]

    @cached_property
    def explanation(self) -> Explanation:
        """Why it fired; silent where the rule cannot be read any more."""
        firing = self._firing()
        try:
            return explain(firing) if firing else SILENT
        except SourceError:
            return SILENT

    def comparisons(self) -> list[dict[str, Any]]:
        """Each comparison of the condition with the values in force on both sides."""
        return [asdict(one) for one in self.explanation.comparisons]

    def shown(self) -> dict[str, Any]:
        """As REST answers it."""
        fault = self.fault
        columns = {column.key: getattr(fault, column.key) for column in Fault.__table__.columns}
        body = self.version.body if self.version else {}
        text = {key: value for key, value in body.items() if key not in {"kind", "name"}}
        return {
            **columns,
            "evidence": {
                **fault.evidence,
                "comparisons": self.comparisons(),
                "rule": {"name": fault.rule, "version": fault.rule_version, **text},
                "samples": self._samples(),
            },
            "why": {language: said.sentence() for language, said in self.explanation.why.items()},
            "verdicts": self.verdicts,
        }

    def series(self, metric: str) -> list[tuple[int, Any]]:
        """The frozen readings of a metric: (event time in epoch ms, value)."""
        row = self.samples
        return [(at, value) for part in (row.before, row.after) for at, value in part.get(metric, [])] if row else []

    def _firing(self) -> Firing | None:
        rule = _rule(json.dumps(self.version.body, sort_keys=True)) if self.version else None
        evidence = self.fault.evidence or {}
        if rule is None:
            return None
        lasted_s = (self.fault.fired_at - self.fault.onset).total_seconds()
        values = evidence.get("values") or {}
        return Firing(rule, values, evidence.get("attributes") or (), self.metrics, max(0.0, lasted_s))

    def _samples(self) -> dict[str, list[dict[str, Any]]]:
        row = self.samples
        metrics = sorted({*row.before, *row.after}) if row else []
        return {
            metric: [{"at": iso(from_ms(at)), "value": value} for at, value in self.series(metric)]
            for metric in metrics
        }


def findings(session: Session, faults: Iterable[Fault]) -> list[Finding]:
    """The faults with their versions, products, samples and verdicts, each table asked once."""
    rows = list(faults)
    ids = [row.id for row in rows]
    keys = {(row.rule, row.rule_version) for row in rows}
    found = session.scalars(select(RuleVersion).where(tuple_(RuleVersion.name, RuleVersion.version).in_(keys)))
    versions = {(one.name, one.version): one for one in found}
    devices = {row.device_id for row in rows}
    query = select(Device.id, Product.metrics).join(Product, Product.name == Device.product)
    metrics: dict[str, Any] = dict(session.execute(query.where(Device.id.in_(devices))).all())
    samples = {one.fault_id: one for one in session.scalars(select(FaultSamples).where(FaultSamples.fault_id.in_(ids)))}
    said: dict[int, list[Verdict]] = {}
    for one in session.scalars(select(Verdict).where(Verdict.fault_id.in_(ids)).order_by(Verdict.id)):
        said.setdefault(one.fault_id, []).append(one)
    return [
        Finding(
            row,
            versions.get((row.rule, row.rule_version)),
            metrics.get(row.device_id) or {},
            samples.get(row.id),
            said.get(row.id, []),
        )
        for row in rows
    ]


@lru_cache(maxsize=1024)
def _rule(body: str) -> Rule | None:
    """The rule of a stored manifest; None for one that this version cannot read."""
    try:
        return rule_from_manifest(json.loads(body))
    except (SourceError, ExceptionGroup):
        return None
