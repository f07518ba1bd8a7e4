"""What is to be noted in the database, merged until it is: readings never wait for it, acknowledgements a little."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from domain.intake import DeadLetter, Heard
from domain.telemetry import Uplink, Value

GRACE_S = 2.0
"""Dead letters and presence hold their messages back that long at most: a broker's window is small."""
MAX_DEAD_KEYS = 10_000
MANY = "(many)"
"""Counts dead letters of more devices than can be told apart."""


class Receipt:
    """Acknowledges a message when all that it holds has been dealt with."""

    def __init__(self, ack: Callable[[], None]) -> None:
        self._ack, self._parts, self._lock = ack, 1, threading.Lock()

    def hold(self) -> Callable[[], None]:
        """One part more; call what is returned when it is dealt with."""
        with self._lock:
            self._parts += 1
        return self.done

    def done(self) -> None:
        """One part less."""
        with self._lock:
            self._parts -= 1
            finished = self._parts == 0
        if finished:
            self._ack()


@dataclass(slots=True)
class Page:
    """What has come together since the last writing."""

    heard: dict[str, Heard] = field(default_factory=dict)
    dead: dict[tuple[str, str], DeadLetter] = field(default_factory=dict)
    waiting: list[tuple[float | None, Callable[[], None]]] = field(default_factory=list)
    """Who waits for the writing, and until when (monotonic) at most."""

    def __bool__(self) -> bool:
        return bool(self.heard or self.dead or self.waiting)


class Book:
    """Notes from the batcher's thread, pages for the bookkeeper's."""

    def __init__(self) -> None:
        self._page, self._lock = Page(), threading.Lock()
        self.dead_letters = 0

    def heard(self, device_id: str, *, at: int) -> None:
        """A sign of life."""
        with self._lock:
            entry = self._entry(device_id)
            entry.last_seen = max(at, entry.last_seen or 0)

    def readings(self, uplink: Uplink) -> None:
        """The newest value of each metric, by event time."""
        with self._lock:
            values = self._entry(uplink.device_id).values
            for sample in uplink.samples:
                for name, value in sample.values.items():
                    _newest(values, name, sample.event_time, value)

    def presence(self, device_id: str, presence: str, *, at: int, written: Callable[[], None]) -> None:
        """Online or offline."""
        with self._lock:
            entry = self._entry(device_id)
            entry.presence, entry.presence_at = presence, at
            self._page.waiting.append((time.monotonic() + GRACE_S, written))

    def reported(self, device_id: str, attributes: dict[str, Value], *, written: Callable[[], None]) -> None:
        """Attributes; `written` is called once the database has them, however long that takes."""
        with self._lock:
            self._entry(device_id).reported.update(attributes)
            self._page.waiting.append((None, written))

    def dead(self, letter: DeadLetter, *, written: Callable[[], None] | None = None) -> None:
        """Bad input."""
        with self._lock:
            self.dead_letters += letter.count
            _count(self._page.dead, letter)
            if written:
                self._page.waiting.append((time.monotonic() + GRACE_S, written))

    @property
    def awaited(self) -> bool:
        """Whether an acknowledgement waits for the page to be written."""
        return bool(self._page.waiting)

    def take(self) -> Page:
        """The page so far; a new one begins."""
        with self._lock:
            page, self._page = self._page, Page()
            return page

    def put_back(self, page: Page) -> None:
        """It could not be written: it goes under what has come meanwhile."""
        with self._lock:
            later, self._page = self._page, page
            for device_id, entry in later.heard.items():
                _merge(self._entry(device_id), entry)
            for letter in later.dead.values():
                _count(page.dead, letter)
            page.waiting.extend(later.waiting)

    def release_impatient(self) -> None:
        """Let those go who have waited long enough; their note stays on the page."""
        now = time.monotonic()
        with self._lock:
            ended = [call for until, call in self._page.waiting if until is not None and until <= now]
            self._page.waiting = [item for item in self._page.waiting if item[0] is None or item[0] > now]
        for call in ended:
            call()

    def _entry(self, device_id: str) -> Heard:
        return self._page.heard.setdefault(device_id, Heard())


def _merge(older: Heard, newer: Heard) -> None:
    older.last_seen = max(older.last_seen or 0, newer.last_seen or 0) or None
    if newer.presence is not None:
        older.presence, older.presence_at = newer.presence, newer.presence_at
    older.reported.update(newer.reported)
    for name, (at, value) in newer.values.items():
        _newest(older.values, name, at, value)


def _newest(values: dict[str, tuple[int, Value]], name: str, at: int, value: Value) -> None:
    if name not in values or values[name][0] <= at:
        values[name] = (at, value)


def _count(dead: dict[tuple[str, str], DeadLetter], letter: DeadLetter) -> None:
    key = (letter.device_id, letter.reason)
    if key not in dead and len(dead) >= MAX_DEAD_KEYS:
        key, letter = (MANY, letter.reason), replace(letter, device_id=MANY)
    known = dead.get(key)
    dead[key] = replace(known, count=known.count + letter.count, at=letter.at) if known else letter
