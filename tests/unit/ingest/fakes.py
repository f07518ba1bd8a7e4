"""Stand-ins for what the ingest role talks to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.errors import StoreUnavailable
from domain.intake import DeadLetter, Heard, KnownDevice, Outgoing
from domain.telemetry import Tick
from ingest.intake import Delivery

NOW = 1_700_000_000_000


class FakeRegistry:
    """Devices that a test names."""

    def __init__(self, *admitted: str) -> None:
        self.devices = {device_id: KnownDevice(device_id) for device_id in admitted}
        self.opened: list[str] = []
        self.is_loaded = True
        self.down = False

    def register(self, device_id: str) -> None:
        self.devices[device_id] = KnownDevice(device_id, admitted=False)

    def known(self, device_id: str) -> KnownDevice | None:
        return self.devices.get(device_id)

    def loaded(self) -> bool:
        return self.is_loaded

    def refresh(self) -> None:
        pass

    def candidates(self) -> Sequence[str]:
        return [d.id for d in self.devices.values() if not d.admitted or d.id in self.opened]

    def open(self, device_ids: Sequence[str]) -> None:
        self.devices.update({device_id: KnownDevice(device_id) for device_id in device_ids})
        self.opened = [*self.opened, *device_ids]

    def admit(self, device_ids: Sequence[str]) -> None:
        if self.down:
            raise StoreUnavailable("locked")
        self.opened = [d for d in self.opened if d not in device_ids]


class FakeNotes:
    """Pages as they are written."""

    def __init__(self) -> None:
        self.pages: list[tuple[Mapping[str, Heard], Sequence[DeadLetter]]] = []
        self.down = False

    def write(self, heard: Mapping[str, Heard], dead: Sequence[DeadLetter], *, now: datetime) -> None:
        if self.down:
            raise StoreUnavailable("locked")
        self.pages.append((heard, dead))


class FakeOutbox:
    """Commands in the states of the real one; what it did is in `story`."""

    def __init__(self, *queued: Outgoing, interrupted: Sequence[Outgoing] = ()) -> None:
        self.queued, self._interrupted = list(queued), interrupted
        self.devices = {c.id: c.device_id for c in (*queued, *interrupted)}
        self.story: list[str] = []
        self.down = False
        self.sent_at: list[datetime] = []

    def interrupted(self) -> Sequence[Outgoing]:
        self._check()
        return self._interrupted

    def take(self) -> Sequence[Outgoing]:
        self._check()
        taken, self.queued = self.queued, []
        self.story += [f"submitting {c.id}" for c in taken]
        return taken

    def sent(self, command_id: str, *, now: datetime) -> None:
        self._check()
        self.story.append(f"sent {command_id}")
        self.sent_at.append(now)

    def give_back(self, command_id: str) -> None:
        self._check()
        self.story.append(f"given back {command_id}")

    def addressee(self, command_id: str) -> str | None:
        self._check()
        return self.devices.get(command_id)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("locked")


class FakeAnswers:
    """What devices answered; refuses the first `failures` times."""

    def __init__(self, *, failures: int = 0) -> None:
        self.got: list[tuple[str, str, str, datetime]] = []
        self._failures = failures

    def finished(self, command_id: str, status: str, detail: str, at: datetime) -> None:
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable("locked")
        self.got.append((command_id, status, detail, at))


class Acks:
    """Deliveries, and which of them were acknowledged, in order."""

    def __init__(self) -> None:
        self.acked: list[int] = []
        self._made = 0

    def delivery(
        self,
        topic: str,
        payload: bytes = b'{"a": 1}',
        *,
        at: int = NOW,
        retained: bool = False,
        tick: Tick | None = None,
    ) -> Delivery:
        number, self._made = self._made, self._made + 1
        return Delivery(topic, payload, retained, at, lambda: self.acked.append(number), tick=tick)
