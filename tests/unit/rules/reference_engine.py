"""The naive reference of the rules: one rule, one device, one sample at a time, from CONTRACT.md section 5 alone.

It shares no code with `rules/`. `reference(rules, rows, attributes)` gives the lines of `prevenant backtest --json`.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from tests.unit.rules import reference_learned as learned
from tests.unit.rules.reference_expressions import Row, Value, compiled, names_in
from tests.unit.rules.reference_machine import Machine
from tests.unit.rules.reference_signals import ExpressionSignal, duration_ms, signal_value

Manifest = Mapping[str, Any]
Line = dict[str, Any]


@dataclass(frozen=True)
class FileRow:
    """One row of a readings file: a long one holds one metric, a wide one any number; NULLs are left out."""

    device_id: str
    ts: int
    values: Mapping[str, float | bool | str]
    received_at: int | None = None


@dataclass(frozen=True)
class Message:
    """Adjacent rows that arrived together: samples in order of event time."""

    device_id: str
    received_at: int
    samples: tuple[tuple[int, Mapping[str, float | bool | str]], ...]


def messages(rows: Sequence[FileRow]) -> Iterator[Message]:
    """Rows in file order as messages; the first of two readings of one metric and time counts."""

    def together(row: FileRow) -> tuple[str, bool, int]:
        explicit = row.received_at is not None
        return row.device_id, explicit, row.ts if row.received_at is None else row.received_at

    for (device_id, _, received_at), members in groupby(rows, key=together):
        samples: dict[int, dict[str, float | bool | str]] = {}
        for row in members:
            for metric, value in row.values.items():
                samples.setdefault(row.ts, {}).setdefault(metric, value)
        yield Message(device_id, received_at, tuple(sorted(samples.items(), key=lambda sample: sample[0])))


def ticks(rows: Sequence[FileRow]) -> range:
    """Each whole second, in ms, between the first and the last `received_at`."""
    times = [row.ts if row.received_at is None else row.received_at for row in rows]
    return range(-(-min(times) // 1000) * 1000, max(times) + 1, 1000) if times else range(0)


@dataclass
class Watch:
    """One rule on one device, and all that it knows of the device."""

    rule: Manifest
    attributes: Row
    registered_at: int | None = None
    seen: set[tuple[str, int]] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    """Metric → latest receive time."""
    waiting: list[tuple[int, int, Mapping[str, Value]]] = field(default_factory=list)
    """(event time, received at, new values): samples that `lateness` holds back."""
    newest: int | None = None
    last_evaluated: int | None = None
    late: int = 0
    readings: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    others: Callable[[Manifest], Sequence[learned.Timeline]] | None = None
    """What the peers of this device said, for a signal that asks."""
    reached: int = 0
    """Latest receive time."""
    detectors: dict[str, learned.Scored] = field(default_factory=dict)
    scores: dict[str, tuple[int, Value]] = field(default_factory=dict)
    """Per signal of anomalies: time and score of the last sample."""

    def __post_init__(self) -> None:
        self.machine = Machine(self.rule)
        self.signals: Mapping[str, Manifest] = self.rule.get("signals", {})
        self.when = compiled(self.rule["when"])
        self.clear = compiled(self.rule["clear"]) if "clear" in self.rule else None
        self.expressions = {
            name: (compiled(spec["expr"]), ExpressionSignal(spec["op"], over=duration_ms(spec.get("over", "0s"))))
            for name, spec in self.signals.items()
            if "expr" in spec
        }
        self.named = named_by(self.rule)

    def message(self, message: Message) -> None:
        """All samples of one message arrive."""
        self.reached = max(self.reached, message.received_at)
        fresh = []
        for ts, values in message.samples:
            new = {metric: value for metric, value in values.items() if (metric, ts) not in self.seen}
            self.seen.update((metric, ts) for metric in new)
            for metric in new:
                self.heard[metric] = max(self.heard.get(metric, message.received_at), message.received_at)
            if new:
                fresh.append((ts, message.received_at, new))
        for sample in fresh:
            self._arrives(sample)

    def _arrives(self, sample: tuple[int, int, Mapping[str, Value]]) -> None:
        ts = sample[0]
        if self.last_evaluated is not None and ts < self.last_evaluated:
            self.late += 1
            return
        self.waiting.append(sample)
        self.waiting.sort(key=lambda waiting: waiting[0])
        self.newest = ts if self.newest is None else max(self.newest, ts)
        while self.waiting and self.waiting[0][0] + duration_ms(self.rule.get("lateness", "0s")) <= self.newest:
            self._evaluate(*self.waiting.pop(0))

    def end(self) -> None:
        """The file is over: nothing waits any longer."""
        while self.waiting:
            self._evaluate(*self.waiting.pop(0))

    def _evaluate(self, ts: int, received_at: int, new: Mapping[str, Value]) -> None:
        self.last_evaluated = ts
        for metric, value in new.items():
            self.readings.setdefault(metric, []).append((ts, value))
        self._learn(ts, new.keys())
        if self.rule.get("missing", "hold") != "hold" or self.named & new.keys():
            self._judge(ts, self._row(ts, receive_time=received_at, new=new.keys()))

    def tick(self, second: int) -> None:
        """A second passed; only rules that use silence care, and only of devices heard of or registered by then."""
        known = self.heard or (self.registered_at is not None and self.registered_at <= second)
        if known and any(spec["op"] == "silence" for spec in self.signals.values()):
            self._judge(second, self._row(second, receive_time=second, new=None))

    def _judge(self, now: int, row: Row) -> None:
        own_clear = self.clear(row) if self.clear is not None else None
        self.machine.sample(now, when=self.when(row), own_clear=own_clear)

    def _row(self, now: int, *, receive_time: int, new: Collection[str] | None) -> dict[str, Value]:
        """The row at `now`; `new` are the metrics that the sample brought, None on a tick."""
        row: dict[str, Value] = dict(self.attributes)
        for metric, readings in self.readings.items():
            ts, value = readings[-1]
            row[metric] = value if now - ts <= self._join_within() else None
        plain = dict(row)
        for name, spec in self.signals.items():
            if name in self.expressions:
                expression, signal = self.expressions[name]
                row[name] = signal.value(now) if new is None else signal.observe(expression(plain), now=now)
            elif spec["op"] == "silence":
                row[name] = self._silence(spec.get("of"), receive_time)
            else:
                row[name] = self._signal(name, spec, plain, now=now, new=new or ())
        return row

    def _signal(self, name: str, spec: Manifest, row: Row, *, now: int, new: Collection[str]) -> Value:
        """A signal that is no expression, and not of silence; `row` are the values it may look at."""
        if spec["op"] == "distance":
            return learned.distance(spec, row)
        of = spec["of"]
        if spec["op"] == "anomaly":
            return self._standing(self.scores.get(name), now=now)
        readings = self.readings.get(of, ())
        if spec["op"] == "usage":
            return learned.usage(readings, service=self.attributes.get("last_service"))
        if spec["op"] == "baseline":
            score = learned.baseline(spec, readings, zone=self.attributes.get("timezone")) if readings else None
            return self._standing((readings[-1][0], score) if readings else None, now=now)
        if spec["op"] == "peers":
            others = self.others(spec) if self.others is not None else ()
            return learned.peers(spec, row.get(of), received=self.reached, others=others)
        return signal_value(spec, readings=readings, value=row.get(of), now=now, fresh=of in new)

    def _standing(self, found: tuple[int, Value] | None, *, now: int) -> Value:
        """What was said of a reading, as long as the reading counts."""
        return found[1] if found is not None and now - found[0] <= self._join_within() else None

    def _learn(self, ts: int, new: Collection[str]) -> None:
        """Each sample with a new reading of any of its metrics is one for the detector."""
        for name, spec in self.signals.items():
            metrics = [spec["of"]] if isinstance(spec.get("of"), str) else spec.get("of", [])
            if spec["op"] == "anomaly" and {*metrics} & {*new}:
                last = [self.readings.get(metric, [(-math.inf, None)])[-1] for metric in metrics]
                values = [value if ts - at <= self._join_within() else None for at, value in last]
                if name not in self.detectors:
                    self.detectors[name] = learned.Scored(detector_for(spec, len(metrics)))
                self.scores[name] = ts, self.detectors[name].score(ts, values)

    def _join_within(self) -> int:
        return duration_ms(self.rule.get("join_within", "5m"))

    def _silence(self, of: str | None, receive_time: int) -> Value:
        heard = max(self.heard.values(), default=None) if of is None else self.heard.get(of)
        heard = self.registered_at if heard is None else heard
        return None if heard is None else max(0, receive_time - heard) / 1000


def named_by(rule: Manifest) -> set[str]:
    """The names that the rule names in `when`, `clear` or through a signal."""
    names = set(names_in(rule["when"]))
    names |= names_in(rule["clear"]) if "clear" in rule else set()
    for spec in rule.get("signals", {}).values():
        of = spec.get("of", [])
        names |= names_in(spec["expr"]) if "expr" in spec else {of} if isinstance(of, str) else {*of}
        names |= {spec[key] for key in ("lat", "lon") if key in spec}
    return names


def watch(subject: Watch, arrivals: Sequence[Message], seconds: range) -> Watch:
    """Run one rule over one device's messages, with the ticks in between."""
    clock, reached = list(seconds), 0
    for message in arrivals:
        reached = max(reached, message.received_at)
        while clock and clock[0] < reached:
            subject.tick(clock.pop(0))
        subject.message(message)
    for second in clock:
        subject.tick(second)
    subject.end()
    return subject


def peers_of(
    device_id: str, spec: Manifest, *, by_device: Mapping[str, Sequence[Message]], attributes: Mapping[str, Row]
) -> list[learned.Timeline]:
    """What the other devices with the same attributes said of the metric; nobody is a peer without them."""

    def group(device: str) -> list[Value]:
        return [attributes.get(device, {}).get(name) for name in spec["by"]]

    if None in group(device_id):
        return []
    mates = [device for device in by_device if device != device_id and group(device) == group(device_id)]
    return [_timeline(by_device[device], spec["of"]) for device in mates]


def _timeline(arrivals: Sequence[Message], metric: str) -> learned.Timeline:
    """Without lateness: what is older than the last sample is left out, and a repetition is no reading."""
    found: list[tuple[int, int, float]] = []
    reached, evaluated = 0, -1
    known: set[tuple[str, int]] = set()
    for message in arrivals:
        reached = max(reached, message.received_at)
        for ts, values in message.samples:
            new = {name for name in values if (name, ts) not in known}
            known |= {(name, ts) for name in new}
            if not new or ts < evaluated:
                continue
            evaluated = ts
            if metric in new:
                found.append((reached, ts, values[metric]))
    return found


def detector_for(spec: Manifest, metrics: int) -> Any:
    """The detectors are tested on their own; here they are asked about one sample after the other."""
    from rules.detectors.multi import MultiDetector
    from rules.detectors.single import SingleDetector

    wanted = spec.get("detector", "multi" if metrics > 1 else "single")
    return MultiDetector(metrics) if wanted == "multi" else SingleDetector()


def reference(
    rules: Sequence[Manifest],
    rows: Sequence[FileRow],
    attributes: Mapping[str, Row] | None = None,
    registered: Mapping[str, int] | None = None,
) -> list[Line]:
    """What `prevenant backtest --json` prints: sorted by at, rule, device, episode, and order of occurrence."""
    by_device: dict[str, list[Message]] = {device_id: [] for device_id in registered or {}}
    for message in messages(rows):
        by_device.setdefault(message.device_id, []).append(message)
    found: list[tuple[Any, ...]] = []
    for rule in rules:
        seconds = ticks(rows) if any(s["op"] == "silence" for s in rule.get("signals", {}).values()) else range(0)
        for device_id, arrivals in by_device.items():
            known = {"device_id": device_id, **(attributes or {}).get(device_id, {})}
            if "applies_to" in rule and compiled(rule["applies_to"])(known) is not True:
                continue
            subject = Watch(rule, known, (registered or {}).get(device_id))
            subject.others = partial(peers_of, device_id, by_device=by_device, attributes=attributes or {})
            watched = watch(subject, arrivals, seconds)
            found += [(s.at, rule["name"], device_id, s.episode, i, s) for i, s in enumerate(watched.machine.steps)]
    severities = {rule["name"]: rule.get("severity", "minor") for rule in rules}
    return [
        {
            "rule": name,
            "device_id": device_id,
            "episode": episode,
            "state": step.state,
            "at": iso(step.at),
            "onset": iso(step.onset),
            "severity": severities[name],
        }
        for _, name, device_id, episode, _, step in sorted(found, key=lambda entry: entry[:5])
    ]


def iso(ms: int) -> str:
    """ISO 8601 UTC."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")
