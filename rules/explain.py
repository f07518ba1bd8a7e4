"""Why a rule did not fire in a back-test, in sentences that the author of a first rule understands."""

from collections.abc import Iterator

from domain.clock import from_ms, iso
from domain.errors import SourceError
from domain.faults import Stage, TransitionState
from domain.telemetry import DeviceChanged
from rules.backtest import Outcome, Trial
from rules.devices import DEVICE_ID
from rules.expressions import parse
from rules.grounds import Row, names_in
from rules.machine import FALSE, TRUE, UNKNOWN
from rules.model import Missing, Rule
from rules.probes import Probe
from rules.tally import Stretch, Tally
from rules.wording import number

EXAMPLES = 3
"""Devices that are named one by one."""


def explain(trial: Trial, outcome: Outcome) -> dict[str, list[str]]:
    """Reasons by rule, for the rules that did not fire. `outcome` must come from `run(trial, tally=True)`."""
    fired = {one.rule for one in outcome.transitions if one.state is TransitionState.FIRING}
    return {rule.name: list(_reasons(rule, trial, outcome)) for rule in trial.rules if rule.name not in fired}


def _reasons(rule: Rule, trial: Trial, outcome: Outcome) -> Iterator[str]:
    if rule.stage is Stage.RETIRED:
        yield "its stage is retired, so it was not evaluated"
        return
    tally = outcome.tallies[rule.name]
    if not tally.devices:
        yield _nobody(rule, trial)
        yield from _outsiders(rule, trial, tally, outcome)
        return
    yield from _outsiders(rule, trial, tally, outcome)
    yield from _absent(rule, trial, tally)
    seen = sum(tally.truth.values())
    if not seen:
        yield "it saw no sample: none holds a new reading of a metric that it names"
    elif not tally.truth[TRUE]:
        false, unknown = tally.truth[FALSE], tally.truth[UNKNOWN]
        yield f"`when` was never TRUE: FALSE on {false} and UNKNOWN on {unknown} of {seen} samples"
        yield from _nearest(rule, tally, outcome)
    else:
        yield from _too_short(rule, outcome, tally, seen)
    if outcome.late_samples:
        yield (
            f"{_samples(outcome.late_samples)} of the file came later than `lateness` {_long(rule.lateness_ms)} "
            "allows and changed nothing"
        )
    if rule.stage is Stage.DRAFT:
        yield "its stage is draft: the back-test evaluates it all the same, the engine would not"


def _nobody(rule: Rule, trial: Trial) -> str:
    known = len(trial.recording.device_ids)
    asked = f"applies_to: {rule.applies_to}" if rule.applies_to else f"product: {rule.product}"
    told = "" if trial.devices else "; no device has attributes here: give them with --devices"
    return f"it applies to none of the {known} devices ({asked}){told}"


def _outsiders(rule: Rule, trial: Trial, tally: Tally, outcome: Outcome) -> Iterator[str]:
    """Devices of the recording to which the rule does not apply, and why not."""
    applies = {outcome.state.devices.device(slot).device_id for slot in tally.devices}
    known = {device.device_id: device for device in trial.devices}
    outside = [device_id for device_id in trial.recording.device_ids if device_id not in applies]
    reasons = [
        f"{device_id} ({reason})"
        for device_id in outside
        if (reason := _why_not(rule, known.get(device_id) or DeviceChanged(device_id, "", {}, 0)))
    ]
    if not reasons:
        return
    more = f" and {len(reasons) - EXAMPLES} more" if len(reasons) > EXAMPLES else ""
    of = len(trial.recording.device_ids)
    yield f"it does not apply to {len(reasons)} of {of} devices: {', '.join(reasons[:EXAMPLES])}{more}"


def _why_not(rule: Rule, device: DeviceChanged) -> str:
    """Empty for a device to which it would apply, had the rule seen anything of it."""
    if rule.product and device.product and rule.product != device.product:
        return f"product is {device.product}, not {rule.product}"
    if not rule.applies_to:
        return ""
    condition = parse(rule.applies_to)
    try:
        row = Row.of(condition, {**device.attributes, DEVICE_ID: device.device_id})
    except SourceError as exc:
        return exc.problem
    if row.truth() is True:
        return ""
    names = dict.fromkeys(name for part in row.grounds() for name in names_in(part))
    said = (f"{name} is {row.values[name]!r}" if name in row.values else f"{name} is not set" for name in names)
    return ", ".join(said) or "applies_to is never TRUE"


def _absent(rule: Rule, trial: Trial, tally: Tally) -> Iterator[str]:
    signals = {signal.name: signal for signal in rule.signals}
    for name, blank in sorted(tally.blank.items()):
        if not name or not blank or not tally.points:
            continue
        if blank < tally.points:
            share = number(100 * blank / tally.points, "en")
            yield f"{name} was NULL on {blank} of {_samples(tally.points)} ({share} %), {_hint(name, rule)}"
        elif name in signals:
            of = ", ".join(signals[name].metrics) or signals[name].expr
            yield f"signal {name} ({signals[name].op} of {of}) never had a value: not enough readings in its window"
        elif name in trial.recording.kinds:
            within = _long(rule.join_within_ms)
            yield f"{name} was never there on a sample that the rule sees (join_within is {within})"
        else:
            yield f"{name} was never there: no reading and no device attribute has that name"


def _hint(name: str, rule: Rule) -> str:
    if name in {signal.name for signal in rule.signals}:
        return "while its window held too few readings"
    return f"where its last reading was older than join_within {_long(rule.join_within_ms)}, or had not come yet"


def _nearest(rule: Rule, tally: Tally, outcome: Outcome) -> Iterator[str]:
    """How near each part of `when` came, those first that never held."""
    parts = tally.probes or []
    never = [part for part in parts if not part.counts[TRUE]]
    for part in never:
        yield from _part(part, rule, outcome)
    if parts and not never:
        counts = ", ".join(f"`{part.text}` on {part.counts[TRUE]}" for part in parts)
        yield f"each part was TRUE on some samples, but never all that it takes at once: {counts}"


def _part(part: Probe, rule: Rule, outcome: Outcome) -> Iterator[str]:
    if part.nearest is not None:
        near = part.nearest
        device_id = outcome.state.devices.device(near.slot).device_id
        left = number(near.left, "en", beside=near.right)
        right = number(near.right, "en", beside=near.left)
        yield (
            f"`{part.text}` was never TRUE: nearest was {part.left} = {left} against {right} "
            f"(device {device_id}, {iso(from_ms(near.at))})"
        )
    elif part.counts[FALSE]:
        yield f"`{part.text}` was never TRUE: FALSE on {part.counts[FALSE]} samples"
    elif part.counts[UNKNOWN]:
        what = {Missing.HOLD: "passes such samples over", Missing.OK: "takes that for FALSE"}.get(rule.missing, "")
        names = " and ".join(part.names)
        yield f"`{part.text}` was always UNKNOWN, because {names} had no value; missing: {rule.missing} {what}".rstrip()


def _too_short(rule: Rule, outcome: Outcome, tally: Tally, seen: int) -> Iterator[str]:
    if rule.count is not None:
        lasting = f", kept up for {_long(rule.for_ms)}" if rule.for_ms else ""
        yield (
            f"`when` was TRUE on {tally.truth[TRUE]} of {seen} samples, but `count` asks for {rule.count.n} of "
            f"{rule.count.of} samples in a row{lasting}"
        )
        return
    longest = tally.longest
    if longest is None:
        return
    yield (
        f"`when` was TRUE on {tally.truth[TRUE]} of {seen} samples, at the longest for "
        f"{_long(longest.length_ms)} without a FALSE one (device {_device(longest, outcome)} from "
        f"{iso(from_ms(longest.first))}), and `for` asks for {_long(rule.for_ms)}"
        f": {_long(max(0, rule.for_ms - longest.length_ms))} short"
    )
    if rule.max_gap_ms is not None:
        yield f"a hole longer than max_gap {_long(rule.max_gap_ms)} starts `for` anew"
    if rule.missing is Missing.HOLD and tally.truth[UNKNOWN]:
        yield f"{tally.truth[UNKNOWN]} samples were UNKNOWN and are passed over (missing: hold)"


def _device(stretch: Stretch, outcome: Outcome) -> str:
    return outcome.state.devices.device(stretch.slot).device_id


def _samples(count: int) -> str:
    return f"{count} sample{'' if count == 1 else 's'}"


def _long(ms: int) -> str:
    """A length of time as rules write it."""
    rest, parts = ms, []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        many, rest = divmod(rest, size)
        parts += [f"{many}{unit}"] if many else []
    parts += [f"{rest / 1000:g}s"] if rest or not parts else []
    return "".join(parts)
