"""Storms: when faults of many devices are one fault of what they have in common. Pure.

A group (one gateway, one site, one firmware …) is a storm when, within the `hold` of the fault that begins it, faults
of one family fire on at least `devices` of its devices and on at least `share` of them. For silence it also is one when
more than `silent` of its devices that were heard within a day are silent, whether or not their own faults fire yet.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

FLEET = "fleet"
"""All devices of a product. Only silence is ever the whole fleet's."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule's `storm`."""

    by: tuple[str, ...] = ("gateway", "site", "firmware")
    devices: int = 5
    share: float = 0.2
    silent: float = 0.5


def read_policy(row: Mapping[str, Any]) -> Policy:
    """From a rule version's `storm`; what is left out has its default."""
    plain = Policy()
    return Policy(
        by=tuple(row.get("by", plain.by)),
        devices=int(row.get("devices", plain.devices)),
        share=float(row.get("share", plain.share)),
        silent=float(row.get("silent", plain.silent)),
    )


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Devices that have `value` of `by` in common."""

    by: str
    value: str

    @property
    def key(self) -> str:
        """The device id of its parent tickets: a device's own id has no slash."""
        return f"{self.by}/{self.value}"


@dataclass(frozen=True, slots=True)
class Population:
    """How many devices a group has; and of those heard within a day, how many are silent now."""

    devices: int
    heard: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket that waits to be seen as one of a storm; each is of another device."""

    ticket_id: int
    groups: tuple[Group, ...]
    """In order of preference."""
    fired_at: datetime
    """Event time: what an outage of ours delivers late in one lump is no storm."""
    hold: timedelta
    policy: Policy = Policy()
    of_silence: bool = False


def storms(waiting: Sequence[Waiting], populations: Mapping[Group, Population]) -> dict[Group, list[Waiting]]:
    """The storms among `waiting`, those that explain most devices first; each ticket belongs to one at most."""
    found: dict[Group, list[Waiting]] = {}
    left = list(waiting)
    while best := _best(left, populations):
        found[best] = [one for one in left if best in one.groups]
        left = [one for one in left if best not in one.groups]
    return found


def is_silence(population: Population, policy: Policy) -> bool:
    """Whether silence is the group's and no device's."""
    return population.silent >= policy.devices and population.silent > policy.silent * population.heard


def _best(waiting: Sequence[Waiting], populations: Mapping[Group, Population]) -> Group | None:
    members: dict[Group, list[Waiting]] = {}
    rank: dict[Group, int] = {}
    for one in waiting:
        for place, group in enumerate(one.groups):
            members.setdefault(group, []).append(one)
            rank[group] = min(place, rank.get(group, place))
    sizes = {group: _size(group, ones, populations[group]) for group, ones in members.items()}
    candidates = [group for group, size in sizes.items() if size]
    return min(candidates, key=lambda group: (-sizes[group], rank[group], group), default=None)


def _size(group: Group, members: Sequence[Waiting], population: Population) -> int:
    """How many devices the storm explains; 0 if it is none."""
    silence = any(one.of_silence and is_silence(population, one.policy) for one in members)
    if silence:
        return max(population.silent, len(members))
    return len(members) if group.by != FLEET and _is_burst(members, population) else 0


def _is_burst(members: Sequence[Waiting], population: Population) -> bool:
    ordered = sorted(members, key=lambda one: one.fired_at)
    times = [one.fired_at for one in ordered]
    for first, one in enumerate(ordered):
        together = bisect_right(times, one.fired_at + one.hold) - first
        if together >= max(one.policy.devices, ceil(one.policy.share * population.devices)):
            return True
    return False
