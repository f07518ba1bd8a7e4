"""What the ingest role needs of log and database, as Protocols: `store` implements them, `app` hands them in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.intake import DeadLetter, Heard, KnownDevice, Outgoing, RawUplink
from domain.telemetry import LogEntry


class ReadingLog(Protocol):
    """Where readings go. Every method raises LogUnavailable.

    Those that add raise TooLargeForLog for an item (entry or raw message) that will never fit, and have added nothing.
    """

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> Mapping[int, int]:
        """Returns once every partition's log holds its entries; the same `msg_id` again adds nothing."""
        ...

    def keep_unknown(self, messages: Mapping[str, Sequence[RawUplink]], *, msg_id: str) -> None:
        """Keep for an hour what came from devices that are not admitted, by device id."""
        ...

    def unknown_of(self, device_id: str) -> tuple[Sequence[RawUplink], int]:
        """What is kept of a device, oldest first, and where that ends."""
        ...

    def forget_unknown(self, device_id: str, *, up_to: int) -> None:
        """Drop what `unknown_of` returned."""
        ...


class Sessions(Protocol):
    """A broker's durable sessions, where they need help to keep the order of messages over a reconnection."""

    def rewind(self, client_id: str) -> bool:
        """Let the session begin again at the oldest unacknowledged message. False while a client still holds it.

        Raises LogUnavailable.
        """
        ...


class Registry(Protocol):
    """The devices that are known, from memory; nothing here waits for the database but `refresh` and `admit`."""

    def known(self, device_id: str) -> KnownDevice | None:
        """The device, admitted or not; None if nobody registered it."""
        ...

    def loaded(self) -> bool:
        """Whether the devices have been read at least once: until then nobody can be called unknown."""
        ...

    def refresh(self) -> None:
        """Read the devices again if it is time. Raises StoreUnavailable."""
        ...

    def candidates(self) -> Sequence[str]:
        """Devices whose registration is in the log, and the database does not call them admitted yet."""
        ...

    def open(self, device_ids: Sequence[str]) -> None:
        """From here on their readings follow, in this process: `known` calls them admitted."""
        ...

    def admit(self, device_ids: Sequence[str]) -> None:
        """The same for all processes and for ever. Raises StoreUnavailable."""
        ...


class Notes(Protocol):
    """What is noted of devices in the database, a page at a time."""

    def write(self, heard: Mapping[str, Heard], dead: Sequence[DeadLetter], *, now: datetime) -> None:
        """All of it in one transaction. Raises StoreUnavailable; nothing is written then."""
        ...


class CommandOutbox(Protocol):
    """Device commands on their way out. Every method raises StoreUnavailable."""

    def interrupted(self) -> Sequence[Outgoing]:
        """After a start: idempotent commands whose submission began and did not end. Others wait for their answer."""
        ...

    def take(self) -> Sequence[Outgoing]:
        """Queued commands, now submitting: committed when this returns."""
        ...

    def sent(self, command_id: str, *, now: datetime) -> None:
        """The broker has it."""
        ...

    def give_back(self, command_id: str) -> None:
        """It certainly did not leave: queue it again."""
        ...

    def addressee(self, command_id: str) -> str | None:
        """The device that a command went to, None for no command of ours."""
        ...


class CommandAnswers(Protocol):
    """Who acts on what a device answered."""

    def finished(self, command_id: str, status: str, detail: str, at: datetime) -> None:
        """`status` is done or failed. Called again until it returns; the second time must change nothing."""
        ...
