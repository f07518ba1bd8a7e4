"""One episode as a picture: the metrics that its rule names, their limits, onset, firing and end."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from sqlglot import exp

from domain.clock import from_ms, iso, to_ms
from domain.errors import SourceError
from domain.telemetry import Value
from rules.backtest import Trial
from rules.episodes import Episode
from rules.expressions import parse
from rules.model import Kind, Rule
from rules.readings import Recording
from rules.samples import Channel

SUFFIXES = (".png", ".svg")
LEAST_MARGIN = timedelta(minutes=10)
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ)
_MARKS = (("onset", "#8a6d00", ":"), ("fired", "#b3261e", "-"), ("ended", "#1b6e3c", "--"))


@dataclass(frozen=True, slots=True)
class Limit:
    """A constant with which a rule compares a metric."""

    metric: str
    value: float


def plot_episode(path: Path, trial: Trial, episode: Episode) -> None:
    """Draw `episode` into `path`, PNG or SVG by its suffix. Raises SourceError for another suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError("not a picture's name", cure=f"end it with {' or '.join(SUFFIXES)}", file=str(path))
    rule = next(one for one in trial.rules if one.name == episode.rule)
    attributes = next((one.attributes for one in trial.devices if one.device_id == episode.device_id), {})
    lines = {name: _line(trial.recording, episode, name) for name in metrics_of(rule, trial.recording)}
    limits = list(limits_of(rule, attributes))
    figure = Figure(figsize=(10, 1.4 + 2.2 * max(len(lines), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(lines), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (metric, (times, values)) in zip(axes, lines.items(), strict=False):
        axis.plot(times, values, color="#1a4d8f", linewidth=1.2, marker=".", markersize=3)
        axis.set_ylabel(metric)
        for limit in limits:
            if limit.metric == metric:
                axis.axhline(limit.value, color="#b3261e", linewidth=0.9, linestyle="--")
                axis.annotate(f"{limit.value:g}", (1.0, limit.value), xycoords=("axes fraction", "data"), fontsize=8)
    for axis in axes:
        _mark(axis, episode)
    figure.suptitle(_title(rule, episode), fontsize=9, wrap=True)
    with warnings.catch_warnings():
        # A device's name may be written in letters that the font lacks: boxes, no failure.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(path, dpi=110)


def file_name(episode: Episode, suffix: str) -> str:
    """A name for one episode's picture."""
    text = f"{episode.rule}-{episode.device_id}-{episode.number}"
    return re.sub(r"[^\w.-]+", "_", text) + suffix


def metrics_of(rule: Rule, recording: Recording) -> list[str]:
    """The recorded numbers that a rule names, itself or through signals, in its own order."""
    texts = [text for text in (rule.when, rule.clear, *(signal.expr for signal in rule.signals)) if text]
    named = [column.name for text in texts for column in parse(text).root.find_all(exp.Column)]
    named += [metric for signal in rule.signals for metric in signal.metrics]
    numbers = {channel.metric for channel in recording.values if channel.kind is Kind.NUMBER}
    return [name for name in dict.fromkeys(named) if name in numbers]


def limits_of(rule: Rule, attributes: Mapping[str, Value]) -> Iterator[Limit]:
    """Comparisons of one name with a constant, or with an attribute of the device, in `when` and `clear`."""
    for text in (rule.when, rule.clear):
        for node in parse(text).root.find_all(*_COMPARISONS, exp.Between) if text else ():
            others = (
                [node.args["low"], node.args["high"]] if isinstance(node, exp.Between) else [node.args["expression"]]
            )
            for left, right in [(node.this, other) for other in others] + [(other, node.this) for other in others]:
                value = _constant(right, attributes)
                if isinstance(left, exp.Column) and left.name not in attributes and value is not None:
                    yield Limit(left.name, value)


def _constant(node: exp.Expr | None, attributes: Mapping[str, Value]) -> float | None:
    match node:
        case exp.Literal() if not node.is_string:
            return float(node.this)
        case exp.Paren():
            return _constant(node.this, attributes)
        case exp.Neg():
            found = _constant(node.this, attributes)
            return None if found is None else -found
        case exp.Column():
            value = attributes.get(node.name)
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case exp.Coalesce():
            parts = (_constant(part, attributes) for part in (node.this, *node.expressions))
            return next((part for part in parts if part is not None), None)
    return None


def _span(episode: Episode, last: datetime) -> tuple[datetime, datetime]:
    end = episode.ended or last
    margin = max(LEAST_MARGIN, (end - episode.onset) / 2)
    return episode.onset - margin, end + margin


def _line(recording: Recording, episode: Episode, metric: str) -> tuple[Sequence[datetime], Sequence[float]]:
    """The metric's readings around the episode, in order of event time."""
    since, until = _span(episode, from_ms(int(recording.ts.max())))
    channel, device = Channel(metric, Kind.NUMBER), recording.device_ids.index(episode.device_id)
    rows = recording.places.get(channel, np.arange(len(recording)))
    frame = pl.DataFrame({"ts": recording.ts[rows], "device": recording.device[rows], "v": recording.values[channel]})
    mine = pl.col("device") == device
    found = frame.filter(mine, pl.col("v").is_not_null(), pl.col("ts").is_between(to_ms(since), to_ms(until)))
    found = found.sort("ts", maintain_order=True)
    return [from_ms(at) for at in found["ts"]], found["v"].to_list()


def _mark(axis: Axes, episode: Episode) -> None:
    for name, colour, style in _MARKS:
        at: datetime | None = getattr(episode, name)
        if at is not None:
            axis.axvline(at, color=colour, linestyle=style, linewidth=1, label=name)  # type: ignore[arg-type]
    if episode.ended is not None:
        axis.axvspan(episode.fired, episode.ended, color="#b3261e", alpha=0.08)  # type: ignore[arg-type]
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.legend(loc="upper left", fontsize=7, frameon=False)


def _title(rule: Rule, episode: Episode) -> str:
    held = f"   for {rule.for_ms // 1000}s" if rule.for_ms else ""
    clear = f"   clear: {rule.clear}" if rule.clear else ""
    ended = f"resolved {iso(episode.ended)}" if episode.ended else "not resolved"
    # Matplotlib would read what stands between two dollar signs as a formula.
    return (
        f"{rule.name} on {episode.device_id}, episode {episode.number} ({rule.severity})\n"
        f"when: {rule.when}{held}{clear}\nfired {iso(episode.fired)}, {ended}"
    ).replace("$", r"\$")
