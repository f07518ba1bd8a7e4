"""The loop of the notify role: takes what is due, decides, writes, submits, and never sends blindly twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from domain.clock import Clock
from domain.delivery import (
    Accepted,
    Ended,
    Folded,
    GivenBack,
    Held,
    Lane,
    Postponed,
    Step,
    Submitting,
    Unknown,
    lane_of,
)
from domain.errors import DeliveryError, StoreUnavailable
from domain.lines import Line
from domain.messages import Channel, MessageState, Refusal
from domain.outbox import Pending
from notify import summary
from notify.channels.base import ChannelAdapter
from notify.channels.country import country_of
from notify.channels.reference import reference
from notify.outcomes import ASK_AGAIN_S, after_look_up, after_refusal, doubtful, expired
from notify.pool import Pool
from notify.pricing import price
from notify.release import Fold, Go, Hold, Release, Suppress, Wait, open_channels, release
from notify.render import Renderer

_log = structlog.get_logger()

BATCH = 64
"""How many messages are taken at once, and how many may wait for a free slot."""
URGENT = 8
"""How many that have to do with danger are taken beyond that."""
IDLE_S = 0.1
LINGER_S = 0.01
"""What is answered within this time is written together."""
GATHER_S = 0.1
"""While fewer than a batch are due, a round begins so long after the one before: many at once are much less work."""
TROUBLE_S = 1.0
WAIT_S = 1.0
SLOT_WAIT_S = 2.0
"""How long a decision may wait for a free slot; then it is made afresh."""
GIVE_BACK_S = 0.5

Report = tuple[Pending, Step]

_STATE_OF = {Refusal.SUPERSEDED: MessageState.SUPERSEDED, Refusal.EXPIRED: MessageState.EXPIRED}
"""What some reasons not to send say of a message better than `suppressed`."""


class Decide(Protocol):
    """Whether a message may go out: `notify.release.release`, or the same with other stages."""

    def __call__(self, pending: Pending, *, now: datetime) -> Release: ...


class Outbox(Protocol):
    """What the sender asks of the store; `store.outbox.SqlOutbox` is the one. All raise StoreUnavailable."""

    def paused(self) -> bool:
        """Whether nothing may go out."""
        ...

    def broken(self) -> Collection[Line]:
        """The lines on which nothing may be submitted now."""
        ...

    def take(self, limit: int, *, urgent: bool = False) -> Sequence[Pending]:
        """Lease what is due, most urgent first, at most one message a person; `urgent`: only of danger."""
        ...

    def write(self, reports: Sequence[Report]) -> Sequence[Report]:
        """All in one transaction. Those that are so now: the rest was taken over, or has to wait."""
        ...


@dataclass(frozen=True, slots=True)
class _Decided:
    """May go out, and waits for a free slot."""

    pending: Pending
    go: Go
    lane: Lane
    since: float


class Sender:
    """Sends what is due, in batches; as many senders as wanted may run beside each other."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[Channel, ChannelAdapter],
        clock: Clock,
        *,
        renderer: Renderer | None = None,
        decide: Decide = release,
        trouble: Callable[[str | None], None] = lambda _line: None,
        trouble_s: float = TROUBLE_S,
    ) -> None:
        """`trouble` hears one line when the database goes away, and None when it is back."""
        self._outbox, self._channels, self._clock = outbox, channels, clock
        self._renderer, self._release = renderer or Renderer(), decide
        self._trouble, self._trouble_s, self._in_trouble, self._was_paused = trouble, trouble_s, False, False
        self._stop = threading.Event()
        self._pool: Pool[Step] = Pool()
        self._decided: list[_Decided] = []

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; what is in a provider's hands by then is waited for."""
        self._stop = stop
        while not stop.is_set():
            began = time.monotonic()
            try:
                taken = self._round()
                self._recovered()
                if 0 < taken < BATCH:
                    stop.wait(max(0.0, began + GATHER_S - time.monotonic()))
                if self._pool.in_flight:
                    self._collect(wait_s=LINGER_S if taken else IDLE_S)
                elif not taken:
                    stop.wait(IDLE_S)
            except StoreUnavailable as exc:
                self._lost(exc)
                stop.wait(self._trouble_s)
            except Exception:  # noqa: BLE001 - the top of a worker loop
                # The messages keep their leases and come back when those run out; the others go on.
                _log.exception("round_failed_unexpectedly")
                stop.wait(self._trouble_s)
        self._decided.clear()
        self._finish()
        self._pool.close()

    def step(self) -> int:
        """Handle what is due, until each provider has answered; how many messages there were."""
        taken = self._round()
        self._finish()
        return taken

    def _finish(self) -> None:
        while self._pool.in_flight or self._decided:
            self._collect(wait_s=IDLE_S)
            self._write(self._start())

    def _round(self) -> int:
        if self._paused():
            self._decided.clear()
            return 0
        room = BATCH - len(self._decided)
        taken = self._outbox.take(room) if room > 0 else self._outbox.take(URGENT, urgent=True)
        broken = self._outbox.broken() if taken else ()
        reports = [(one, step) for one in taken if (step := self._consider(one, broken))]
        self._write(reports + self._start())
        return len(taken)

    def _paused(self) -> bool:
        paused = self._outbox.paused()
        if paused != self._was_paused:
            self._was_paused = paused
            _log.warning("sending_paused" if paused else "sending_resumed")
        return paused

    def _around(self, pending: Pending, broken: Collection[Line]) -> Pending:
        """Without the channels that have no provider here, and those out of order while another one is open."""
        missing = set(Channel) - set(self._channels)
        pending = replace(pending, refused=pending.refused | missing)
        ways = open_channels(pending) if broken else []
        out = {way for way in ways if self._line(pending, way, pending.brief.recipient.address(way) or "") in broken}
        return replace(pending, refused=pending.refused | out) if len(out) < len(ways) else pending

    def _line(self, pending: Pending, channel: Channel, address: str) -> Line:
        adapter = self._channels[channel]
        # A number of the maker's own has its own pace; whose name is on a mail changes nothing for the server.
        own = pending.brief.origins.get(channel) if channel is Channel.SMS else None
        return Line(adapter.provider, own or adapter.sender, country_of(address))

    def _consider(self, pending: Pending, broken: Collection[Line]) -> Step | None:
        """What is decided about it at once; None if it waits for a slot, or for a provider's word."""
        if pending.state is MessageState.SUBMITTING:
            return self._find_out(pending)
        if too_late := expired(pending, now=self._clock.now()):
            return too_late
        match self._release(self._around(pending, broken), now=self._clock.now()):
            case Go() as go:
                lane = lane_of(pending.stage, pending.brief.severity)
                self._decided.append(_Decided(pending, go, lane, time.monotonic()))
                return None
            case Hold(until, refusal, reason):
                return Held(until, refusal, reason)
            case Fold(until, refusal, reason):
                return Folded(until, refusal, reason)
            case Wait(reason):
                return Postponed(WAIT_S, reason)
            case Suppress(refusal, reason) if pending.refused and refusal is Refusal.NO_CHANNEL:
                return Ended(MessageState.FAILED, Refusal.UNREACHABLE, reason)
            case Suppress(refusal, reason):
                return Ended(_STATE_OF.get(refusal, MessageState.SUPPRESSED), refusal, reason)

    def _find_out(self, pending: Pending) -> Step | None:
        """Of a submission whose outcome nobody here knows: the process died, or the answer did not come."""
        adapter = self._channels.get(pending.channel) if pending.channel else None
        if adapter is None or adapter.provider != pending.provider:
            reason = f"{pending.provider}, which may have taken it, is not configured now"
            return doubtful(pending, reason, tries=pending.tries)
        if not self._pool.free(adapter.provider, urgent=True):
            return GivenBack(GIVE_BACK_S)
        self._pool.call(adapter.provider, pending, _look_up, pending, adapter)
        return None

    def _start(self) -> list[Report]:
        """Of what may go out, that for which there is a free slot now; danger finds one where others do not."""
        reports: list[Report] = []
        waiting: list[_Decided] = []
        starting: Counter[str] = Counter()
        for one in sorted(self._decided, key=lambda one: one.lane):
            provider = self._channels[one.go.channel].provider
            if self._pool.free(provider, urgent=one.lane is Lane.DANGER) > starting[provider]:
                starting[provider] += 1
                reports.append((one.pending, self._submitting(one.pending, one.go)))
            elif time.monotonic() - one.since > SLOT_WAIT_S:
                reports.append((one.pending, GivenBack(GIVE_BACK_S)))
            else:
                waiting.append(one)
        self._decided = waiting
        return reports

    def _submitting(self, pending: Pending, go: Go) -> Submitting:
        adapter = self._channels[go.channel]
        brief = summary.brief_of(pending, go.parts)
        rendered = self._renderer.render(pending.stage, brief, channel=go.channel, now=self._clock.now())
        for failure in rendered.failures:
            _log.error("template_failed", message_id=pending.id, template=failure.template, detail=failure.problem)
        line, prices = self._line(pending, go.channel, go.address), pending.brief.brakes.prices
        count, cost = price(go.channel, rendered.content, prices, country=line.country)
        return Submitting(
            go.channel,
            go.address,
            replace(rendered.content, origin=brief.origins.get(go.channel, "")),
            line,
            adapter.patience_s,
            segments=count,
            cost=cost,
            failures=rendered.failures,
            overrides=go.overrides,
            parts=go.parts,
        )

    def _write(self, reports: Sequence[Report]) -> None:
        """Write what was decided; what is written as `submitting` is handed to its provider."""
        for pending, step in self._written(reports) if reports else ():
            if isinstance(step, Submitting):
                adapter = self._channels[step.channel]
                self._pool.call(adapter.provider, pending, _send, pending, adapter, step)

    def _written(self, reports: Sequence[Report]) -> Sequence[Report]:
        """Those that are so now. One that cannot be written takes no other along."""
        try:
            return self._outbox.write(reports)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - each is tried alone
            if len(reports) == 1:
                _log.exception("message_failed_unexpectedly", message_id=reports[0][0].id)
                return ()
            return [found for report in reports for found in self._written([report])]

    def _collect(self, *, wait_s: float) -> None:
        """Write what providers have answered; waits up to `wait_s` for the first of them."""
        reports: list[Report] = []
        for pending, answer in self._pool.answers(wait_s=wait_s, linger_s=LINGER_S):
            try:
                reports.append((pending, answer.result()))
            except Exception:  # noqa: BLE001 - what happened in another thread
                # It stays `submitting`, and the provider is asked.
                _log.exception("message_failed_unexpectedly", message_id=pending.id)
        if reports:
            self._insist(reports)

    def _insist(self, reports: Sequence[Report]) -> None:
        """What the provider said is known only here until it is written, so a locked database is waited for."""
        while True:
            try:
                self._written(reports)
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


def _send(pending: Pending, adapter: ChannelAdapter, step: Submitting) -> Step:
    try:
        receipt = adapter.send(step.address, step.content, reference=reference(pending))
    except DeliveryError as exc:
        _log.warning("message_refused", message_id=pending.id, provider=adapter.provider, refusal=exc.refusal)
        return after_refusal(pending, adapter, exc)
    return Accepted(receipt, attempt=pending.attempt + 1)


def _look_up(pending: Pending, adapter: ChannelAdapter) -> Step:
    try:
        found = adapter.look_up(pending)
    except DeliveryError as exc:
        return Unknown(ASK_AGAIN_S, str(exc))
    return after_look_up(pending, adapter, found)
