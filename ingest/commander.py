"""Sends device commands over MQTT, each once, and passes on what the devices answer."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from domain.clock import Clock, from_ms
from domain.intake import DeadLetter, Outgoing
from ingest.book import Book
from ingest.connection import Published
from ingest.decode import Answer, dead_letter
from ingest.ledger import CommandAnswers, CommandOutbox
from ingest.topics import Reason

log = structlog.get_logger()

PUBLISH_TIMEOUT_S = 5.0

Publish = Callable[[str, bytes], Published]
"""Publishes (topic, payload) at QoS 1, and says what became of it."""


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: Answer
    device_id: str
    at: int
    done: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Outcome:
    command_id: str
    published: Published
    at: datetime
    """Before it left, so that it never looks younger than the device's answer."""


class Commander:
    """Call `step` often, from one thread; `answered` may be called from any."""

    def __init__(
        self,
        outbox: CommandOutbox,
        answers: CommandAnswers,
        publish: Publish,
        book: Book,
        clock: Clock,
        *,
        ready: Callable[[], bool],
    ) -> None:
        self._outbox, self._answers, self._publish, self._book = outbox, answers, publish, book
        self._clock, self._ready = clock, ready
        self._resumed = False
        self._to_send: deque[Outgoing] = deque()
        self._outcomes: deque[_Outcome] = deque()
        self._waiting: deque[_Answered] = deque()
        self._lock = threading.Lock()

    def answered(self, answer: Answer, device_id: str, *, at: int, done: Callable[[], None]) -> None:
        """A device answered; `done` is called once that has had its effect."""
        with self._lock:
            self._waiting.append(_Answered(answer, device_id, at, done))

    def step(self) -> None:
        """What was sent, what was answered, then what is queued.

        Raises StoreUnavailable; nothing is lost or repeated by the next step.
        """
        self._settle()
        self._pass_answers_on()
        if not self._ready():
            return
        if not self._to_send:
            self._to_send.extend(self._next())
        while self._to_send:
            # Off the list before it is published: whatever happens next, it is not published twice.
            self._submit(self._to_send.popleft())
            self._settle()

    def _pass_answers_on(self) -> None:
        while self._waiting:
            item = self._waiting[0]
            if self._outbox.addressee(item.answer.command_id) == item.device_id:
                self._answers.finished(item.answer.command_id, item.answer.status, item.answer.detail, from_ms(item.at))
            else:
                self._book.dead(_stray(item))
            with self._lock:
                self._waiting.popleft()
            item.done()

    def _next(self) -> Sequence[Outgoing]:
        if self._resumed:
            return self._outbox.take()
        # After a start: what can be said twice is said again, the rest waits for its answer or its time-out.
        interrupted = self._outbox.interrupted()
        self._resumed = True
        return interrupted

    def _submit(self, command: Outgoing) -> None:
        payload = msgspec.json.encode({"id": command.id, "name": command.name, "args": command.args})
        now = self._clock.now()
        outcome = self._publish(f"devices/{command.device_id}/commands", payload)
        log.info("command", command_id=command.id, device_id=command.device_id, name=command.name, outcome=outcome)
        if outcome is Published.UNKNOWN:
            self._resumed = False
        else:
            self._outcomes.append(_Outcome(command.id, outcome, now))

    def _settle(self) -> None:
        """The broker's word may come while the database is away: it is noted later, not forgotten."""
        while self._outcomes:
            outcome = self._outcomes[0]
            if outcome.published is Published.ACKNOWLEDGED:
                self._outbox.sent(outcome.command_id, now=outcome.at)
            else:
                self._outbox.give_back(outcome.command_id)
            self._outcomes.popleft()


def _stray(item: _Answered) -> DeadLetter:
    return dead_letter(
        Reason.UNKNOWN_COMMAND,
        "no command with this id was sent to this device",
        device_id=item.device_id,
        topic=f"devices/{item.device_id}/commands/{item.answer.command_id}",
        payload=msgspec.json.encode({"status": item.answer.status, "detail": item.answer.detail}),
        at=item.at,
    )
