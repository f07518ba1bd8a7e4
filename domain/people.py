"""People: customers, technicians, and the wishes that every contact must honour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.messages import Channel, Purpose, RecipientKind

DISPATCHER_ID = "dispatcher"
"""Whom messages to the desk are for."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Wall-clock hours in the person's zone in which nobody is written to; may span midnight."""

    start: time = time(21)
    end: time = time(8)

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether `moment` falls in quiet hours."""
        local = moment.astimezone(zone).time().replace(tzinfo=None)
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def release(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment at or after `moment` outside quiet hours, in UTC."""
        if not self.holds(moment, zone):
            return moment
        local = moment.astimezone(zone)
        day = local.date()
        if self.start > self.end and local.time().replace(tzinfo=None) >= self.start:
            day += timedelta(days=1)
        # A wall time that daylight saving skips is read with the offset from before the gap: just after it.
        released = datetime.combine(day, self.end, tzinfo=zone).astimezone(UTC)
        if released <= moment:
            # The clocks went back: this is the second pass through that hour.
            released = datetime.combine(day, self.end, tzinfo=zone).replace(fold=1).astimezone(UTC)
        return released


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
    quiet_hours: QuietHours | None = None
    refused: Mapping[tuple[Channel, Purpose], str] = field(default_factory=dict)
    """What the consent ledger says no to, and the source of that word: stop, bounce, dead_number …"""

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
