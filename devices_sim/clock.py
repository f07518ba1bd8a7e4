"""The simulator's own reading of the shared clock: real time, or a day that runs faster."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class StoryClock:
    """Reads `start` at the real moment `origin`, and runs `speed` times as fast from there on."""

    start: datetime
    speed: float
    origin: datetime

    def now(self) -> datetime:
        """Aware UTC."""
        return self.start + (datetime.now(UTC) - self.origin) * self.speed

    def real_seconds_until(self, moment: datetime) -> float:
        """How long one must really wait until the clock shows `moment`; 0 if it already does."""
        return max(0.0, (moment - self.now()).total_seconds() / self.speed)


def read_clock(spec: str) -> StoryClock:
    """`START*SPEED[@ORIGIN]` in ISO 8601 with offsets; empty means real time. Raises ValueError that shows the form."""
    now = datetime.now(UTC)
    if not spec:
        return StoryClock(now, 1.0, now)
    head, _, origin = spec.partition("@")
    start, _, speed = head.partition("*")
    try:
        clock = StoryClock(_aware(start), float(speed or 1), _aware(origin) if origin else now)
    except ValueError as exc:
        raise ValueError(f"clock {spec!r} is not START*SPEED@ORIGIN, e.g. 2026-03-02T08:00:00Z*300") from exc
    if not 0 < clock.speed < 1e6:
        raise ValueError(f"clock {spec!r}: speed must lie above 0 and below 1000000")
    return clock


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
