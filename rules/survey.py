"""What one engine's devices say of their groups, for the summaries of `peers`: each minute, from the state alone."""

from collections import defaultdict

from rules.lanes import Lane
from rules.model import Kind
from rules.samples import Channel, Floats, Ints
from rules.signals.peers import FRESH_MS, POINTS, Share, Subject, share_of
from rules.state import State


def survey(state: State, *, at: int, points: int = POINTS) -> dict[str, dict[str, Share]]:
    """By subject and group, the latest values of all devices at `at` (epoch ms), where a rule in force asks for them.

    A share tells all values, or `points` quantiles if they are more. A value older than a day is none; a device that
    lacks one of the attributes has no peers. Where several lanes know the metric, the one that waits least is asked.
    """
    found: dict[str, dict[str, Share]] = {}
    slots = state.devices.live()
    for lateness in sorted(state.tracks):
        track = state.tracks[lateness]
        for text, subject in track.past.beyond.subjects.items():
            if text not in found:
                grouped = _grouped(state, track.lane, subject, slots, at=at)
                found[text] = {group: share_of(values, points=points) for group, values in grouped.items()}
    return found


def _grouped(state: State, lane: Lane, subject: Subject, slots: Ints, *, at: int) -> dict[str, Floats]:
    carry = lane.carries.get(Channel(subject.metric, Kind.NUMBER))
    if carry is None or not len(slots):
        return {}
    here = slots[carry.ts.get(slots) >= at - FRESH_MS]
    values = carry.values.get(here)
    places: dict[str, list[int]] = defaultdict(list)
    for place, slot in enumerate(here.tolist()):
        places[state.devices.group(slot, subject.by)].append(place)
    places.pop("", None)
    return {group: values[members] for group, members in places.items()}
