"""Ladders: how insistently people are told of a trouble, rung by rung, until somebody has it."""

from dataclasses import dataclass
from enum import StrEnum

from domain.messages import Channel


class Whom(StrEnum):
    """Who is told on a rung."""

    PERSON = "person"
    """Whom the message is for."""
    CONTACT = "contact"
    """The next of the device's contacts who has not been told yet."""


class Until(StrEnum):
    """What ends a ladder on a rung."""

    DELIVERED = "delivered"
    """The provider says that it arrived; or, on channels that never say so, that it took it and nothing came back."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody says that they have seen it, by whatever answer."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: who is told on what, and how long that has to help before the next one."""

    wait_s: float
    """From the provider's acceptance; from the moment it could have gone out, where there is none."""
    until: Until = Until.ACKNOWLEDGED
    channels: tuple[Channel, ...] = ()
    """On each of them at once; none: the one that the person likes best of those not tried yet."""
    whom: Whom = Whom.PERSON


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs from the bottom up."""

    rungs: tuple[Rung, ...]
    human: bool = False
    """Whether somebody at the desk takes over where all of them did not help."""
