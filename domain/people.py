"""People: customers, technicians, and the wishes that every contact must honour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.hours import QuietHours
from domain.messages import Channel, Purpose, RecipientKind

DISPATCHER_ID = "dispatcher"
"""Whom messages to the desk are for."""


DAILY_CAPS: Mapping[Channel, int] = {
    Channel.SMS: 3,
    Channel.WHATSAPP: 3,
    Channel.VOICE: 2,
    Channel.EMAIL: 6,
    Channel.PUSH: 6,
    Channel.WEBHOOK: 20,
    Channel.LETTER: 1,
}
"""How much news one person gets a day on each channel; what is more becomes one summary."""

EVERYTHING = frozenset({Purpose.SAFETY, Purpose.SERVICE, Purpose.APPOINTMENT})
OWNER = "owner"
TELLS: Mapping[str, frozenset[Purpose]] = {
    OWNER: EVERYTHING,
    "tenant": EVERYTHING,
    "caretaker": EVERYTHING,
    "neighbour": frozenset({Purpose.SAFETY}),
}
"""What a contact of a device is told of, by role; the manifest may say otherwise for one."""
AT_HOME = frozenset({OWNER, "tenant"})
"""Roles of those who live with the device: danger there is their own."""
TELLS_OTHERS = frozenset({Purpose.SAFETY, Purpose.APPOINTMENT})
"""What a contact in any other role is told of."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person as a message sees them."""

    kind: RecipientKind
    id: str
    name: str
    language: str = "en"
    phone: str | None = None
    """E.164."""
    email: str | None = None
    push: str | None = None
    """A browser's push subscription, as JSON."""
    webhook: str | None = None
    """URL of a connector."""
    postal: str | None = None
    """Lines of a postal address."""
    channels: Sequence[Channel] = (Channel.SMS, Channel.EMAIL)
    """In order of preference."""
    timezone: str = "UTC"
    zones: Sequence[str] = ()
    """Where else than in `timezone` they may be, as far as anybody knows; none: it is known."""
    quiet_hours: QuietHours | None = None
    digest: bool = False
    """Wants what can wait in one message a day."""
    away_until: datetime | None = None
    refused: Mapping[tuple[Channel, Purpose], str] = field(default_factory=dict)
    """What the consent ledger says no to, and the source of that word: stop, bounce, dead_number …"""

    @property
    def reached_by(self) -> list[Channel]:
        """Where they may be told at all: their own channels, and calls, for whom nothing else reached is called."""
        ways = dict.fromkeys([*self.channels, Channel.VOICE])
        return [channel for channel in ways if self.address(channel)]

    def address(self, channel: Channel) -> str | None:
        """Where `channel` reaches this person."""
        return {
            Channel.EMAIL: self.email,
            Channel.PUSH: self.push,
            Channel.WEBHOOK: self.webhook,
            Channel.LETTER: self.postal,
        }.get(channel, self.phone)

    def refuses(self, channel: Channel, purpose: Purpose) -> bool:
        """Whether this person, or what we know of their address, says no to `purpose` on `channel`."""
        return (channel, purpose) in self.refused


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map, in degrees (WGS 84)."""

    lat: float
    lon: float
