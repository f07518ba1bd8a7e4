"""One clock for every role: the real time, or a simulated one that all processes share."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from domain.errors import ConfigError


class Clock(Protocol):
    """Tells the time and waits in it."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock's time."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Reads `start` at the real moment `origin`, and runs `speed` times as fast from there on."""

    start: datetime
    speed: float
    origin: datetime

    def now(self) -> datetime:
        return self.start + (datetime.now(UTC) - self.origin) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)

    def spec(self) -> str:
        """The `PREVENANT_CLOCK` value that gives another process this very clock."""
        return f"{iso(self.start)}*{self.speed:g}@{iso(self.origin)}"


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, start: datetime) -> None:
        self._now, self._lock = start, threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, **delta: float) -> None:
        """Move on by `timedelta(**delta)`."""
        with self._lock:
            self._now += timedelta(**delta)


def parse_clock(spec: str, *, origin: datetime | None = None) -> Clock:
    """`START*SPEED[@ORIGIN]`, or empty for real time. Without `@ORIGIN` the clock starts at `origin`, else now."""
    if not spec:
        return SystemClock()
    head, _, at = spec.partition("@")
    start, star, speed = head.partition("*")
    try:
        factor = float(speed) if star else 1.0
        began = parse_iso(at) if at else (origin or datetime.now(UTC))
        if not 0 < factor < 1e6:
            raise ValueError(speed)
        return SimulatedClock(parse_iso(start), factor, began)
    except ValueError as exc:
        raise ConfigError(
            f"PREVENANT_CLOCK: {spec!r} is not START*SPEED; write for example 2026-03-02T09:00:00Z*60"
        ) from exc


def parse_iso(text: str) -> datetime:
    """ISO 8601 with an offset or Z, as aware UTC; a naive time is an error."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; end it with Z or an offset")
    return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 UTC with a Z, milliseconds only where there are any."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Aware UTC from epoch milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
