"""The naive states of one rule on one device, as CONTRACT.md section 5 tells them: one sample at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.rules.reference_expressions import Value, not_
from tests.unit.rules.reference_signals import duration_ms


@dataclass(frozen=True)
class Step:
    """One transition: what, when, of which episode."""

    state: str
    at: int
    episode: int
    onset: int


@dataclass
class Machine:
    """NORMAL → PENDING → FIRING → RECOVERING → NORMAL; `steps` is what the world is told."""

    rule: Mapping[str, Any]
    state: str = "normal"
    steps: list[Step] = field(default_factory=list)
    last_sample: int | None = None
    pending_since: int = 0
    clear_since: int = 0
    window: list[bool] = field(default_factory=list)
    episode: int = 0
    episode_onset: int = 0
    changes: list[int] = field(default_factory=list)
    flapping: bool = False

    def sample(self, now: int, *, when: Value, own_clear: Value) -> None:
        """One sample that the rule sees. `own_clear` counts only for a rule that has `clear`."""
        if when is None:
            when = {"hold": None, "breach": True, "ok": False}[self.rule.get("missing", "hold")]
        hole, holds = False, None
        if when is not None:
            hole = self._is_hole(now)
            self.last_sample = now
            holds = self._holds(when is True)
        clear = own_clear if "clear" in self.rule else not_(holds)
        if self.flapping and clear is True and self._quiet(now):
            self._end_flapping(now)
        elif self.state in {"firing", "recovering"}:
            self._toward_normal(now, clear=clear)
        elif holds is not None:
            self._toward_firing(now, starts=when is True and holds, holds=holds, hole=hole)

    def _is_hole(self, now: int) -> bool:
        if self.last_sample is None or "max_gap" not in self.rule:
            return False
        return now - self.last_sample > duration_ms(self.rule["max_gap"])

    def _holds(self, when: bool) -> bool:
        """Whether the condition holds: on this sample, or on n of the last `of`."""
        count = self.rule.get("count")
        if count is None:
            return when
        self.window.append(when)
        del self.window[: -count["of"]]
        return sum(self.window) >= count["n"]

    def _toward_firing(self, now: int, *, starts: bool, holds: bool, hole: bool) -> None:
        on_delay = duration_ms(self.rule.get("for", "0s"))
        if self.state == "normal" and starts:
            self.state, self.pending_since = "pending", now
        elif self.state == "pending" and not holds:
            self.state = "normal"
        elif self.state == "pending" and hole:
            self.pending_since = now
        if self.state == "pending" and starts and now >= self.pending_since + on_delay:
            self.state = "firing"
            self._fired(now)

    def _toward_normal(self, now: int, *, clear: Value) -> None:
        off_delay = duration_ms(self.rule.get("keep_firing_for", "0s"))
        if self.state == "firing" and clear is True:
            self.state, self.clear_since = "recovering", now
        elif self.state == "recovering" and clear is False:
            self.state = "firing"
        if self.state == "recovering" and clear is True and now >= self.clear_since + off_delay:
            self.state, self.window = "normal", []
            self._resolved(now)

    def _quiet(self, now: int) -> bool:
        """No change between firing and resolved, told or withheld, in (now - within, now]."""
        return not self._recent_changes(now)

    def _recent_changes(self, now: int) -> int:
        config = self.rule.get("flapping")
        within = duration_ms(config["within"]) if config else 0
        return sum(1 for change in self.changes if now - within < change <= now)

    def _withheld(self, now: int) -> bool:
        """Book a change at `now`; True if the world is not to be told of it."""
        config = self.rule.get("flapping")
        recent = self._recent_changes(now)
        self.changes.append(now)
        if config is None or (not self.flapping and recent + 1 <= config["transitions"]):
            return False
        if not self.flapping:
            self.flapping = True
            self._tell("flapping", now)
        return True

    def _fired(self, now: int) -> None:
        if not self._withheld(now):
            self.episode += 1
            self.episode_onset = self.pending_since
            self._tell("firing", now)

    def _resolved(self, now: int) -> None:
        if not self._withheld(now):
            self._tell("resolved", now)

    def _end_flapping(self, now: int) -> None:
        self.state, self.window, self.flapping = "normal", [], False
        self.changes.append(now)
        self._tell("resolved", now)

    def _tell(self, state: str, now: int) -> None:
        self.steps.append(Step(state, now, self.episode, self.episode_onset))
