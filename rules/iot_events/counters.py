"""Counters: a variable that steps while a condition holds and starts anew when it does not is `count: {n, of: n}`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rules.iot_events.account import Account
from rules.iot_events.expressions import TRUE, Binary, Expr, Literal, Variable
from rules.iot_events.logic import opposite, same
from rules.iot_events.models import Action, Event
from rules.iot_events.moves import Asked, Move, Reader, Threshold, value_of

_MOST = 10_000
_UNNAMED = "a counter that is not understood: it must step by one on one condition and start anew on the opposite"


@dataclass(frozen=True, slots=True)
class _Counter:
    """How a variable moves while its state lasts."""

    step: int
    stepping: Event
    again: Event | None
    """Where it starts anew."""
    anew: float
    start: float


def count_moves(reader: Reader, moves: list[Move], account: Account) -> list[Move]:
    """Moves that ask for a counter, as moves that ask for their condition some times in a row."""
    return [_counted(reader, moves, move, account) if move.asked.thresholds else move for move in moves]


def _counted(reader: Reader, moves: list[Move], move: Move, account: Account) -> Move:
    threshold = move.asked.thresholds[0]
    counter = _counter(reader, moves, move.source, threshold.variable)
    if counter is None or move.trouble or move.asked.timers:
        return replace(move, trouble=move.trouble or f"the variable {threshold.variable}: {_UNNAMED}")
    stepping = reader.asked(counter.stepping)
    bare = move.when == TRUE
    if stepping.trouble or not (bare or same(move.when, stepping.when)):
        return replace(
            move, trouble=f"the variable {threshold.variable} counts something else than the transition asks"
        )
    n = _needed(threshold, counter, serial=reader.model.serial or bare)
    if n is None:
        return replace(move, trouble=f"the variable {threshold.variable} never gets there")
    if bare and not reader.model.serial:
        account.differs(
            move.event.path, f"there {move.target} came with the message after the last counted one",
            state=move.target, at="count",
        )  # fmt: skip
    _tell(reader, counter, stepping.when, move, account)
    if any(other.source == move.source and (other.via or other.target == move.source) for other in moves):
        account.differs(
            counter.stepping.path, f"there counting began anew whenever {move.source} was entered again",
            state=move.target, at="count",
        )  # fmt: skip
    _settle(reader, moves, move, threshold.variable, account)
    return replace(move, asked=Asked(stepping.when, inputs=move.asked.inputs), count=n)


def _counter(reader: Reader, moves: list[Move], state: str, variable: str) -> _Counter | None:
    stepping: list[tuple[Event, int]] = []
    again: list[tuple[Event, float]] = []
    for event in reader.model.states[state].on_input:
        for action in _sets(event, variable):
            value = value_of(action)
            step = _step(value, variable)
            if step:
                stepping.append((event, step))
            elif (number := _number(value)) is not None:
                again.append((event, number))
            else:
                return None
    start = _start(reader, moves, state, variable)
    if len(stepping) != 1 or len(again) > 1 or start is None:
        return None
    event, step = stepping[0]
    return _Counter(step, event, again[0][0] if again else None, again[0][1] if again else start, start)


def _start(reader: Reader, moves: list[Move], state: str, variable: str) -> float | None:
    """What the variable is when the state begins; None if that is not always the same."""
    entered = _entry(reader, state, variable)
    if entered is not None:
        return entered
    values: set[float | None] = set()
    for move in moves:
        if move.target != state:
            continue
        before = _entry(reader, move.source, variable)
        touched = any(True for event in reader.model.states[move.source].on_input for _ in _sets(event, variable))
        found = [
            _evaluated(value_of(action), variable, None if touched else before)
            for action in _sets(move.event, variable)
        ]
        values.add(found[-1] if found else None)
    return values.pop() if len(values) == 1 and state != reader.model.initial else None


def _entry(reader: Reader, state: str, variable: str) -> float | None:
    """What entering a state sets it to."""
    found = [
        _number(value_of(action))
        for event in reader.model.states[state].on_enter
        if event.condition == TRUE
        for action in _sets(event, variable)
    ]
    return found[-1] if found else None


def _evaluated(value: Expr | None, variable: str, before: float | None) -> float | None:
    step = _step(value, variable)
    if step:
        return None if before is None else before + step
    return _number(value)


def _sets(event: Event, variable: str) -> Iterator[Action]:
    return (action for action in event.actions if action.kind == "setVariable" and action.variable == variable)


def _step(value: Expr | None, variable: str) -> int:
    """`$variable.n + 1` is 1; 0 for anything else."""
    match value:
        case Binary("+" | "-" as sign, Variable(name), Literal(int(size))) if name == variable:
            return size if sign == "+" else -size
        case _:
            return 0


def _number(value: Expr | None) -> float | None:
    if isinstance(value, Literal) and isinstance(value.value, (int, float)) and not isinstance(value.value, bool):
        return float(value.value)
    return None


def _needed(threshold: Threshold, counter: _Counter, *, serial: bool) -> int | None:
    """How many messages in a row it takes. In BATCH a condition sees the variable as it was before its own message."""
    for n in range(1, _MOST + 1):
        value = counter.anew + counter.step * (n if serial else n - 1)
        if _met(threshold, value):
            return n
    return None


def _met(threshold: Threshold, value: float) -> bool:
    return {
        "<": value < threshold.value,
        "<=": value <= threshold.value,
        ">": value > threshold.value,
        ">=": value >= threshold.value,
        "==": value == threshold.value,
    }[threshold.operator]


def _tell(reader: Reader, counter: _Counter, when: Expr, move: Move, account: Account) -> None:
    state = move.target
    if counter.again is None:
        account.differs(
            counter.stepping.path, f"there it counted all in {move.source}, with others between; here in a row",
            state=state, at="count",
        )  # fmt: skip
    elif not opposite(reader.asked(counter.again).when, when):
        account.differs(
            counter.again.path, f"there counting began anew when {counter.again.text}; here whenever it is not met",
            state=state, at="count",
        )  # fmt: skip
    if counter.start != counter.anew:
        account.differs(
            counter.stepping.path, f"there the first row began at {counter.start:g}, later ones at {counter.anew:g}",
            state=state, at="count",
        )  # fmt: skip


def _settle(reader: Reader, moves: list[Move], move: Move, variable: str, account: Account) -> None:
    source = reader.model.states[move.source]
    events = [*source.on_enter, *source.on_input, *source.on_exit, *(m.event for m in moves if m.target == move.source)]
    # Where this state begins it may have been set already by the one before.
    events += [event for m in moves if m.target == move.source for event in reader.model.states[m.source].on_enter]
    if all(m.source == move.source for m in moves if m.asked.thresholds and m.asked.thresholds[0].variable == variable):
        events = list(reader.model.events())
    for event in events:
        account.settle(*(action.path for action in _sets(event, variable)))
