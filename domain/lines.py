"""Lines to providers: when one is out of order, and how fast a sender may talk. Pure; `store.lines` keeps the state."""

from dataclasses import dataclass, replace

WINDOW_S = 60.0
"""Answers older than this say nothing about how a line is now."""
DOUBTS = 5
"""So many unknown outcomes within the window, if they are at least half of all, and the line is out of order."""
PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0
CANARY_S = 120.0
"""How long the one message that tries an open line may take; then another tries."""
OURS_PAUSE_S = 300.0
"""What is wrong with our account or settings a person has to mend."""

BURST_S = 5.0
RESERVE = 0.2
"""The part of a bucket that is kept for danger."""
LONGEST_TURN_S = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """The way from one of our senders to one country, by one provider; `country` is "" where there is none."""

    provider: str
    sender: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a batch of answers says about a line."""

    good: int = 0
    doubtful: int = 0
    """Nobody knows what became of it: a time-out, a 5xx."""
    ours: str = ""
    """Why the provider will take nothing from us: credentials, sender, registration."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Closed while `retry_at` is None. All times in epoch seconds."""

    good: int = 0
    doubtful: int = 0
    since: float = 0.0
    """When the counts began."""
    retry_at: float | None = None
    """Until then nothing is submitted; then one message may try."""
    canary: int | None = None
    """The message that tries."""
    trips: int = 0
    reason: str = ""

    def closed_to(self, now_s: float) -> bool:
        """Whether nothing may be submitted at `now_s`."""
        return self.retry_at is not None and now_s < self.retry_at

    def try_with(self, message_id: int, *, now_s: float) -> "Circuit":
        """The one message that tries whether the line is in order again; the others go on waiting."""
        return replace(self, canary=message_id, retry_at=now_s + CANARY_S)

    def after(self, heard: Heard, *, canary: Heard | None = None, now_s: float) -> "Circuit":
        """What answers make of it; `canary` is the answer to the message that tried.

        While it is open, answers to what was under way before neither close it nor open it again.
        """
        if self.retry_at is not None:
            if canary is None:
                return self
            return Circuit(since=now_s) if canary.good else self._opened(canary, now_s=now_s)
        fresh = self if now_s - self.since < WINDOW_S else Circuit(since=now_s)
        counted = replace(fresh, good=fresh.good + heard.good, doubtful=fresh.doubtful + heard.doubtful)
        if heard.ours or (counted.doubtful >= DOUBTS and counted.doubtful >= counted.good):
            return counted._opened(heard, now_s=now_s)
        return counted

    def _opened(self, heard: Heard, *, now_s: float) -> "Circuit":
        first = OURS_PAUSE_S if heard.ours else PAUSE_S
        pause = min(first * 2**self.trips, LONGEST_PAUSE_S)
        reason = heard.ours or f"{max(self.doubtful, heard.doubtful)} submissions of unknown outcome within a minute"
        return Circuit(since=now_s, retry_at=now_s + pause, trips=self.trips + 1, reason=reason)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many segments a second a sender may send; it may run ahead by `burst`."""

    per_s: float
    burst: float


def rate_of(sender: str, rates: dict[str, float]) -> Rate | None:
    """What `rates` says of `sender`, in segments a second; 0 means no limit.

    Without a word: a long code of North America 1 a second, with a minute's worth ahead, for the carriers there take no
    more; nothing else is held back, for the provider's own queue paces it.
    https://help.twilio.com/articles/115002943027
    """
    if sender in rates:
        per_s = rates[sender]
        return Rate(per_s, max(1.0, per_s * BURST_S)) if per_s > 0 else None
    return Rate(1.0, 60.0) if sender.startswith("+1") and len(sender) == 12 else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket in segments."""

    tokens: float
    at: float

    def refilled(self, rate: Rate, *, now_s: float) -> "Bucket":
        return Bucket(min(rate.burst, self.tokens + max(0.0, now_s - self.at) * rate.per_s), now_s)

    def wait_s(self, segments: int, rate: Rate, *, danger: bool) -> float:
        """How long until `segments` may go: 0 at once. All but danger leaves the reserve alone."""
        reserve = 0.0 if danger else rate.burst * RESERVE
        # What is longer than the whole bucket may go when that is full, and leaves a debt.
        missing = min(segments + reserve, rate.burst) - self.tokens
        return max(0.0, missing / rate.per_s)

    def without(self, segments: int) -> "Bucket":
        return replace(self, tokens=self.tokens - segments)
