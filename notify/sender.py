"""The loop of the notify role: takes what is due, decides, writes, submits, and never sends blindly twice."""

import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from domain.clock import Clock
from domain.errors import DeliveryError, LeaseLost, StoreUnavailable
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.base import ChannelAdapter
from notify.channels.reference import reference
from notify.release import Go, Hold, Suppress, Wait, open_channels, release
from notify.render import Rendered, Renderer

_log = structlog.get_logger()

IDLE_S = 0.15
TROUBLE_S = 1.0
WAIT_S = 1.0
ASK_AGAIN_S = 5.0
BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)
"""Real seconds before the second, third … submission; after the last the message is given up."""

_CHANNEL_REFUSED = frozenset({Refusal.BAD_ADDRESS, Refusal.OPTED_OUT, Refusal.NEEDS_TEMPLATE})
"""Not this way; another may do."""


class Outbox(Protocol):
    """What the sender asks of the store; `store.outbox.SqlOutbox` is the one. Each call is one transaction.

    All but `paused` and `take` raise LeaseLost if another sender has taken over; all raise StoreUnavailable.
    """

    def paused(self) -> bool: ...
    def take(self) -> Pending | None: ...
    def hold(self, pending: Pending, *, until: datetime, refusal: Refusal, reason: str) -> None: ...
    def postpone(self, pending: Pending, *, after_s: float, reason: str, refusal: Refusal | None = None) -> None: ...
    def suppress(self, pending: Pending, *, refusal: Refusal, reason: str) -> None: ...
    def submitting(
        self, pending: Pending, *, channel: Channel, address: str, content: Content, provider: str, patience_s: float
    ) -> None: ...
    def template_failed(self, pending: Pending, *, detail: str) -> None: ...
    def accepted(self, pending: Pending, told: Receipt, *, attempt: int, by_look_up: bool = False) -> None: ...
    def look_up_later(self, pending: Pending, *, after_s: float, reason: str, asked: bool) -> None: ...
    def not_taken(self, pending: Pending, *, reason: str) -> None: ...
    def in_doubt(self, pending: Pending, *, reason: str) -> None: ...
    def channel_refused(self, pending: Pending, *, refusal: Refusal, reason: str) -> None: ...
    def failed(self, pending: Pending, *, refusal: Refusal, reason: str, dead: bool = False) -> None: ...


class Sender:
    """Sends what is due, one message after another; as many senders as wanted may run beside each other."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[Channel, ChannelAdapter],
        clock: Clock,
        *,
        renderer: Renderer | None = None,
        trouble: Callable[[str | None], None] = lambda _line: None,
        trouble_s: float = TROUBLE_S,
    ) -> None:
        """`trouble` hears one line when the database goes away, and None when it is back."""
        self._outbox, self._channels, self._clock = outbox, channels, clock
        self._renderer = renderer or Renderer()
        self._trouble, self._trouble_s, self._in_trouble, self._was_paused = trouble, trouble_s, False, False
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        self._stop = stop
        while not stop.is_set():
            try:
                busy = self.step()
                self._recovered()
            except StoreUnavailable as exc:
                self._lost(exc)
                stop.wait(self._trouble_s)
            except LeaseLost as exc:
                _log.info("message_taken_over", detail=str(exc))
            except Exception:  # noqa: BLE001 - the top of a worker loop
                # The message keeps its lease and comes back when that runs out; the others go on.
                _log.exception("message_failed_unexpectedly")
                stop.wait(self._trouble_s)
            else:
                if not busy:
                    stop.wait(IDLE_S)

    def step(self) -> int:
        """Handle the most urgent message that is due; how many there were: 0 or 1."""
        if self._paused():
            return 0
        pending = self._outbox.take()
        if pending is None:
            return 0
        if pending.state is MessageState.SUBMITTING:
            self._find_out(pending)
        else:
            self._decide(pending)
        return 1

    def _paused(self) -> bool:
        paused = self._outbox.paused()
        if paused != self._was_paused:
            self._was_paused = paused
            _log.warning("sending_paused" if paused else "sending_resumed")
        return paused

    def _decide(self, pending: Pending) -> None:
        match release(pending, now=self._clock.now()):
            case Go(channel, address):
                self._submit(pending, channel, address=address)
            case Hold(until, refusal, reason):
                self._outbox.hold(pending, until=until, refusal=refusal, reason=reason)
            case Wait(reason):
                self._outbox.postpone(pending, after_s=WAIT_S, reason=reason)
            case Suppress(refusal, reason) if pending.refused and refusal is Refusal.NO_CHANNEL:
                self._outbox.failed(pending, refusal=Refusal.UNREACHABLE, reason=reason)
            case Suppress(refusal, reason):
                self._outbox.suppress(pending, refusal=refusal, reason=reason)

    def _submit(self, pending: Pending, channel: Channel, *, address: str) -> None:
        adapter = self._channels[channel]
        rendered = self._renderer.render(pending.stage, pending.brief, channel=channel, now=self._clock.now())
        self._report(pending, rendered)
        self._outbox.submitting(
            pending,
            channel=channel,
            address=address,
            content=rendered.content,
            provider=adapter.provider,
            patience_s=adapter.patience_s,
        )
        try:
            receipt = adapter.send(address, rendered.content, reference=reference(pending))
        except DeliveryError as exc:
            failure = exc
            self._insist(lambda: self._refused(pending, adapter, failure))
        else:
            self._insist(lambda: self._outbox.accepted(pending, receipt, attempt=pending.attempt + 1))

    def _report(self, pending: Pending, rendered: Rendered) -> None:
        if rendered.problem:
            _log.error("template_failed", message_id=pending.id, stage=pending.stage, detail=rendered.problem)
            self._outbox.template_failed(pending, detail=rendered.problem)

    def _refused(self, pending: Pending, adapter: ChannelAdapter, error: DeliveryError) -> None:
        reason = str(error)
        _log.warning("message_refused", message_id=pending.id, provider=adapter.provider, refusal=error.refusal)
        if error.retry is Retry.LOOK_UP:
            self._ask_later(pending, adapter, reason=reason)
        elif error.retry is Retry.SAFE:
            self._try_later(pending, error)
        elif error.refusal in _CHANNEL_REFUSED and len(open_channels(pending)) > 1:
            self._outbox.channel_refused(pending, refusal=error.refusal, reason=reason)
        else:
            self._outbox.failed(pending, refusal=error.refusal, reason=reason)

    def _try_later(self, pending: Pending, error: DeliveryError) -> None:
        if pending.attempt >= len(BACKOFF_S):
            reason = f"given up after {pending.attempt + 1} tries: {error}"
            self._outbox.failed(pending, refusal=error.refusal, reason=reason, dead=True)
            return
        # Tenths of jitter, so that a thousand messages do not come back in one second.
        pause = max(BACKOFF_S[pending.attempt] * random.uniform(0.9, 1.1), error.retry_after_s or 0.0)
        self._outbox.postpone(pending, after_s=pause, reason=str(error), refusal=error.refusal)

    def _ask_later(self, pending: Pending, adapter: ChannelAdapter, *, reason: str) -> None:
        if not (adapter.look_up_after_s or adapter.authoritative or adapter.repeatable):
            self._outbox.in_doubt(pending, reason=reason)
        else:
            pause = (*adapter.look_up_after_s, TROUBLE_S)[0]
            self._outbox.look_up_later(pending, after_s=pause, reason=reason, asked=False)

    def _find_out(self, pending: Pending) -> None:
        """Of a submission whose outcome nobody here knows: the process died, or the answer did not come."""
        adapter = self._channels[pending.channel] if pending.channel else None
        if adapter is None or adapter.provider != pending.provider:
            self._outbox.in_doubt(pending, reason=f"{pending.provider}, which may have taken it, is not configured now")
            return
        try:
            found = adapter.look_up(pending)
        except DeliveryError as exc:
            self._outbox.look_up_later(pending, after_s=ASK_AGAIN_S, reason=str(exc), asked=False)
            return
        if found is not None:
            self._outbox.accepted(pending, found, attempt=pending.attempt, by_look_up=True)
        elif pending.look_ups < len(adapter.look_up_after_s):
            pause = adapter.look_up_after_s[pending.look_ups]
            self._outbox.look_up_later(pending, after_s=pause, reason="the provider has not got it yet", asked=True)
        elif pending.attempt > len(BACKOFF_S):
            reason = f"given up: {pending.attempt} submissions never arrived"
            self._outbox.failed(pending, refusal=Refusal.UNREACHABLE, reason=reason, dead=True)
        elif adapter.authoritative or adapter.repeatable:
            why = "the provider never got it" if adapter.authoritative else "who has it already takes it once"
            self._outbox.not_taken(pending, reason=f"{why}; it is sent again")
        else:
            self._outbox.in_doubt(pending, reason=f"{adapter.provider} cannot say whether it took the message")

    def _insist(self, write: Callable[[], None]) -> None:
        """What the provider said is known only here until it is written, so a locked database is waited for."""
        while True:
            try:
                write()
            except StoreUnavailable as exc:
                self._lost(exc)
                if self._stop.wait(self._trouble_s):
                    # The next start finds it `submitting`, and asks the provider.
                    return
            else:
                self._recovered()
                return

    def _lost(self, error: StoreUnavailable) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            _log.warning("database_away", detail=str(error))
            self._trouble("waits for the database")

    def _recovered(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            _log.info("database_back")
            self._trouble(None)
