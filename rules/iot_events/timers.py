"""Timers: a state that only waits is `for` or `keep_firing_for`; one that every message restarts is silence."""

from dataclasses import dataclass, replace
from itertools import chain

from rules.iot_events.account import Account
from rules.iot_events.expressions import TRUE, Expr, Input, walk
from rules.iot_events.logic import both, either, implies, opposite
from rules.iot_events.models import Event
from rules.iot_events.moves import Asked, Move, Reader, setters

_START = ("setTimer",)
_RESTART = ("resetTimer", "setTimer")


@dataclass(frozen=True, slots=True)
class Silence:
    """A state that is entered when nothing came for a time."""

    state: str
    seconds: int
    of: str | None
    """A metric's input path, with dots; None: the device."""
    path: str


def take_silences(reader: Reader, moves: list[Move], account: Account) -> tuple[list[Silence], list[Move]]:
    """The states entered by silence, and the moves that are left without them."""
    found: list[Silence] = []
    left = moves
    for state in reader.model.states:
        into = [move for move in left if move.target == state]
        if state == reader.model.initial or not into or not all(_is_silence(reader, move) for move in into):
            continue
        spans = {span for move in into for span in _spans(reader, move)}
        if len(spans) != 1 or None in spans:
            for move in into:
                account.left(move.event.path, "silence of a length that is not always the same", state=state)
            continue
        out = [move for move in left if move.source == state]
        found.append(Silence(state, int(spans.pop() or 0), _of(reader, into, account, state), into[0].event.path))
        _settle_silence(reader, into, out, account, state)
        left = [move for move in left if move not in into and move not in out]
    return found, left


def _is_silence(reader: Reader, move: Move) -> bool:
    """A timeout that every message puts off."""
    asked = move.asked
    if len(asked.timers) != 1 or asked.when != TRUE or asked.thresholds or move.trouble:
        return False
    restarts = _restarts(reader, move)
    return bool(restarts) and all(reader.asked(event).when == TRUE for event in restarts)


def _restarts(reader: Reader, move: Move) -> list[Event]:
    events = reader.model.states[move.source].on_input
    return [event for event in events if any(setters(event, _RESTART, move.asked.timers[0]))]


def _spans(reader: Reader, move: Move) -> set[int | None]:
    timer = move.asked.timers[0]
    every = chain.from_iterable(setters(event, _START, timer) for event in reader.model.events())
    return {reader.seconds(action) for action in every} or {None}


def _of(reader: Reader, into: list[Move], account: Account, state: str) -> str | None:
    """Whose silence: that of one input, if the model has several and asks for one."""
    asked = {name for move in into for event in _restarts(reader, move) for name in reader.asked(event).inputs}
    if not asked or len(reader.inputs) < 2:
        return None
    nodes = chain.from_iterable(walk(event.condition) for event in reader.model.events())
    paths = sorted({".".join(n.path) for n in nodes if isinstance(n, Input) and n.name in asked and n.path})
    names = ", ".join(sorted(asked))
    if not paths:
        account.differs(into[0].event.path, f"silence of the input {names}: here of the device", state=state, at="when")
        return None
    account.differs(
        into[0].event.path, f"silence of the input {names}: here of its metric {paths[0]}", state=state, at="when"
    )
    return paths[0]


def _settle_silence(reader: Reader, into: list[Move], out: list[Move], account: Account, state: str) -> None:
    for move in into:
        account.settle(move.event.path)
        timer = move.asked.timers[0]
        source = reader.model.states[move.source]
        for event in reader.model.events():
            account.settle(*(action.path for action in setters(event, (*_RESTART, "clearTimer"), timer)))
        for event in source.on_enter:
            if any(setters(event, _START, timer)) and reader.asked(event).when != TRUE:
                account.differs(event.path, f"the timer ran only after {event.text}", state=state, at="when")
        if move.source != reader.model.initial:
            account.differs(
                move.event.path, f"there silence ended {move.source}; here its rule stays open", state=state
            )
    for move in out:
        if move.when == TRUE and not move.asked.timers and not move.asked.thresholds and not move.trouble:
            account.settle(move.event.path)
        else:
            account.differs(move.event.path, f"there it ended only when {move.event.text}", state=state, at="clear")


def collapse_waits(reader: Reader, moves: list[Move], account: Account) -> list[Move]:
    """States that only wait become the time that a move takes."""
    left = moves
    for state in reader.model.states:
        wait = _wait(reader, left, state)
        if wait is None or state == reader.model.initial:
            continue
        into, back, out = wait
        seconds = _wait_seconds(reader, into, out, state)
        if seconds is None:
            continue
        when = either([move.when for move in into])
        _tell_wait(when, back, out, account)
        _tell_deaf(reader, left, into, out, account)
        _settle_wait(reader, into, back, out, account)
        if not implies(when, out.when):
            when = both([when, out.when])
        asked = Asked(when, inputs=into[0].asked.inputs)
        whole = replace(into[0], target=out.target, asked=asked, seconds=seconds, via=frozenset({state}))
        # In the place of the first: the order of transitions decides between two that hold.
        left = [whole if move is into[0] else move for move in left]
        left = [move for move in left if move not in into and move not in back and move is not out]
    return left


def _wait(reader: Reader, moves: list[Move], state: str) -> tuple[list[Move], list[Move], Move] | None:
    """The moves into a waiting state, back to where they came from, and on."""
    into = [move for move in moves if move.target == state]
    out = [move for move in moves if move.source == state]
    timed = [move for move in out if move.asked.timers]
    back = [move for move in out if not move.asked.timers]
    sources = {move.source for move in into}
    if len(timed) != 1 or len(sources) != 1 or timed[0].target in {state, *sources}:
        return None
    if any(move.trouble or move.seconds or move.asked.thresholds or move.asked.timers for move in (*into, *back)):
        return None
    if timed[0].trouble or timed[0].asked.thresholds or any(move.target not in sources for move in back):
        return None
    timer = timed[0].asked.timers[0]
    touched = any(
        any(setters(event, (*_RESTART, "clearTimer"), timer)) for event in reader.model.states[state].on_input
    )
    return None if touched else (into, back, timed[0])


def _wait_seconds(reader: Reader, into: list[Move], out: Move, state: str) -> int | None:
    """The timer's length, if it is set whenever the state is entered."""
    timer = out.asked.timers[0]
    entered = [event for event in reader.model.states[state].on_enter if event.condition == TRUE]
    at_entry = [action for event in entered for action in setters(event, _START, timer)]
    at_moves = [list(setters(move.event, _START, timer)) for move in into]
    chosen = at_entry or ([each for found in at_moves for each in found] if all(at_moves) else [])
    spans = {reader.seconds(action) for action in chosen}
    return spans.pop() if len(spans) == 1 else None


def _tell_wait(when: Expr, back: list[Move], out: Move, account: Account) -> None:
    going = either([move.when for move in back])
    if not back:
        account.differs(
            out.event.path,
            f"there {out.source} went on to {out.target} whatever came; here the condition must hold throughout",
            state=out.source,
            at="for",
        )
    elif not opposite(going, when):
        account.differs(
            back[0].event.path,
            f"there waiting ended when {' or '.join(move.event.text for move in back)}; "
            "here it ends as soon as the condition no longer holds",
            state=out.source,
            at="for",
        )


def _tell_deaf(reader: Reader, moves: list[Move], into: list[Move], out: Move, account: Account) -> None:
    """While it waited, a detector did not judge what else could lead on."""
    source, initial = into[0].source, reader.model.initial
    others = sorted({m.target for m in moves if m.source == source and m.target not in {out.source, out.target}})
    for owner in {source, *others, out.target} - {initial} if others else ():
        account.differs(
            reader.model.states[out.source].path,
            f"there {source} could not go on to {', '.join(others)} while {out.source} waited; here it can",
            state=owner,
            at="for",
        )


def _settle_wait(reader: Reader, into: list[Move], back: list[Move], out: Move, account: Account) -> None:
    for move in (*into, *back, out):
        account.settle(move.event.path)
    timer = out.asked.timers[0]
    for event in reader.model.events():
        account.settle(*(action.path for action in setters(event, (*_START, "clearTimer"), timer)))
