"""How things break: each fault as a function of time that bends what a product would measure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

RAMP = timedelta(minutes=15)
"""How long an overheating compressor takes to get as hot as it will."""
RELIEF = timedelta(minutes=6)
"""How long a restart makes it a little better, where it does anything at all."""
RELIEVED_SHARE = 0.8


class FaultKind(StrEnum):
    """What can break."""

    OVERHEAT = "overheat"
    LEAK = "leak"
    BLOCKED_DRAIN = "blocked_drain"
    SILENCE = "silence"
    CHATTER = "chatter"


class Restart(StrEnum):
    """What a restart from afar does to a fault."""

    IGNORED = "ignored"
    RELIEVES = "relieves"
    CURES = "cures"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one device. `ends` is None while nothing and nobody mends it."""

    kind: FaultKind
    begins: datetime
    ends: datetime | None = None
    restart: Restart = Restart.IGNORED
    relieved_at: datetime | None = None

    def active(self, at: datetime) -> bool:
        return self.begins <= at and (self.ends is None or at < self.ends)

    def restarted(self, at: datetime) -> "Fault":
        """The fault after a restart at `at`."""
        if not self.active(at) or self.restart is Restart.IGNORED:
            return self
        return replace(self, ends=at) if self.restart is Restart.CURES else replace(self, relieved_at=at)

    def repaired(self, at: datetime) -> "Fault":
        """The fault after somebody mended it at `at`; one that is still to come does come."""
        return replace(self, ends=at) if self.active(at) else self


@dataclass(frozen=True, slots=True)
class Effects:
    """What all faults of a device do to it at one moment."""

    overheat: float = 0.0
    """0 … 1 of the full excess heat."""
    leaking_hours: float = 0.0
    """For how long the circuit has been losing water or pressure."""
    drain_blocked: bool = False
    chatter: bool = False
    silent: bool = False


def effects_of(faults: Iterable[Fault], at: datetime) -> Effects:
    """The combined effect of `faults` at `at`; pure."""
    now = Effects()
    for fault in faults:
        if not fault.active(at):
            continue
        age = at - fault.begins
        match fault.kind:
            case FaultKind.OVERHEAT:
                now = replace(now, overheat=max(now.overheat, min(1.0, age / RAMP) * _relief(fault, at)))
            case FaultKind.LEAK:
                now = replace(now, leaking_hours=max(now.leaking_hours, age / timedelta(hours=1)))
            case FaultKind.BLOCKED_DRAIN:
                now = replace(now, drain_blocked=True)
            case FaultKind.CHATTER:
                now = replace(now, chatter=True)
            case FaultKind.SILENCE:
                now = replace(now, silent=True)
    return now


def _relief(fault: Fault, at: datetime) -> float:
    if fault.relieved_at is None or not timedelta() <= at - fault.relieved_at < RELIEF:
        return 1.0
    return RELIEVED_SHARE
