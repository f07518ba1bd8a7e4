"""Writes the readings, devices and rules of a case as the files that `prevenant backtest` takes."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from tests.unit.rules.reference_engine import FileRow, iso
from tests.unit.rules.reference_expressions import Row
from tests.unit.rules.reference_strategies import Case


def write_case(case: Case, folder: Path) -> tuple[Path, Path, Path | None]:
    """(rules, readings, devices): the files of a case, made in `folder`."""
    rules, readings = folder / "rules.yaml", folder / f"readings.{case.suffix}"
    rules.write_text(rules_text(case.rules))
    records = readings_records(case)
    if case.suffix == "parquet":
        pl.DataFrame(records, infer_schema_length=None).write_parquet(readings)
    elif case.suffix == "ndjson":
        readings.write_text("".join(json.dumps(_sparse(record, at=i)) + "\n" for i, record in enumerate(records)))
    else:
        readings.write_text(readings_text(case))
    if case.attributes is None:
        return rules, readings, None
    devices = folder / "devices.csv"
    devices.write_text(devices_text(case.attributes, case=case))
    return rules, readings, devices


def rules_text(rules: Sequence[Mapping[str, Any]]) -> str:
    """Rules as YAML documents, keys in the order given."""
    return yaml.safe_dump_all(rules, sort_keys=False, allow_unicode=True, width=200)


def readings_text(case: Case) -> str:
    """The readings as CSV, whatever the case's own format is."""
    return _csv(readings_records(case))


def devices_text(attributes: Mapping[str, Row], *, case: Case) -> str:
    """Attributes, and where there is one the time of registration, as CSV."""
    return _csv(
        [
            {"device_id": device, **values}
            | ({"registered_at": _stamp(case.registered.get(device), case=case)} if case.registered else {})
            for device, values in attributes.items()
        ]
    )


def readings_records(case: Case) -> list[dict[str, Any]]:
    """The rows of the readings file, every record with the same keys."""
    one_device = {row.device_id for row in case.rows} == {"device"}
    stamped = any(row.received_at is not None for row in case.rows)
    return [
        ({} if one_device else {"device_id": row.device_id})
        | {"ts": _stamp(row.ts, case=case)}
        | _cells(row, case=case)
        | ({"received_at": _stamp(row.received_at, case=case)} if stamped else {})
        for row in case.rows
    ]


def _cells(row: FileRow, *, case: Case) -> dict[str, Any]:
    if case.layout == "wide":
        return {metric: row.values.get(metric) for metric in case.metrics}
    metric, value = next(iter(row.values.items()), (case.metrics[0], None))
    return {"metric": metric, "value": value}


def _stamp(ms: int | None, *, case: Case) -> int | str | None:
    if ms is None or case.stamps == "ms":
        return ms
    return iso(ms) if case.stamps == "iso" else iso(ms + 2 * 3_600_000).replace("Z", "+02:00")


def _sparse(record: Mapping[str, Any], *, at: int) -> Mapping[str, Any]:
    """NDJSON leaves keys out or writes null: every other line does the one, the rest the other."""
    return {key: value for key, value in record.items() if value is not None} if at % 2 else record


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(
            {key: str(value).lower() if isinstance(value, bool) else value for key, value in record.items()}
        )
    return out.getvalue()


def backtest_lines(case: Case, folder: Path) -> list[dict[str, Any]]:
    """What the product's back-test answers for the files of `case`."""
    from rules.backtest import backtest, prepare, run, to_line

    rules, readings, devices = write_case(case, folder)
    if not case.cut:
        return [to_line(transition) for transition in backtest(rules, readings, devices)]
    outcome = run(prepare(rules, readings, devices), rows_per_batch=case.cut)
    return [to_line(transition) for transition in outcome.transitions]
