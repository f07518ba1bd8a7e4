"""The states of one rule on one device (CONTRACT.md, States): plain Python, entered only by devices that are not well.

Time runs along spans: stretches of samples on which `when` and `clear` do not change, so that the machine can jump to
the sample that matters instead of stepping over all.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.faults import EpisodeState, TransitionState
from rules.model import Rule

TRUE, FALSE, UNKNOWN = 1, 0, -1

NORMAL, PENDING = EpisodeState.NORMAL, EpisodeState.PENDING
FIRING, RECOVERING = EpisodeState.FIRING, EpisodeState.RECOVERING


class Span(NamedTuple):
    """Samples in order, all with the same truth; no hole longer than `max_gap` among those that count."""

    times: Sequence[int]
    when: int
    """UNKNOWN only where `missing: hold` leaves it so: then the samples count for a `clear` of the rule's own alone."""
    clear: int
    """Of the rule's own `clear`; ignored where it has none."""
    point: int
    """Where the first of the samples stands in the evaluated frame."""


class Step(NamedTuple):
    """What the world is told: sample `offset` of the span made it."""

    state: TransitionState
    offset: int
    episode: int
    onset: int


class _Stretch(NamedTuple):
    """Samples `start` to `end` of a span, on which the condition (with its `count`) does not change either."""

    span: Span
    end: int
    holds: bool
    clear: int


@dataclass(slots=True)
class Machine:
    """Where one rule stands on one device. A machine that was never moved is NORMAL."""

    episode: int = 0
    """The last episode's number."""
    state: EpisodeState = NORMAL
    onset: int = 0
    """Of the last episode."""
    pending: int = 0
    """Since when the condition holds, while PENDING."""
    cleared: int = 0
    """Since when `clear` is TRUE, while RECOVERING."""
    last: int = 0
    """Time of the last sample that counted, while PENDING."""
    window: deque[bool] = field(default_factory=deque)
    """With `count`: whether `when` was TRUE, for the last samples."""
    changes: deque[int] = field(default_factory=deque)
    """With `flapping`: times of the changes between firing and resolved, withheld ones too."""
    flapping: bool = False
    """The episode stays open whatever `state` says, which follows the condition on its own."""

    @property
    def open(self) -> bool:
        """Whether an episode has fired and is not over."""
        return self.flapping or self.state in (FIRING, RECOVERING)

    @property
    def idle(self) -> bool:
        """Nothing here that a new machine with the same episode number would not do as well."""
        return self.state is NORMAL and not (self.flapping or self.changes or any(self.window))

    def advance(self, span: Span, rule: Rule) -> list[Step]:
        """Take the span's samples one after the other, in effect."""
        steps: list[Step] = []
        at, end, when = 0, len(span.times), span.when == TRUE
        if rule.count is None or span.when == UNKNOWN:
            clear = span.clear if rule.clear is not None else _negation(span.when)
            while at < end:
                at = self._walk(_Stretch(span, end, when, clear), at, rule, steps)
            return steps
        same = 0
        while at < end:
            self._count(rule.count.of, when=when)
            same += 1
            holds = sum(self.window) >= rule.count.n
            clear = span.clear if rule.clear is not None else int(not holds)
            stop = end if same >= rule.count.of else at + 1  # a window that is all alike stays so
            at = self._walk(_Stretch(span, stop, holds, clear), at, rule, steps)
            same = same if self.window else 0
        return steps

    def _count(self, size: int, *, when: bool) -> None:
        self.window.append(when)
        while len(self.window) > size:
            self.window.popleft()

    def _walk(self, stretch: _Stretch, start: int, rule: Rule, steps: list[Step]) -> int:
        """Walk the samples from `start` on; returns the first not taken: the end, or where a window was emptied."""
        at, times = start, stretch.span.times
        if self.state is PENDING and stretch.span.when != UNKNOWN:
            self._mind_gap(times[at], rule)
        while at < stretch.end:
            before = self.state
            if self.flapping and self._calm(stretch, at, rule, steps):
                moved = at + 1
            elif before is NORMAL:
                moved = self._from_normal(stretch, at, rule, steps)
            elif before is PENDING:
                moved = self._from_pending(stretch, at, rule, steps)
            elif before is FIRING:
                moved = self._from_firing(stretch, at, rule, steps)
            else:
                moved = self._from_recovering(stretch, at, rule, steps)
            if self.state is PENDING and stretch.span.when != UNKNOWN:
                self.last = times[moved - 1]
            at = moved
            if rule.count is not None and self.state is NORMAL and not self.window:
                break
        return at

    def _mind_gap(self, moment: int, rule: Rule) -> None:
        if rule.max_gap_ms is not None and moment - self.last > rule.max_gap_ms:
            self.pending = moment

    def _from_normal(self, stretch: _Stretch, at: int, rule: Rule, steps: list[Step]) -> int:
        if not (stretch.holds and stretch.span.when == TRUE):
            return self._skip(stretch, at)
        self.state, self.pending = PENDING, stretch.span.times[at]
        if rule.for_ms == 0:
            self._fire(stretch.span, at, rule, steps)
        return at + 1

    def _from_pending(self, stretch: _Stretch, at: int, rule: Rule, steps: list[Step]) -> int:
        if stretch.span.when == UNKNOWN:
            return self._skip(stretch, at)
        if not stretch.holds:
            self.state = NORMAL
            return at + 1
        due = self._first(stretch, self.pending + rule.for_ms, at)
        if due >= stretch.end or stretch.span.when != TRUE:
            return self._skip(stretch, at)
        self._fire(stretch.span, due, rule, steps)
        return due + 1

    def _from_firing(self, stretch: _Stretch, at: int, rule: Rule, steps: list[Step]) -> int:
        if stretch.clear != TRUE:
            return self._skip(stretch, at)
        self.state, self.cleared = RECOVERING, stretch.span.times[at]
        if rule.keep_firing_for_ms == 0:
            self._resolve(stretch.span, at, rule, steps)
        return at + 1

    def _from_recovering(self, stretch: _Stretch, at: int, rule: Rule, steps: list[Step]) -> int:
        if stretch.clear == UNKNOWN:
            return self._skip(stretch, at)
        if stretch.clear == FALSE:
            self.state = FIRING
            return at + 1
        due = self._first(stretch, self.cleared + rule.keep_firing_for_ms, at)
        if due >= stretch.end:
            return self._skip(stretch, at)
        self._resolve(stretch.span, due, rule, steps)
        return due + 1

    def _skip(self, stretch: _Stretch, at: int) -> int:
        """Nothing more happens on this stretch; while flapping, the next sample may still be the calm one."""
        return at + 1 if self.flapping else stretch.end

    def _first(self, stretch: _Stretch, moment: int, at: int) -> int:
        """Index of the first sample from `at` on that is not before `moment`."""
        if self.flapping:
            return at if stretch.span.times[at] >= moment else stretch.end
        return min(bisect_left(stretch.span.times, moment, at), stretch.end)

    def _fire(self, span: Span, at: int, rule: Rule, steps: list[Step]) -> None:
        moment = span.times[at]
        withheld = self._change(moment, rule) and self.episode > 0
        self.state = FIRING
        if self.flapping:
            return
        if withheld:
            self._flap(at, steps)
            return
        self.episode, self.onset = self.episode + 1, self.pending
        steps.append(Step(TransitionState.FIRING, at, self.episode, self.onset))

    def _resolve(self, span: Span, at: int, rule: Rule, steps: list[Step]) -> None:
        withheld = self._change(span.times[at], rule)
        self.state = NORMAL
        self.window.clear()
        if self.flapping:
            return
        if withheld:
            self._flap(at, steps)
            return
        self._end(at, steps)

    def _end(self, at: int, steps: list[Step]) -> None:
        self.state, self.flapping = NORMAL, False
        self.window.clear()
        steps.append(Step(TransitionState.RESOLVED, at, self.episode, self.onset))

    def _flap(self, at: int, steps: list[Step]) -> None:
        self.flapping = True
        steps.append(Step(TransitionState.FLAPPING, at, self.episode, self.onset))

    def _change(self, moment: int, rule: Rule) -> bool:
        """Note a change between firing and resolved; whether it is one too many."""
        if rule.flapping is None:
            return False
        self.changes.append(moment)
        while self.changes[0] <= moment - rule.flapping.within_ms:
            self.changes.popleft()
        return len(self.changes) > rule.flapping.transitions

    def _calm(self, stretch: _Stretch, at: int, rule: Rule, steps: list[Step]) -> bool:
        """Resolve a flapping episode if no change came for the whole window and `clear` holds."""
        within = rule.flapping.within_ms if rule.flapping is not None else 0
        moment = stretch.span.times[at]
        if stretch.clear != TRUE or (self.changes and moment - self.changes[-1] < within):
            return False
        self._change(moment, rule)
        self._end(at, steps)
        return True

    def forget_changes(self, moment: int, rule: Rule) -> None:
        """Drop what has left the flapping window, so that a machine at rest can become idle."""
        if not self.flapping and rule.flapping is not None:
            while self.changes and self.changes[0] <= moment - rule.flapping.within_ms:
                self.changes.popleft()


def _negation(truth: int) -> int:
    return truth if truth == UNKNOWN else 1 - truth
