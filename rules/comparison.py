"""Two versions of rules over the same readings: which episodes come, go, or move. Paired by overlap in time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.episodes import Episode


class Change(StrEnum):
    """What becomes of an episode."""

    SAME = "same"
    """Fires and ends at the same times."""
    SHIFTS = "shifts"
    """Overlaps, with another beginning or end."""
    APPEARS = "appears"
    VANISHES = "vanishes"


@dataclass(frozen=True, slots=True)
class Difference:
    """One episode under the old version, the new one, or both."""

    change: Change
    episode: Episode
    """As the new version sees it; as the old one saw it where it vanishes."""
    was: Episode | None = None
    """As the old version saw it, where both do."""


def compare(before: Sequence[Episode], after: Sequence[Episode]) -> list[Difference]:
    """Each episode once, in order of firing. Rules are the same if their names are; each episode has one partner at
    most, and an earlier one is served first.
    """
    old, new = _grouped(before), _grouped(after)
    found = [one for key in {*old, *new} for one in _pair(old[key], new[key])]
    return sorted(found, key=lambda one: (one.episode.fired, one.episode.rule, one.episode.device_id, one.change))


def _grouped(episodes: Sequence[Episode]) -> defaultdict[tuple[str, str], list[Episode]]:
    groups: defaultdict[tuple[str, str], list[Episode]] = defaultdict(list)
    for episode in sorted(episodes, key=lambda one: one.fired):
        groups[episode.rule, episode.device_id].append(episode)
    return groups


def _pair(before: list[Episode], after: list[Episode]) -> Iterator[Difference]:
    """Both in order of firing: walk them side by side."""
    old, new = 0, 0
    while old < len(before) and new < len(after):
        was, will = before[old], after[new]
        if was.overlaps(will.onset, will.ended):
            same = (was.fired, was.ended) == (will.fired, will.ended)
            yield Difference(Change.SAME if same else Change.SHIFTS, will, was)
            old, new = old + 1, new + 1
        elif was.fired < will.fired:
            yield Difference(Change.VANISHES, was)
            old += 1
        else:
            yield Difference(Change.APPEARS, will)
            new += 1
    yield from (Difference(Change.VANISHES, was) for was in before[old:])
    yield from (Difference(Change.APPEARS, will) for will in after[new:])
