"""Quiet hours: when a person is not disturbed, by the clock of where they are, or of each place where they may be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HORIZON = timedelta(days=10)
"""How far ahead an hour that suits is looked for: further than holidays and Sundays ever stand in a row."""
SUNDAY = 6


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Wall-clock hours in the person's zone in which nobody is written to; may span midnight. Days of rest are quiet
    from midnight to midnight.
    """

    start: time = time(21)
    end: time = time(8)
    sundays: bool = False
    holidays: frozenset[date] = frozenset()

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether `moment` falls in quiet hours."""
        local = moment.astimezone(zone)
        if local.date() in self.holidays or (self.sundays and local.weekday() == SUNDAY):
            return True
        at = local.time().replace(tzinfo=None)
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def release(self, moment: datetime, *zones: ZoneInfo) -> datetime:
        """The first moment at or after `moment` outside quiet hours in all `zones`, in UTC.

        Several zones are those where a person may be. Where no hour suits all of them, the first that suits most.
        """
        best, fewest = moment, self._held_in(moment, zones)
        for candidate in self._ends(moment, zones) if fewest else ():
            held = self._held_in(candidate, zones)
            if held < fewest:
                best, fewest = candidate, held
            if not held:
                break
        return best

    def _held_in(self, moment: datetime, zones: Sequence[ZoneInfo]) -> int:
        return sum(self.holds(moment, zone) for zone in zones)

    def _ends(self, moment: datetime, zones: Sequence[ZoneInfo]) -> list[datetime]:
        """When quiet hours may end, in order."""
        found = {end for zone in zones for end in self._ends_in(moment, zone)}
        return sorted(end for end in found if end > moment)

    def _ends_in(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        today = moment.astimezone(zone).date()
        walls = (self.end, time(0)) if self.sundays or self.holidays else (self.end,)
        for days in range(HORIZON.days + 1):
            for wall in walls:
                # A wall time that comes twice ends them twice; one that daylight saving skips is read with the offset
                # from before the gap: just after it.
                local = datetime.combine(today + timedelta(days=days), wall, tzinfo=zone)
                yield local.astimezone(UTC)
                yield local.replace(fold=1).astimezone(UTC)
