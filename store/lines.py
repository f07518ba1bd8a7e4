"""Lines to providers at rest: circuit breakers and paces that all sending processes share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain.delivery import Accepted, ChannelRefused, Ended, Postponed, Step, Submitting, Unknown
from domain.lines import LONGEST_TURN_S, Bucket, Circuit, Heard, Line, rate_of
from domain.messages import Refusal
from store import events
from store.locking import locked
from store.tables import CircuitRow, Message, SenderPace
from store.upsert import insert_once

_ANSWERS = frozenset({Refusal.BAD_ADDRESS, Refusal.OPTED_OUT, Refusal.REJECTED, Refusal.RATE_LIMITED})
"""What a provider says that is well."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A line that is out of order, for people to see."""

    line: Line
    opened_at: datetime
    retry_at: float
    """Epoch seconds."""
    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why a message may not be submitted now, and how many real seconds it waits."""

    after_s: float
    reason: str
    refusal: Refusal


def breakers(session: Session) -> list[Breaker]:
    """The lines that are out of order."""
    rows = session.scalars(select(CircuitRow).where(CircuitRow.retry_at.is_not(None)).order_by(CircuitRow.opened_at))
    return [
        Breaker(_line(row), row.opened_at, row.retry_at, row.reason) for row in rows if row.opened_at and row.retry_at
    ]


def broken(session: Session, *, wall_s: float) -> frozenset[Line]:
    """The lines on which nothing may be submitted now."""
    return frozenset(_line(row) for row in session.scalars(select(CircuitRow).where(CircuitRow.retry_at > wall_s)))


def trip(session: Session, line: Line, reason: str, *, now: datetime, wall_s: float) -> None:
    """A receipt says that a provider takes nothing from this sender: what it accepted, it did not deliver."""
    heard = LineBook(session, {}, now=now, wall_s=wall_s)
    heard.open([line])
    heard.hear(line, 0, Heard(ours=reason))
    heard.close()


def heard_in(step: Step) -> Heard | None:
    """What a step of a delivery says about its line; None: nothing."""
    match step:
        case Accepted(by_look_up=False):
            return Heard(good=1)
        case Unknown(asked=False):
            return Heard(doubtful=1)
        case ChannelRefused(refusal=Refusal.UNKNOWN_OUTCOME) | Postponed(refusal=Refusal.UNREACHABLE):
            # Not even a connection is as bad a sign as no answer.
            return Heard(doubtful=1)
        case (Postponed() | ChannelRefused() | Ended()) as refused if refused.refusal is Refusal.MISCONFIGURED:
            return Heard(ours=refused.reason)
        case (Postponed() | ChannelRefused() | Ended()) as refused if refused.refusal in _ANSWERS:
            return Heard(good=1)
        case _:
            return None


class LineBook:
    """The lines that one transaction has to do with: locked in order, changed in memory, written once at the end."""

    def __init__(self, session: Session, rates: Mapping[str, float], *, now: datetime, wall_s: float) -> None:
        """`rates`: segments a second, by sender; 0 means no limit."""
        self._session, self._rates, self._now, self._wall_s = session, dict(rates), now, wall_s
        self._circuits: dict[Line, CircuitRow] = {}
        self._before: dict[Line, Circuit] = {}
        self._now_are: dict[Line, Circuit] = {}
        self._heard: dict[Line, Heard] = {}
        self._canaries: dict[Line, Heard] = {}
        self._paces: dict[str, SenderPace] = {}
        self._turns: dict[str, float] = {}

    def open(self, lines: Iterable[Line]) -> None:
        """Lock what is known of `lines`."""
        for line in sorted(set(lines)):
            self._circuits[line] = row = self._circuit_row(line)
            names = ("good", "doubtful", "since", "retry_at", "canary", "trips", "reason")
            self._before[line] = self._now_are[line] = Circuit(**{name: getattr(row, name) for name in names})
        for sender in sorted({line.sender for line in self._circuits}):
            if pace := self._pace_row(sender):
                self._paces[sender] = pace

    def admit(self, message_id: int, line: Line, segments: int, *, danger: bool) -> NotNow | None:
        """Whether it may be submitted now; if so, it has taken its tokens, or is the one that tries an open line."""
        circuit = self._now_are[line]
        if circuit.closed_to(self._wall_s):
            left = (circuit.retry_at or 0.0) - self._wall_s
            return NotNow(min(left, LONGEST_TURN_S), "the way there is out of order just now", Refusal.CIRCUIT_OPEN)
        if wait_s := self._turn(line.sender, segments, danger=danger):
            return NotNow(wait_s, "waits its turn: this sender may send only so much at once", Refusal.RATE_LIMITED)
        if circuit.retry_at is not None:
            self._now_are[line] = circuit.try_with(message_id, now_s=self._wall_s)
        return None

    def hear(self, line: Line, message_id: int, heard: Heard) -> None:
        """An answer to `message_id`."""
        if self._before[line].canary == message_id:
            self._canaries[line] = heard
        old = self._heard.get(line, Heard())
        self._heard[line] = Heard(old.good + heard.good, old.doubtful + heard.doubtful, old.ours or heard.ours)

    def slow_down(self, sender: str, seconds: float) -> None:
        """The provider asked this sender to."""
        pace = self._paces.get(sender) or self._new_pace(sender, tokens=0.0)
        pace.slow_until = max(pace.slow_until, self._wall_s + seconds)

    def close(self) -> None:
        """Write what has changed, and tell of lines that broke or work again."""
        for line, heard in self._heard.items():
            after = self._now_are[line].after(heard, canary=self._canaries.get(line), now_s=self._wall_s)
            self._now_are[line] = after
        for line, after in self._now_are.items():
            if after == self._before[line]:
                continue
            row = self._circuits[line]
            for name, value in asdict(after).items():
                setattr(row, name, value)
            self._tell(line, row, was_open=self._before[line].retry_at is not None)

    def _tell(self, line: Line, row: CircuitRow, *, was_open: bool) -> None:
        is_open = row.retry_at is not None
        if is_open == was_open:
            return
        row.opened_at = self._now if is_open else None
        what = {"circuit.opened": {"reason": row.reason}} if is_open else {"circuit.closed": {}}
        for kind, detail in what.items():
            events.publish(self._session, kind, at=self._now, provider=line.provider, country=line.country, **detail)

    def _turn(self, sender: str, segments: int, *, danger: bool) -> float:
        """Seconds until its turn; 0, and the tokens are taken, if that is now."""
        pace, rate = self._paces.get(sender), rate_of(sender, self._rates)
        if pace is not None and pace.slow_until > self._wall_s:
            return pace.slow_until - self._wall_s
        if rate is None:
            return 0.0
        pace = pace or self._new_pace(sender, tokens=rate.burst)
        bucket = Bucket(pace.tokens, pace.at).refilled(rate, now_s=self._wall_s)
        wait_s = bucket.wait_s(segments, rate, danger=danger)
        if wait_s > 0:
            # Those that wait come back one after the other.
            turn = self._turns[sender] = self._turns.get(sender, 0.0) + segments / rate.per_s
            return min(wait_s + turn, LONGEST_TURN_S)
        pace.tokens, pace.at = bucket.without(segments).tokens, bucket.at
        return 0.0

    def _circuit_row(self, line: Line) -> CircuitRow:
        key = {"provider": line.provider, "sender": line.sender, "country": line.country}
        query = locked(select(CircuitRow).filter_by(**key))
        row = self._session.scalar(query)
        if row is None:
            insert_once(self._session, CircuitRow, **key, good=0, doubtful=0, since=self._wall_s, trips=0, reason="")
            row = self._session.scalars(query).one()
        return row

    def _pace_row(self, sender: str) -> SenderPace | None:
        return self._session.scalar(locked(select(SenderPace).where(SenderPace.sender == sender)))

    def _new_pace(self, sender: str, *, tokens: float) -> SenderPace:
        insert_once(self._session, SenderPace, sender=sender, tokens=tokens, at=self._wall_s, slow_until=0.0)
        found = self._paces[sender] = self._session.scalars(
            locked(select(SenderPace).where(SenderPace.sender == sender))
        ).one()
        return found


def line_of(message: Message, step: Step) -> Line | None:
    """The line that a step is about."""
    if isinstance(step, Submitting):
        return step.line
    if message.provider is None:
        return None
    return Line(message.provider, message.sender or "", message.country or "")


def lines_of(rows: Mapping[int, Message], reports: Sequence[tuple[int, Step]]) -> set[Line]:
    """The lines that a batch of steps, by message id, has to do with."""
    concerned = (
        (rows[number], step) for number, step in reports if isinstance(step, Submitting) or heard_in(step) is not None
    )
    return {line for message, step in concerned if (line := line_of(message, step))}


def _line(row: CircuitRow) -> Line:
    return Line(row.provider, row.sender, row.country)
