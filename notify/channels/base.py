"""What the sender asks of a channel: the last hop, where a message leaves the house."""

from typing import Protocol, runtime_checkable

from domain.messages import Channel
from domain.outbox import Content, Pending, Receipt


class ChannelAdapter(Protocol):
    """One channel by one provider. All attributes are facts about that provider."""

    @property
    def channel(self) -> Channel: ...

    @property
    def provider(self) -> str: ...

    @property
    def sender(self) -> str:
        """The number or address that messages leave from; "" where there is none."""
        ...

    @property
    def patience_s(self) -> float:
        """Real seconds that one `send` takes at worst."""
        ...

    @property
    def look_up_after_s(self) -> tuple[float, ...]:
        """Pauses, in real seconds, before each time the provider is asked about a submission of unknown outcome."""
        ...

    @property
    def authoritative(self) -> bool:
        """Whether "not found", after the last of those pauses, means that it was never taken."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether the receiver takes one reference once, so that a submission of unknown outcome may be repeated."""
        ...

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        """Submit once, never twice. Raises DeliveryError, which says what may be done next."""
        ...

    def look_up(self, pending: Pending) -> Receipt | None:
        """What became of the last submission of `pending`; None if the provider has none. Raises DeliveryError."""
        ...


@runtime_checkable
class TracingAdapter(Protocol):
    """A channel whose provider can be asked later what became of a message that it took."""

    def fetch(self, provider_id: str) -> Receipt:
        """What the provider says of it now. Raises DeliveryError."""
        ...
