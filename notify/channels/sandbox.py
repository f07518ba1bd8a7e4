"""The sandbox: for channels without a provider, messages go to a page that shows each person's phone and inbox."""

from typing import Protocol

from domain.errors import DeliveryError, StoreUnavailable
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.reference import message_id

PROVIDER = "sandbox"


class SandboxBox(Protocol):
    """Where the sandbox keeps what it was given."""

    def put(self, message_id: int, *, channel: Channel, address: str, content: Content) -> None:
        """Take one message; the second of one id changes nothing. Raises StoreUnavailable."""
        ...

    def holds(self, message_id: int) -> bool:
        """Whether it was taken. Raises StoreUnavailable."""
        ...


class SandboxChannel:
    """Plays `channel`. It forgets nothing and repeats nothing, so after a crash its word counts at once."""

    provider = PROVIDER
    sender = ""
    patience_s = 2.0
    look_up_after_s: tuple[float, ...] = ()
    authoritative = True
    repeatable = True

    def __init__(self, channel: Channel, box: SandboxBox) -> None:
        self.channel, self._box = channel, box

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        number = message_id(reference)
        if number is None:
            raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail=f"{reference!r} is no reference of ours")
        try:
            self._box.put(number, channel=self.channel, address=address, content=content)
        except StoreUnavailable as exc:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=str(exc)) from exc
        return _receipt(number)

    def look_up(self, pending: Pending) -> Receipt | None:
        try:
            return _receipt(pending.id) if self._box.holds(pending.id) else None
        except StoreUnavailable as exc:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=str(exc)) from exc


def _receipt(number: int) -> Receipt:
    return Receipt(provider_id=f"{PROVIDER}-{number}", state=MessageState.DELIVERED)
