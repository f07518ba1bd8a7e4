"""The back-test: rules over recorded readings, through the engine that runs live."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.clock import iso
from domain.errors import SourceError
from domain.faults import Stage, Transition, TransitionState
from domain.spelling import suggest
from domain.telemetry import DeviceChanged
from rules.control import activate
from rules.documents import Document, raise_all, read_documents
from rules.engine import State, flush, new_state, observe
from rules.fleet import devices_in, read_devices
from rules.loader import rules_from
from rules.model import Kind, Rule
from rules.playback import ROWS_PER_BATCH, play
from rules.readings import Layout, Recording, read_readings
from rules.samples import kind_of
from rules.tally import Tally
from rules.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Trial:
    """What a back-test is about: rules, readings, devices."""

    rules: tuple[Rule, ...]
    recording: Recording
    devices: tuple[DeviceChanged, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    transitions: list[Transition]
    """By time; of one time by rule, device and episode."""
    samples: int
    late_samples: int
    state: State = field(repr=False)
    tallies: dict[str, Tally] = field(default_factory=dict, repr=False)
    """By rule, if they were asked for."""


def backtest(
    rules: Path | Sequence[Rule],
    readings_path: Path,
    devices_path: Path | None = None,
    *,
    layout: Layout | None = None,
) -> list[Transition]:
    """The transitions of `rules` (loaded, or a file or folder of manifests) over a file of readings.

    Raises SourceError, or an ExceptionGroup of them, for files that are wrong.
    """
    return run(prepare(rules, readings_path, devices_path, layout=layout)).transitions


def prepare(
    rules: Path | Sequence[Rule], readings_path: Path, devices_path: Path | None = None, *, layout: Layout | None = None
) -> Trial:
    """Read and check everything; raises as `backtest` does."""
    recording = read_readings(readings_path, layout)
    documents = read_documents(rules) if isinstance(rules, Path) else []
    devices = read_devices(devices_path) if devices_path is not None else devices_in(documents)
    if isinstance(rules, Path):
        return assemble(documents, recording, devices, file=str(rules))
    return assemble(rules, recording, devices)


def assemble(
    rules: Sequence[Document | Rule], recording: Recording, devices: Sequence[DeviceChanged], *, file: str = ""
) -> Trial:
    """A trial of rules, or of the rules among documents, over what was read already; raises as `backtest` does.

    `file`: where they come from, for errors.
    """
    documents = [one for one in rules if isinstance(one, Document)]
    loaded = [one for one in rules if isinstance(one, Rule)]
    vocabulary = vocabulary_of(recording, devices, documents)
    for rule in loaded:
        vocabulary.check(rule)
    loaded += rules_from(documents, vocabulary)
    if not loaded and (documents or file):
        raise SourceError("no rule in here", cure="write a document with kind: rule", file=file)
    raise_all(list(_products_missing(documents)))
    return Trial(tuple(loaded), recording, tuple(devices))


def run(
    trial: Trial,
    *,
    rows_per_batch: int = ROWS_PER_BATCH,
    tally: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Evaluate; nothing is read or written. `tally` also counts what each rule saw, for `rules.explain`.

    `progress` is told after each batch how many samples are done; what it raises ends the run.
    """
    state = new_state()
    state.kinds.update(trial.recording.kinds)
    observe(state, trial.devices)
    for rule in trial.rules:
        if rule.stage is not Stage.RETIRED:
            activate(state, rule)
    detectors = [detector for track in state.tracks.values() for detector in track.detectors.values()]
    for detector in detectors:
        detector.tally = Tally() if tally else None
    found: list[Transition] = []
    samples = 0
    for batch, transitions in play(state, trial.recording, rows_per_batch=rows_per_batch):
        samples += len(batch.rows)
        found += transitions
        if progress is not None:
            progress(samples)
    found += flush(state)
    found.sort(key=lambda one: (one.at, one.rule, one.device_id, one.episode))
    tallies = {one.rule.name: one.tally for one in detectors if one.tally is not None}
    return Outcome(found, samples, state.late_samples, state, tallies)


def to_line(transition: Transition) -> dict[str, Any]:
    """The keys that `prevenant backtest --json` prints."""
    return {
        "rule": transition.rule,
        "device_id": transition.device_id,
        "episode": transition.episode,
        "state": str(transition.state),
        "at": iso(transition.at),
        "onset": iso(transition.onset),
        "severity": str(transition.severity),
    }


def summary(trial: Trial, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """One row per rule, for a table that people read."""
    for rule in trial.rules:
        mine = [one for one in outcome.transitions if one.rule == rule.name]
        fired = [one for one in mine if one.state is TransitionState.FIRING]
        ended = [one for one in mine if one.state is TransitionState.RESOLVED]
        lasted = sorted((one.at - one.onset).total_seconds() for one in ended)
        yield {
            "rule": rule.name,
            "severity": str(rule.severity),
            "episodes": len(fired),
            "devices": len({one.device_id for one in fired}),
            "resolved": len(ended),
            "open": len(fired) - len(ended),
            "flapping": sum(one.state is TransitionState.FLAPPING for one in mine),
            "first": iso(fired[0].at) if fired else None,
            "last": iso(fired[-1].at) if fired else None,
            "median_duration_s": lasted[len(lasted) // 2] if lasted else None,
        }


def _products_missing(documents: Sequence[Document]) -> Iterator[SourceError]:
    """Rules of a product that is not among those declared beside them; without any, products are not checked."""
    products = [str(each.data.get("name")) for each in documents if each.kind == "product"]
    for document in documents:
        product = document.data.get("product") if document.kind == "rule" else None
        if products and product is not None and product not in products:
            cure = suggest(str(product), products) or f"declared are: {', '.join(products)}"
            yield document.error(f"there is no product {product!r}", at=("product",), cure=cure)


def vocabulary_of(recording: Recording, devices: Sequence[DeviceChanged], documents: Sequence[Document]) -> Vocabulary:
    """Metrics are the readings' own and those that products declare; a name beside these is a mistake."""
    metrics: dict[str, Kind | None] = {}
    for document in documents:
        declared = document.data.get("metrics") if document.kind == "product" else None
        metrics.update(dict.fromkeys(declared if isinstance(declared, Mapping) else ()))
    metrics.update(recording.kinds)
    attributes: dict[str, Kind | None] = {}
    for device in devices:
        for name, value in device.attributes.items():
            attributes.setdefault(name, kind_of(value))
    return Vocabulary(metrics=metrics, attributes=attributes, closed=True)
