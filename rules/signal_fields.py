"""What each signal op needs, and how its fields are read from a rule's file."""

from typing import NamedTuple

from rules.fields import Fields
from rules.grammar import suggest
from rules.model import PER_MS, Signal


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
    "silence": Form((), ("of",)),
    "since": Form(("expr",)),
    "held": Form(("expr",)),
    "times": Form(("expr", "over")),
}
"""The ops that the engine computes."""

PLANNED = ("baseline", "time_to", "anomaly", "peers", "usage", "distance")
"""Ops of the contract that come later."""


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
        if op in PLANNED:
            fields.wrong("op", f"{op} is not available yet", cure=f"available are {', '.join(FORMS)}")
        else:
            near = suggest(op, list(FORMS))
            fields.wrong("op", f"{op!r} is no signal", cure=f"{near} available are {', '.join(FORMS)}".strip())
        return None
    fields.only(("op", *form.required, *form.optional), required=form.required)
    required, known = set(form.required), {*form.required, *form.optional}
    return Signal(
        name=name,
        op=op,
        of=fields.text("of", required="of" in required, example="metric") if "of" in known else None,
        over_ms=fields.duration("over", required=True, least=1) if "over" in known else None,
        per_ms=(fields.duration("per", least=1) if "per" in known else None) or PER_MS,
        half_life_ms=fields.duration("half_life", required=True, least=1) if "half_life" in known else None,
        expr=fields.expression("expr", required=True, example="temperature > 90") if "expr" in known else None,
        counter=fields.flag("counter") if "counter" in known else False,
    )
