"""From moves between states to drafts of rules: one for each state that is not the resting one.

A draft stands for the states at its level and above. It says the same as the model if all states below ask for the same
on the way in and all states within ask for the same on the way out; where they do not, that is noted.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise

from domain.faults import Severity
from rules.iot_events.account import Account
from rules.iot_events.expressions import TRUE, Expr
from rules.iot_events.logic import both, either, exclusive, implies, negated, same
from rules.iot_events.moves import Move, Reader

_HINTS = (
    (re.compile(r"crit|emerg|danger|severe|shutdown|trip", re.IGNORECASE), Severity.CRITICAL),
    (re.compile(r"warn|attention|caution|degrad|low_?battery", re.IGNORECASE), Severity.MINOR),
)


@dataclass(slots=True)
class Draft:
    """A rule to be, still in terms of the model."""

    state: str
    path: str
    states: frozenset[str]
    """All it stands for, waiting states included."""
    above: frozenset[str] = frozenset()
    """The states at its level and above."""
    below: tuple[str, ...] = ()
    """The states that lead up to it."""
    during: frozenset[str] = frozenset()
    """The states in which the rule fires: those above, and where they only wait to be left."""
    leaving: frozenset[str] = frozenset()
    """Waiting states on the way out."""
    family: str = ""
    severity: Severity = Severity.MAJOR
    when: Expr = TRUE
    clear: Expr | None = None
    seconds: int = 0
    keep_seconds: int = 0
    count: int = 0
    refused: str = ""
    """Why there can be no rule."""
    paths: list[str] = field(default_factory=list)
    """The transitions that it expresses."""


def drafts_of(reader: Reader, moves: list[Move], account: Account) -> list[Draft]:
    """Drafts in the order of the file."""
    resting = reader.model.initial
    alarms = [name for name in reader.model.states if name != resting and any(move.target == name for move in moves)]
    found: list[Draft] = []
    for group in _groups(alarms, moves, resting):
        ordered, ladder = _ordered(group, moves, resting)
        for level, name in enumerate(ordered):
            above = frozenset(ordered[level:]) if ladder else frozenset({name})
            below = (resting, *(other for other in alarms if other not in above))
            draft = Draft(name, reader.model.states[name].path, frozenset(), above, below)
            _cross(draft, moves, account)
            draft.severity = _severity(ordered, level, ladder=ladder)
            draft.family = ordered[0] if ladder and len(ordered) > 1 else ""
            found.append(draft)
    order = list(reader.model.states)
    return sorted(found, key=lambda draft: order.index(draft.state))


def _groups(alarms: list[str], moves: list[Move], resting: str) -> list[list[str]]:
    """States that are reached from one another, together."""
    groups: list[set[str]] = [{name} for name in alarms]
    for move in moves:
        if resting in {move.source, move.target}:
            continue
        joined = [group for group in groups if group & {move.source, move.target}]
        groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    return [[name for name in alarms if name in group] for group in groups if group]


def _ordered(group: list[str], moves: list[Move], resting: str) -> tuple[list[str], bool]:
    """From the lowest step up: what asks for more is higher, then what is further from rest, then the file's order.

    And whether that is a ladder: what leads to a step lies within what leads to the one below.
    """
    distance = {resting: 0}
    while grown := {m.target for m in moves if m.source in distance and m.target not in distance}:
        distance.update(dict.fromkeys(grown, max(distance.values()) + 1))

    def entry(name: str) -> Expr:
        into = [m for m in moves if m.target == name and not m.trouble]
        near = min((distance.get(m.source, 99) for m in into), default=0)
        return either([m.when for m in into if distance.get(m.source, 99) == near])

    entries = {name: entry(name) for name in group}
    more = {name: sum(implies(entries[name], entries[o]) for o in group if o != name) for name in group}
    ordered = sorted(group, key=lambda name: (more[name], distance.get(name, 99), group.index(name)))
    return ordered, all(implies(entries[high], entries[low]) for low, high in pairwise(ordered))


def _cross(draft: Draft, moves: list[Move], account: Account) -> None:
    """Both ways over the border between the draft's states and the others."""
    into = [move for move in moves if move.source in draft.below and move.target in draft.above]
    out = [move for move in moves if move.source in draft.above and move.target not in draft.above]
    draft.leaving = frozenset().union(*(move.via for move in out))
    draft.states = draft.above.union(*(move.via for move in (*into, *out)))
    draft.during = draft.above.union(*(move.via for move in moves if move.source in draft.above))
    _enter(draft, moves, into, account)
    if not draft.refused:
        _leave(draft, moves, out, account)


def _enter(draft: Draft, moves: list[Move], into: list[Move], account: Account) -> None:
    usable = [move for move in into if not _trouble(move)]
    for move in into:
        if _trouble(move) and not any(note.path == move.event.path for note in account.notes):
            account.left(
                move.event.path,
                f"the way from {move.source} ({move.event.text}): {_trouble(move)}",
                state=draft.state,
                at="when",
            )
    if not usable:
        draft.refused = _trouble(into[0]) if into else "no transition leads here from a state below"
        return
    shape = (usable[0].seconds, usable[0].count)
    chosen = [move for move in usable if (move.seconds, move.count) == shape]
    for move in usable:
        draft.paths.append(move.event.path)
        if move not in chosen:
            account.left(
                move.event.path, f"the way from {move.source} takes another time or count", state=draft.state, at="when"
            )
    asked = {source: _asked(draft, moves, chosen, source, account) for source in draft.below}
    draft.seconds, draft.count = shape
    draft.when = either([each for each in asked.values() if each is not None])
    for source, each in asked.items():
        if each is None:
            _skipped(draft, moves, source, account)
        elif not same(each, draft.when):
            account.differs(
                draft.path, f"there {source} led here on a condition of its own; here any of them does",
                state=draft.state, at="when",
            )  # fmt: skip


def _trouble(move: Move) -> str:
    if move.trouble:
        return move.trouble
    if move.asked.timers:
        return f"the timer {move.asked.timers[0]} is neither `for`, nor `keep_firing_for`, nor silence"
    return "every message leads on, whatever its values" if move.when == TRUE else ""


def _asked(draft: Draft, moves: list[Move], chosen: list[Move], source: str, account: Account) -> Expr | None:
    """What leads from `source` across the border; transitions before it come first if both hold."""
    found: list[Expr] = []
    before: list[Move] = []
    inside = source in draft.above
    for move in moves:
        if move.source != source:
            continue
        if move not in chosen:
            if (move.target in draft.above) is inside or _trouble(move):
                before.append(move)
            continue
        rivals = [each for each in before if not exclusive(each.when, move.when)]
        found.append(both([move.when, *(negated(each.when) for each in rivals if _plain(each))]))
        for each in rivals:
            if not _plain(each):
                account.differs(
                    each.event.path, f"there {each.target} came first when {each.event.text}",
                    state=draft.state, at="clear" if inside else "when",
                )  # fmt: skip
    return either(found) if found else None


def _plain(move: Move) -> bool:
    return not _trouble(move) and not move.seconds and move.count < 2


def _skipped(draft: Draft, moves: list[Move], source: str, account: Account) -> None:
    """`source` leads here only by another state: a step later there, or never."""
    steps = [m for m in moves if m.source == source and m.target not in draft.above and not _trouble(m)]
    if any(implies(draft.when, move.when) for move in steps):
        account.differs(
            draft.path, f"there {source} led here by another state, with one message more; here at once",
            state=draft.state, at="when",
        )  # fmt: skip
    elif source != draft.below[0]:
        account.differs(draft.path, f"there not while in {source}; here always", state=draft.state, at="when")
    else:
        draft.refused = f"it follows only on another state than {source}: a rule knows no sequence"


def _leave(draft: Draft, moves: list[Move], out: list[Move], account: Account) -> None:
    usable = [move for move in out if not _trouble(move)]
    for move in out:
        if _trouble(move) and not any(note.path == move.event.path for note in account.notes):
            account.left(
                move.event.path, f"the way back ({move.event.text}): {_trouble(move)}", state=draft.state, at="clear"
            )
    if not usable:
        account.differs(
            draft.path, "no way back that a rule can say: here it ends when the condition no longer holds",
            state=draft.state, at="clear",
        )  # fmt: skip
        return
    draft.keep_seconds = usable[0].seconds
    for move in usable:
        draft.paths.append(move.event.path)
        if move.count > 1:
            account.differs(
                move.event.path,
                f"there the end took {move.count} messages in a row, here the first: "
                f"write keep_firing_for with {move.count - 1} times what lies between two messages",
                state=draft.state, at="clear",
            )  # fmt: skip
        if move.seconds != draft.keep_seconds:
            account.differs(
                move.event.path, f"there this way back took {move.seconds} s", state=draft.state, at="keep_firing_for"
            )
    asked = {source: _asked(draft, moves, usable, source, account) for source in sorted(draft.above)}
    clear = either([each for each in asked.values() if each is not None])
    for source, each in asked.items():
        if each is None:
            clear = _stepwise(draft, moves, source, clear, account)
        elif not same(each, clear):
            account.differs(
                draft.path, f"there {source} was left on a condition of its own; here any of them ends it",
                state=draft.state, at="clear",
            )  # fmt: skip
    draft.clear = clear


def _stepwise(draft: Draft, moves: list[Move], source: str, clear: Expr, account: Account) -> Expr:
    """`source` is left only by another state of the draft."""
    steps = [m.when for m in moves if m.source == source and m.target in draft.above and not _trouble(m)]
    account.differs(
        draft.path, f"there {source} was left by another state, with one message more; here at once",
        state=draft.state, at="clear",
    )  # fmt: skip
    if not steps or any(implies(clear, each) for each in steps):
        return clear
    return both([clear, either(steps)])


def _severity(ordered: list[str], level: int, *, ladder: bool) -> Severity:
    """Detector models have none: what the state's name suggests, else its place on the ladder, else major."""
    for pattern, severity in _HINTS:
        if pattern.search(ordered[level]):
            return severity
    if len(ordered) == 1 or not ladder:
        return Severity.MAJOR
    steps = (Severity.MINOR, Severity.MAJOR, Severity.CRITICAL)
    return steps[level] if len(ordered) == 2 else steps[max(level + 3 - len(ordered), 0)]
