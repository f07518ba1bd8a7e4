"""Random readings and random rules for the comparison of the back-test with the naive reference.

Times are multiples of one unit per file and values are small integers, so that boundaries are met exactly and often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from tests.unit.rules.reference_engine import FileRow, Manifest
from tests.unit.rules.reference_expressions import Row

START = 1_700_000_000_000
NUMBERS = ("temp", "pressure", "a.b")
STEPS = (1, 1, 1, 1, 1, 2, 2, 3, 0, 0, 4, 6, 9, 25, -1, -2, -4)
FLEET = tuple(f"d{number}" for number in range(15))
DELAYS = (0, 0, 0, 0, 1, 2, 5)


@dataclass(frozen=True)
class Case:
    """A readings file, the devices' attributes, and rules to run over it."""

    unit: int
    """Milliseconds."""
    metrics: tuple[str, ...]
    rows: tuple[FileRow, ...]
    attributes: Mapping[str, Row] | None
    rules: tuple[Manifest, ...]
    layout: str
    """wide | long"""
    suffix: str
    """csv | ndjson | parquet"""
    stamps: str
    """ms | iso | offset: how the file writes times."""
    registered: Mapping[str, int] = field(default_factory=dict)
    """Device → when it was registered, as the devices file says."""
    cut: int = 0
    """How many rows the engine is given at a time; 0 for its own choice."""


@dataclass(frozen=True)
class Words:
    """What an expression may name, and the unit its seconds are counted in."""

    numbers: tuple[str, ...]
    booleans: tuple[str, ...]
    strings: tuple[str, ...]
    unit: int
    weekly: bool = False
    """The same story every week: a baseline has something to go by."""
    mates: bool = False
    """Many devices with the same attributes: there are peers."""


@dataclass
class _Fleet:
    """The file under construction: each device's time, values, and all rows so far."""

    unit: int
    explicit: Mapping[str, bool]
    rows: list[FileRow] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    values: dict[tuple[str, str], Any] = field(default_factory=dict)

    def upload(self, device: str, entries: Sequence[tuple[int, Mapping[str, Any]]], delay: int) -> None:
        """Append one message: its rows in the order given."""
        received = max(ts for ts, _ in entries) + delay * self.unit
        stamp = received if self.explicit[device] else None
        self.rows += [FileRow(device, ts, dict(values), stamp) for ts, values in entries]


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _chance(draw: st.DrawFn, one_in: int) -> bool:
    return draw(st.integers(0, one_in - 1)) == one_in - 1


@st.composite
def _reading(draw: st.DrawFn, fleet: _Fleet, device: str, metric: str) -> Any:
    """A value, which often stays what it was; None for no reading."""
    kind = draw(st.sampled_from("kkkkvvvvn" if metric == "temp" else "kkvvnn"))
    if kind == "n":
        return None
    if kind == "v" or (device, metric) not in fleet.values:
        pool = {"door": st.booleans(), "mode": st.sampled_from(["auto", "off", "eco mode", "été"])}
        fleet.values[device, metric] = draw(pool.get(metric, st.integers(0, 9).map(float)))
    return fleet.values[device, metric]


@st.composite
def _entries(draw: st.DrawFn, fleet: _Fleet, device: str, metrics: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    size = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 2, 4]))
    entries = []
    for _ in range(size):
        step = draw(st.sampled_from(STEPS)) * fleet.unit
        crumb = draw(st.sampled_from([0, 0, 0, 0, 0, fleet.unit // 2]))
        fleet.times[device] = max(START, fleet.times.get(device, START) + step + crumb)
        drawn = {metric: draw(_reading(fleet, device, metric)) for metric in metrics}
        entries.append((fleet.times[device], {metric: value for metric, value in drawn.items() if value is not None}))
    return draw(st.permutations(entries)) if _chance(draw, 3) else entries


@st.composite
def _rows(draw: st.DrawFn, unit: int, devices: Sequence[str], metrics: Sequence[str], stamps: str) -> list[FileRow]:
    explicit = {device: stamps == "all" or (stamps == "some" and i % 2 == 0) for i, device in enumerate(devices)}
    fleet = _Fleet(unit, explicit)
    first: dict[str, Any] = {"door": False, "mode": "auto"}
    fleet.upload(devices[0], [(START, {metric: first.get(metric, 1.0) for metric in metrics})], 0)
    fleet.times[devices[0]] = START
    for _ in range(draw(st.integers(15, 50))):
        device = draw(st.sampled_from([devices[0], *devices]))
        entries = draw(_entries(fleet, device, metrics))
        fleet.upload(device, entries, draw(st.sampled_from(DELAYS)))
        if _chance(draw, 8):
            old = draw(st.sampled_from(fleet.rows[-6:]))
            value = {"temp": 7.0} if "temp" in old.values and _chance(draw, 2) else {}
            fleet.upload(old.device_id, [(old.ts, {**old.values, **value})], draw(st.sampled_from([0, 1, 9])))
    return fleet.rows


def _length(rows: Sequence[FileRow]) -> int:
    return max(max(row.ts, row.received_at or row.ts) for row in rows) - min(row.ts for row in rows)


def _repeated(rows: Sequence[FileRow], *, times: int, period: int) -> list[FileRow]:
    """The same story over and over: long files at little cost."""
    spans = [n * period for n in range(times)]
    return [
        replace(row, ts=row.ts + span, received_at=None if row.received_at is None else row.received_at + span)
        for span in spans
        for row in rows
    ]


def _single_metric(rows: Sequence[FileRow]) -> list[FileRow]:
    """Wide rows as the long rows that say the same."""
    return [
        FileRow(row.device_id, row.ts, dict([pair]) if pair else {}, row.received_at)
        for row in rows
        for pair in (row.values.items() or [None])
    ]


@st.composite
def cases(draw: st.DrawFn, rules: int = 6) -> Case:
    """A file and rules over it."""
    unit = draw(st.sampled_from([1_000, 1_000, 60_000]))
    metrics = ("temp", *[metric for metric in ("pressure", "door", "mode", "a.b") if draw(st.booleans())])
    devices = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b"), ("a", "b", "ç-3"), ("device",), FLEET]))
    stamps = draw(st.sampled_from(["none", "all", "all", "some"]))
    story = draw(_rows(unit, devices, metrics, stamps))
    times = draw(st.sampled_from([1, 1, 1, 5]))
    weekly = unit == 60_000 and times > 1
    rows = _repeated(story, times=times, period=WEEK_MS if weekly else _length(story) + 3 * unit)
    layout = draw(st.sampled_from(["wide", "wide", "long"]))
    mixed = layout == "long" and bool({"door", "mode"} & {*metrics})
    attributes = draw(_attributes(devices)) if draw(st.booleans()) else None
    words = Words(
        numbers=tuple(metric for metric in metrics if metric in NUMBERS) + (("max_temp",) if attributes else ()),
        booleans=("door",) if "door" in metrics else (),
        strings=(("mode",) if "mode" in metrics else ()) + (("region",) if attributes else ()),
        unit=unit,
        weekly=weekly,
        mates=attributes is not None and len(devices) > 9,
    )
    return Case(
        unit=unit,
        metrics=metrics,
        rows=tuple(_single_metric(rows) if layout == "long" else rows),
        attributes=attributes,
        registered=draw(_registered(unit, tuple(attributes))) if attributes else {},
        rules=draw(_rules(words, devices, with_attributes=attributes is not None, size=rules)),
        layout=layout,
        suffix=draw(st.sampled_from(["csv", "csv", "ndjson"] + ([] if mixed else ["parquet"]))),
        stamps=draw(st.sampled_from(["ms", "iso", "offset"])),
        cut=draw(st.sampled_from([0, 0, 1, 2, 7])),
    )


@st.composite
def _attributes(draw: st.DrawFn, devices: Sequence[str]) -> dict[str, Row]:
    """The first device has all of them, so that every attribute has a kind; others may lack, `z` sends nothing."""
    own = {"timezone": "Europe/Paris", "last_service": "2023-11-14T22:13:50+00:00", "site.lat": 4.0, "site.lon": 5.5}
    found: dict[str, Row] = {devices[0]: {"max_temp": 5.0, "region": "EU", **own}}
    many = len(devices) > 9
    for device in devices[1:] if many else draw(st.lists(st.sampled_from([*devices[1:], "z"]), unique=True)):
        limit = draw(st.sampled_from([3.0, 7.0, None]))
        found[device] = {
            "max_temp": limit,
            "region": "EU" if many and not _chance(draw, 5) else draw(st.sampled_from(["EU", "US", None])),
            "timezone": draw(st.sampled_from([None, "Nowhere/Land", "America/New_York"])),
            "last_service": draw(st.sampled_from([None, "2023-11-14T22:20:00+02:00", "2023-11-14T22:14:20Z"])),
            "site.lat": draw(st.sampled_from([None, 3.0])),
            "site.lon": 5.0,
        }
    return found


@st.composite
def _registered(draw: st.DrawFn, unit: int, devices: Sequence[str]) -> dict[str, int]:
    """Some devices were registered before the file begins, or in its first moments."""
    since = st.sampled_from([None, None, START - 3 * unit, START + unit // 2, START + 4 * unit])
    found = {device: draw(since) for device in devices}
    return {device: ms for device, ms in found.items() if ms is not None}


NUMBER_FORMS = (
    *("({0} + {1})", "({0} - {1})", "{0} * {1}", "({0}) / ({1})", "abs({0}) % ({1})", "(-({0}))", "power({0}, 2)"),
    *("abs({0})", "round({0} + 0.1)", "round({0} / 7, 1)", "floor(({0}) / 2)", "ceil(({0}) / 2)", "sign({0})"),
    *("sqrt({0})", "ln({0})", "exp({0})", "least({0}, {1})", "greatest({0}, {1})", "coalesce({0}, {1})"),
    *("nullif({0}, {1})", "CASE WHEN {2} THEN {0} ELSE {1} END", "CASE WHEN {2} THEN {0} END"),
)


@st.composite
def _number(draw: st.DrawFn, words: Words, depth: int = 0) -> str:
    """A numeric expression."""
    if depth > 1 or draw(st.booleans()):
        plain = [*map(_quoted, words.numbers), "temp", "temp", *map(str, range(1, 9)), "2.5"]
        return str(draw(st.sampled_from(plain)))
    form = draw(st.sampled_from(NUMBER_FORMS))
    return form.format(
        draw(_number(words, depth + 1)),
        draw(_number(words, depth + 1)) if "{1}" in form else "",
        draw(_simple(words)) if "{2}" in form else "",
    )


def _texts(words: Words) -> list[str]:
    forms = ["{0} = 'auto'", "{0} <> 'off'", "{0} LIKE 'e%'", "{0} LIKE '%_o'", "{0} NOT LIKE 'a%'", "{0} < 'f'"]
    forms += ["{0} IN ('off', 'EU')", "{0} NOT IN ('US', 'auto')", "{0} IS NULL", "coalesce({0}, 'off') = 'off'"]
    return [form.format(name) for name in words.strings for form in forms]


@st.composite
def _simple(draw: st.DrawFn, words: Words) -> str:
    """A condition on one metric."""
    flags = [form.format(name) for name in words.booleans for form in ("{0}", "NOT {0}", "{0} = TRUE", "{0} IS NULL")]
    if flags + _texts(words) and _chance(draw, 4):
        return str(draw(st.sampled_from(flags + _texts(words))))
    name = _quoted(draw(st.sampled_from(["temp", "temp", *words.numbers])))
    form = draw(st.sampled_from(["{0} > {1}", "{0} > {1}", "{0} >= {1}", "{0} < {1}", "{0} <= {1}", "{0} = {1}"]))
    return form.format(name, draw(st.integers(2, 7)))


@st.composite
def conditions(draw: st.DrawFn, words: Words, depth: int = 0) -> str:
    """A condition; half of them simple."""
    if depth > 1 or draw(st.booleans()):
        return draw(_simple(words))
    forms = "{n} > {n}|{n} <= {n}|{n} <> {n}|{n} = {n}|{n} BETWEEN {n} AND {n}|{n} NOT BETWEEN {n} AND {n}|"
    forms += "{n} IN (1, 2, {n})|{n} NOT IN ({n}, NULL)|{n} IS NULL|{n} IS NOT NULL|"
    forms += "({c}) AND ({c})|({c}) OR ({c})|NOT ({c})|{c} OR {c} AND {c}|CASE WHEN {c} THEN {c} ELSE {c} END"
    text = str(draw(st.sampled_from(forms.split("|"))))
    while "{" in text:
        if "{n}" in text:
            text = text.replace("{n}", draw(_number(words)), 1)
        else:
            text = text.replace("{c}", draw(conditions(words, depth + 1)), 1)
    return text


def duration(ms: int) -> str:
    """As a person writes it: the largest units first."""
    text = ""
    for letter, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        text += f"{ms // size}{letter}" if ms >= size else ""
        ms %= size
    return text or "0s"


OPS = (
    *("mean", "min", "max", "sum", "stddev", "median", "count", "delta", "slope", "zscore", "ewma"),
    *("time_to", "usage", "distance", "anomaly", "baseline", "peers"),
    *("since", "held", "times", "silence"),
)
WEEK_MS = 604_800_000


@st.composite
def _signal(draw: st.DrawFn, name: str, words: Words) -> tuple[dict[str, Any], str]:
    """A signal and a condition on it. Thresholds of inexact results are odd, so that rounding cannot matter."""
    ops = [*OPS, "silence", "silence"] if words.unit == 1_000 else [*OPS[:-1]]
    ops += ["baseline"] * 6 * words.weekly + ["peers"] * 6 * words.mates
    op = draw(st.sampled_from(ops))
    unit, second = words.unit, words.unit // 1000
    metrics = [number for number in words.numbers if number in NUMBERS]
    spec: dict[str, Any] = {"op": op}
    if op in {"since", "held", "times"}:
        spec["expr"] = draw(_simple(Words(tuple(metrics), words.booleans, words.strings, unit)))
    elif op == "silence":
        spec |= draw(st.sampled_from([{}, {"of": "temp"}, {"of": metrics[-1]}]))
    elif op == "distance":
        places = st.sampled_from([[3, 5], [-1.5, 0.25]] + ["site"] * 2 * ("region" in words.strings))
        spec |= {"lat": "temp", "lon": metrics[-1], "to": draw(places)}
    elif op == "anomaly":
        spec["of"] = draw(st.sampled_from(["temp", ["temp"], metrics[::-1]]))
    else:
        spec["of"] = draw(st.sampled_from(["temp", *metrics]))
    spec |= draw(_own(op, words))
    if op not in {"since", "held", "silence", "ewma", "distance", "usage", "anomaly", "baseline", "peers"}:
        spec["over"] = duration(unit * draw(st.sampled_from([15, 40] if op == "zscore" else [2, 3, 5, 12])))
    if op == "ewma":
        spec["half_life"] = duration(unit * draw(st.sampled_from([1, 3, 10])))
    if op == "slope":
        spec |= {"per": duration(unit)} | draw(st.sampled_from([{}, {}, {"counter": True}]))
    low, high = {
        **LIMITS,
        "slope": (-1, 1),
        "zscore": (-3, 3),
        "stddev": (0, 3),
        "delta": (-3, 3),
        "count": (1, 6),
    }.get(op, (1, 8))
    limit: float = draw(st.integers(low, high))
    limit += 0.3703 if op in {"slope", "zscore", "stddev", "ewma", "time_to", "distance", "baseline", "peers"} else 0
    limit *= {"since": second, "held": second, "silence": 1, "distance": 100_000, "time_to": second}.get(op, 1)
    limit *= 2 if op == "sum" else 10 if spec.get("stat") == "percentile" else 0.1 if op == "anomaly" else 1
    if op == "times":
        limit = draw(st.integers(0, 2))
    sign = draw(st.sampled_from([">", ">="] if op == "silence" else [">", ">", ">=", "<"]))
    return spec, f"{name} {sign} {limit}"


LIMITS = {"distance": (1, 8), "usage": (2, 20), "baseline": (-2, 2), "peers": (-2, 2), "anomaly": (1, 6)}


@st.composite
def _own(draw: st.DrawFn, op: str, words: Words) -> dict[str, Any]:
    """The fields that an op has of its own."""
    fields: dict[str, dict[str, Any]] = {
        "time_to": {"threshold": draw(st.integers(2, 9)), "direction": draw(st.sampled_from(["above", "below"]))},
        "peers": {"by": ["region"], "stat": draw(st.sampled_from(["zscore", "percentile"]))},
        "baseline": {"over": draw(st.sampled_from(["14d", "28d"])), "by": "hour_of_week"},
        "usage": {"since": "service"},
    }
    return fields.get(op, {})


@st.composite
def _rule(draw: st.DrawFn, words: Words, devices: Sequence[str], with_attributes: bool) -> dict[str, Any]:
    """A rule with random modifiers; every signal it declares stands in its condition."""
    rule: dict[str, Any] = {"kind": "rule"}
    signals: dict[str, Any] = {}
    parts: list[str] = []
    for number in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        spec, part = draw(_signal(f"s{number}", words))
        signals[f"s{number}"] = spec
        parts.append(part)
    if not parts or draw(st.booleans()):
        parts.append(f"({draw(conditions(words))})")
    rule |= {"signals": signals} if signals else {}
    rule["when"] = draw(st.sampled_from([" AND ", " OR "])).join(parts)
    rule |= draw(_modifiers(words))
    if any(spec["op"] == "silence" for spec in signals.values()):
        rule.pop("flapping", None)  # ticks and event times together may run backwards: no window has a meaning there
    if any(spec["op"] == "peers" for spec in signals.values()):
        rule.pop("lateness", None)  # whose samples wait has another latest value than others have
    if "clear" in rule and signals and draw(st.booleans()):
        rule["clear"] = f"NOT ({parts[0]})" if draw(st.booleans()) else parts[0].translate(_OPPOSITE)
    rule |= draw(st.sampled_from([{}, {}, {}, *BYSTANDERS]))
    if with_attributes and _chance(draw, 4):
        rule["applies_to"] = draw(
            st.sampled_from(["region = 'EU'", "max_temp > 4", "region LIKE 'E_' OR max_temp < 4"])
        )
    elif _chance(draw, 12):
        rule["applies_to"] = f"device_id IN ('{devices[-1]}', 'x')"
    return rule


_OPPOSITE = str.maketrans("<>", "><")
BYSTANDERS: tuple[dict[str, Any], ...] = (
    {"hold": "5s", "stage": "shadow", "family": "f"},
    {"max_evidence_age": "1s", "playbook": "p", "title": {"en": "T"}, "stage": "live"},
)
"""Fields that change nothing in a back-test."""
MODIFIERS = (
    *("applies_to", "clear", "for", "keep_firing_for", "count", "missing", "max_gap", "join_within", "lateness"),
    *("severity", "flapping", "signals"),
)


def _rules(
    words: Words, devices: Sequence[str], *, with_attributes: bool, size: int
) -> st.SearchStrategy[tuple[Manifest, ...]]:
    """Different rules: hypothesis likes to repeat itself."""
    rules = st.lists(_rule(words, devices, with_attributes), min_size=size, max_size=size, unique_by=repr)
    return rules.map(lambda found: tuple({"kind": "rule", "name": f"r{i}", **rule} for i, rule in enumerate(found)))


@st.composite
def _modifiers(draw: st.DrawFn, words: Words) -> dict[str, Any]:
    """Each of them in about a third of the rules."""

    def units(*numbers: int) -> st.SearchStrategy[str]:
        return st.sampled_from(numbers).map(lambda number: duration(number * words.unit))

    pool: dict[str, st.SearchStrategy[Any]] = {
        "clear": _simple(words),
        "for": units(0, 1, 2, 3, 5),
        "keep_firing_for": units(1, 2, 3, 5),
        "count": st.sampled_from([(1, 3), (2, 2), (2, 3), (3, 5)]).map(
            lambda pair: dict(zip(("n", "of"), pair, strict=True))
        ),
        "missing": st.sampled_from(["hold", "breach", "ok", "breach", "ok"]),
        "max_gap": units(1, 2, 4, 8),
        "join_within": units(0, 1, 2, 3, 9),
        "lateness": units(0, 1, 2, 4),
        "flapping": st.fixed_dictionaries({"transitions": st.integers(1, 4), "within": units(3, 6, 15, 40)}),
        "severity": st.sampled_from(["info", "major", "critical", "safety"]),
    }
    return {key: draw(strategy) for key, strategy in pool.items() if _chance(draw, 3)}
