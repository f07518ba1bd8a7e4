"""Why a rule did not fire in a back-test, in sentences."""

from collections.abc import Iterator

from domain.clock import from_ms, iso
from domain.faults import Stage, TransitionState
from rules.backtest import Outcome, Trial
from rules.machine import FALSE, TRUE, UNKNOWN
from rules.model import Missing, Rule
from rules.tally import Tally


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
        return
    yield from _absent(rule, trial, tally)
    seen = sum(tally.truth.values())
    if not seen:
        yield "it saw no sample: none holds a new reading of a metric that it names"
    elif not tally.truth[TRUE]:
        false, unknown = tally.truth[FALSE], tally.truth[UNKNOWN]
        yield f"`when` was never TRUE: FALSE on {false} and UNKNOWN on {unknown} of {seen} samples"
    else:
        yield from _too_short(rule, outcome, tally, seen)


def _nobody(rule: Rule, trial: Trial) -> str:
    known = len(trial.recording.device_ids)
    asked = f"applies_to: {rule.applies_to}" if rule.applies_to else f"product: {rule.product}"
    told = "" if trial.devices else "; no device has attributes here: give them with --devices"
    return f"it applies to none of the {known} devices ({asked}){told}"


def _absent(rule: Rule, trial: Trial, tally: Tally) -> Iterator[str]:
    signals = {signal.name: signal for signal in rule.signals}
    for name, blank in sorted(tally.blank.items()):
        if not name or blank < tally.points or not tally.points:
            continue
        if name in signals:
            of = ", ".join(signals[name].metrics) or signals[name].expr
            yield f"signal {name} ({signals[name].op} of {of}) never had a value: not enough readings in its window"
        elif name in trial.recording.kinds:
            within = _long(rule.join_within_ms)
            yield f"{name} was never there on a sample that the rule sees (join_within is {within})"
        else:
            yield f"{name} was never there: no reading and no device attribute has that name"


def _too_short(rule: Rule, outcome: Outcome, tally: Tally, seen: int) -> Iterator[str]:
    if rule.count is not None:
        yield (
            f"`when` was TRUE on {tally.truth[TRUE]} of {seen} samples, "
            f"but not on {rule.count.n} of {rule.count.of} in a row for {_long(rule.for_ms)}"
        )
        return
    longest = tally.longest
    if longest is None:
        return
    device_id = outcome.state.devices.device(longest.slot).device_id
    yield (
        f"`when` was TRUE on {tally.truth[TRUE]} of {seen} samples, at the longest for "
        f"{_long(longest.length_ms)} without a FALSE one (device {device_id} from "
        f"{iso(from_ms(longest.first))}), and `for` asks for {_long(rule.for_ms)}"
    )
    if rule.max_gap_ms is not None:
        yield f"a hole longer than max_gap {_long(rule.max_gap_ms)} starts `for` anew"
    if rule.missing is Missing.HOLD and tally.truth[UNKNOWN]:
        yield f"{tally.truth[UNKNOWN]} samples were UNKNOWN and are passed over (missing: hold)"


def _long(ms: int) -> str:
    """A length of time as rules write it."""
    rest, parts = ms, []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        many, rest = divmod(rest, size)
        parts += [f"{many}{unit}"] if many else []
    parts += [f"{rest / 1000:g}s"] if rest or not parts else []
    return "".join(parts)
