"""What each signal op needs, and how its fields are read from a rule's file."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from domain.spelling import suggest
from rules.fields import Fields
from rules.model import PER_MS, Signal
from rules.signals.baseline import LEAST_WEEKS, MOST_WEEKS, WEEK_MS


class Form(NamedTuple):
    """The fields of one op."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_WINDOW = Form(("of", "over"))
FORMS: dict[str, Form] = {
    "mean": _WINDOW,
    "min": _WINDOW,
    "max": _WINDOW,
    "sum": _WINDOW,
    "stddev": _WINDOW,
    "median": _WINDOW,
    "count": _WINDOW,
    "delta": _WINDOW,
    "slope": Form(("of", "over"), ("per", "counter")),
    "ewma": Form(("of", "half_life")),
    "zscore": _WINDOW,
    "baseline": Form(("of", "over"), ("by",)),
    "time_to": Form(("of", "threshold", "over"), ("direction",)),
    "anomaly": Form(("of",), ("detector",)),
    "silence": Form((), ("of",)),
    "since": Form(("expr",)),
    "held": Form(("expr",)),
    "times": Form(("expr", "over")),
    "peers": Form(("of", "by"), ("stat",)),
    "usage": Form(("of",), ("since",)),
    "distance": Form(("lat", "lon", "to")),
}
"""The ops that the engine computes."""


class Direction(StrEnum):
    """On which side of its threshold a value is awaited."""

    ABOVE = "above"
    BELOW = "below"


class Stat(StrEnum):
    """What is told of a device among its peers."""

    ZSCORE = "zscore"
    PERCENTILE = "percentile"


class Detector(StrEnum):
    """Which detector learns: for one metric, or for several together."""

    SINGLE = "single"
    MULTI = "multi"


class Hours(StrEnum):
    """What a baseline tells apart."""

    HOUR_OF_WEEK = "hour_of_week"


class Since(StrEnum):
    """From where usage counts."""

    SERVICE = "service"


def read_signals(rule: Fields) -> tuple[Signal, ...]:
    """The `signals` of a rule, in the order of the file."""
    part = rule.part("signals", example="{name: {op: mean, of: metric, over: 10m}}")
    if part is None:
        return ()
    found = [read_signal(each, name) for name in part.data if (each := _one(part, name)) is not None]
    return tuple(signal for signal in found if signal is not None)


def _one(part: Fields, name: str) -> Fields | None:
    if part.data[name] is None:
        part.wrong(name, "is empty", cure=f"write {name}: {{op: mean, of: metric, over: 10m}}")
    return part.part(name, example="{op: mean, of: metric, over: 10m}")


def read_signal(fields: Fields, name: str) -> Signal | None:
    """One signal; None, with the mistakes noted, where it has no usable op."""
    op = fields.text("op", required=True, example="mean")
    if op is None:
        return None
    form = FORMS.get(op)
    if form is None:
        near = suggest(op, list(FORMS))
        fields.wrong("op", f"{op!r} is no signal", cure=f"{near} available are {', '.join(FORMS)}".strip())
        return None
    fields.only(("op", *form.required, *form.optional), required=form.required)
    required, known = set(form.required), {*form.required, *form.optional}
    several, options = _OWN[op](fields) if op in _OWN else ((), {})
    return Signal(
        name=name,
        op=op,
        of=fields.text("of", required="of" in required, example="metric") if "of" in known and not several else None,
        over_ms=_over(fields, op) if "over" in known else None,
        per_ms=(fields.duration("per", least=1) if "per" in known else None) or PER_MS,
        half_life_ms=fields.duration("half_life", required=True, least=1) if "half_life" in known else None,
        expr=fields.expression("expr", required=True, example="temperature > 90") if "expr" in known else None,
        counter=fields.flag("counter") if "counter" in known else False,
        several=several,
        options=options,
    )


def _over(fields: Fields, op: str) -> int | None:
    over = fields.duration("over", required=True, least=1)
    if op == "baseline" and over is not None and not LEAST_WEEKS * WEEK_MS <= over <= MOST_WEEKS * WEEK_MS:
        many = f"{LEAST_WEEKS} to {MOST_WEEKS}"
        fields.wrong("over", f"the same hours of {many} weeks are looked at", cure="write over: 28d")
    return over


_Own = tuple[tuple[str, ...], Mapping[str, Any]]
"""Several metrics, and options: the fields that an op has of its own."""


def _anomaly(fields: Fields) -> _Own:
    metrics = fields.words("of", example="[temperature, pressure]") or ("",)
    detector = fields.choice("detector", Detector) or (Detector.SINGLE if len(metrics) == 1 else Detector.MULTI)
    if detector is Detector.SINGLE and len(metrics) > 1:
        fields.wrong("detector", f"single takes one metric, not {len(metrics)}", cure="write detector: multi")
    return metrics, {"detector": detector}


def _distance(fields: Fields) -> _Own:
    places = tuple(fields.text(key, required=True, example=f"gps_{key}") or "" for key in ("lat", "lon"))
    to = fields.data.get("to")
    if to == "site":
        return places, {"to": None}
    parts = to if isinstance(to, list) else []
    numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    if len(parts) != 2 or len(numbers) != 2 or not (abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180):
        problem = "is missing" if to is None else f"{to!r} is neither site nor a latitude and a longitude"
        fields.wrong("to", problem, cure="write to: site, or to: [48.87, 2.33]")
        return places, {"to": None}
    return places, {"to": (float(numbers[0]), float(numbers[1]))}


def _time_to(fields: Fields) -> _Own:
    direction = fields.choice("direction", Direction) or Direction.ABOVE
    return (), {"threshold": fields.number("threshold", example="95") or 0.0, "direction": direction}


def _peers(fields: Fields) -> _Own:
    by = fields.words("by", example="[model, firmware]")
    return (), {"by": by, "stat": fields.choice("stat", Stat) or Stat.ZSCORE}


def _baseline(fields: Fields) -> _Own:
    fields.choice("by", Hours)
    return (), {}


def _usage(fields: Fields) -> _Own:
    fields.choice("since", Since)
    return (), {}


_OWN: Mapping[str, Callable[[Fields], _Own]] = {
    "anomaly": _anomaly,
    "distance": _distance,
    "time_to": _time_to,
    "peers": _peers,
    "baseline": _baseline,
    "usage": _usage,
}
