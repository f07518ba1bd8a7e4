"""Each step of a delivery, written to its message's row, its attempts, the timeline and the feed."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from domain.delivery import (
    Accepted,
    ChannelRefused,
    Ended,
    Folded,
    GivenBack,
    Held,
    InDoubt,
    NotTaken,
    Postponed,
    Step,
    Submitting,
    Unknown,
)
from domain.faults import Severity
from domain.messages import REACHED, MessageState, Refusal, advances
from domain.outbox import Pending
from store import deliveries, receipts, summaries, template_alerts
from store.brakes import BrakeBook
from store.caps import CapBook
from store.lines import LineBook, heard_in, line_of
from store.tables import Message


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes in one transaction at `now` by the clock, which is `wall_s` by the epoch."""

    session: Session
    lines: LineBook
    brakes: BrakeBook
    caps: CapBook
    now: datetime
    wall_s: float
    lost: list[int] = field(default_factory=list)
    """Messages that another sender has taken over."""

    def write(self, message: Message, pending: Pending, step: Step) -> bool:
        """Whether it is so now; False, and at most an attempt noted, if the message was lost or has to wait."""
        if (heard := heard_in(step)) and (line := line_of(message, step)):
            self.lines.hear(line, message.id, heard)
        if isinstance(step, Accepted):
            return self._accepted(message, step)
        if message.lease != pending.lease:
            self.lost.append(message.id)
            return False
        if isinstance(step, Submitting) and not self._admitted(message, pending, step):
            return False
        match step:
            case Held():
                self._note_wait(message, "held", reason=step.reason, refusal=step.refusal)
                self.brakes.held(message, pending, step)
                message.state, message.not_before, message.lease_until = MessageState.HELD, step.until, None
            case Folded(until, refusal, reason):
                summaries.fold(
                    self.session, message, pending, until=until, refusal=refusal, reason=reason, now=self.now
                )
            case Postponed():
                self._postponed(message, step)
            case GivenBack(after_s):
                message.lease_until = self.wall_s + after_s
            case Submitting():
                self._submitting(message, pending, step)
            case Unknown():
                self._unknown(message, step)
            case NotTaken(reason):
                self._attempt(message, "look_up", outcome="not_taken", detail=reason)
                message.state, message.reason, message.lease_until = MessageState.READY, reason, None
            case InDoubt(reason):
                self._in_doubt(message, reason)
            case ChannelRefused():
                self._channel_refused(message, step)
            case Ended():
                self._ended(message, step)
        return True

    def _admitted(self, message: Message, pending: Pending, step: Submitting) -> bool:
        if not (self.caps.has_room(pending, step.channel) and self.brakes.has_room(pending, step)):
            # Others came first, or more was said to this person meanwhile: it is decided on afresh.
            message.lease_until = None
            return False
        danger = pending.brief.severity is Severity.SAFETY
        obstacle = self.lines.admit(message.id, step.line, step.segments, danger=danger)
        if obstacle is None:
            self.caps.count(pending, step.channel)
            self.brakes.count(pending, step)
            return True
        if obstacle.refusal is Refusal.CIRCUIT_OPEN:
            self._note_wait(message, "waiting", reason=obstacle.reason, refusal=obstacle.refusal)
        message.reason, message.lease_until = obstacle.reason, self.wall_s + obstacle.after_s
        return False

    def _attempt(self, message: Message, kind: str, *, outcome: str, code: str = "", detail: str = "") -> None:
        deliveries.attempt(self.session, message, kind, outcome=outcome, code=code, detail=detail, at=self.now)

    def _tell(self, message: Message, what: str, *, reason: str, refusal: Refusal | None = None) -> None:
        deliveries.tell(self.session, message, what, at=self.now, reason=reason, refusal=refusal)

    def _note_wait(self, message: Message, what: str, *, reason: str, refusal: Refusal | None) -> None:
        if message.reason != reason:
            message.reason = reason
            self._tell(message, what, reason=reason, refusal=refusal)

    def _postponed(self, message: Message, step: Postponed) -> None:
        self._note_wait(message, "retry" if step.refusal else "waiting", reason=step.reason, refusal=step.refusal)
        if step.refusal and message.state == MessageState.SUBMITTING:
            self._attempt(message, "submit", outcome=step.refusal, detail=step.reason)
        if step.slow_s and message.sender is not None:
            self.lines.slow_down(message.sender, step.slow_s)
        message.state, message.lease_until = MessageState.READY, self.wall_s + step.after_s

    def _submitting(self, message: Message, pending: Pending, step: Submitting) -> None:
        content = step.content
        message.channel, message.address, message.segments = step.channel, step.address, step.segments
        message.cost = step.cost
        message.provider, message.sender, message.country = step.line.provider, step.line.sender, step.line.country
        message.subject, message.body, message.html = content.subject or None, content.text, content.html or None
        summaries.released(self.session, message, overrides=step.overrides, parts=step.parts, now=self.now)
        message.template = content.template or None
        for one in step.failures:
            self._attempt(message, "render", outcome=Refusal.TEMPLATE, detail=one.problem)
            self._tell(message, "template_failed", reason=one.problem)
            template_alerts.alert(self.session, message, template=one.template, problem=one.problem, now=self.now)
        message.state, message.reason = MessageState.SUBMITTING, None
        message.attempts, message.look_ups = pending.attempt + 1, 0
        message.lease_until = self.wall_s + step.patience_s
        self._attempt(message, "submit", outcome=MessageState.SUBMITTING)

    def _accepted(self, message: Message, step: Accepted) -> bool:
        told = step.told
        ours = message.attempts == step.attempt and message.provider_id in {None, told.provider_id}
        kind = "look_up" if step.by_look_up else "submit"
        # If something was submitted since, it stands in the attempts that this one was taken too.
        self._attempt(message, kind, outcome=told.state, code=told.code, detail=told.provider_id)
        if ours and advances(MessageState(message.state), told.state):
            deliveries.take_acceptance(self.session, message, told, at=self.now)
            if told.state in REACHED:
                message.state = told.state
            else:
                # Taken, and turned down since: as if the receipt had come.
                self.session.flush()
                receipts.receipt(self.session, told, now=self.now, message_id=message.id)
        elif not ours:
            self.lost.append(message.id)
        return ours

    def _unknown(self, message: Message, step: Unknown) -> None:
        message.look_ups += step.asked
        kind, outcome = ("look_up", "not_found") if step.asked else ("submit", str(Refusal.UNKNOWN_OUTCOME))
        self._attempt(message, kind, outcome=outcome, detail=step.reason)
        message.reason, message.lease_until = step.reason, self.wall_s + step.after_s

    def _in_doubt(self, message: Message, reason: str) -> None:
        self._attempt(message, "look_up", outcome=MessageState.IN_DOUBT, detail=reason)
        message.state, message.reason, message.lease_until = MessageState.IN_DOUBT, reason, None
        self._tell(message, "in_doubt", reason=reason, refusal=Refusal.UNKNOWN_OUTCOME)

    def _channel_refused(self, message: Message, step: ChannelRefused) -> None:
        self._attempt(message, "submit", outcome=step.refusal, detail=step.reason)
        self._tell(message, "channel_refused", reason=step.reason, refusal=step.refusal)
        self._refuse_channel(message, step)
        deliveries.on_to_the_next_channel(message)

    def _refuse_channel(self, message: Message, step: ChannelRefused | Ended) -> None:
        deliveries.refuse_channel(self.session, message, refusal=step.refusal, detail=step.reason, at=self.now)

    def _ended(self, message: Message, step: Ended) -> None:
        if message.state == MessageState.SUBMITTING:
            self._attempt(message, "submit", outcome=step.refusal, detail=step.reason)
        if step.refusal in deliveries.FOR_GOOD and message.state == MessageState.SUBMITTING:
            self._refuse_channel(message, step)
        deliveries.settle(self.session, message, step.state, reason=step.reason, refusal=step.refusal, at=self.now)
