"""Episodes put together again from their transitions: what reports, diffs and plots speak of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.faults import Severity, Transition, TransitionState


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault of one rule on one device, as far as the recording goes."""

    rule: str
    device_id: str
    number: int
    onset: datetime
    fired: datetime
    received: datetime
    """When the sample that fired was received."""
    ended: datetime | None
    """None: still firing at the end."""
    severity: Severity
    flapping: bool = False
    superseded: bool = False
    """An older episode of one buffered upload: it contacts nobody."""

    def overlaps(self, since: datetime, until: datetime | None) -> bool:
        """Whether any of [onset, end] lies in [since, until]; None is no end."""
        return (until is None or self.onset <= until) and (self.ended is None or since <= self.ended)


def episodes_of(transitions: Iterable[Transition]) -> list[Episode]:
    """In order of firing. A flapping episode that was resolved before is open again, as the engine means it."""
    first: dict[tuple[str, str, int], Transition] = {}
    ended: dict[tuple[str, str, int], datetime | None] = {}
    flapping: set[tuple[str, str, int]] = set()
    for one in transitions:
        key = (one.rule, one.device_id, one.episode)
        first.setdefault(key, one)
        ended[key] = one.at if one.state is TransitionState.RESOLVED else None
        if one.state is TransitionState.FLAPPING:
            flapping.add(key)
    found = [
        Episode(
            one.rule,
            one.device_id,
            one.episode,
            one.onset,
            one.at,
            one.received_at,
            ended[key],
            one.severity,
            key in flapping,
            one.superseded,
        )
        for key, one in first.items()
    ]
    return sorted(found, key=lambda episode: (episode.fired, episode.rule, episode.device_id, episode.number))
