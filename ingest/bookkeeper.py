"""Writes the book's pages to the database about once a second; an outage makes the page longer, nothing is lost."""

import time

from domain.clock import Clock
from ingest.book import Book
from ingest.ledger import Notes

EVERY_S = 1.0
SOON_S = 0.1
"""When somebody's acknowledgement waits for the writing."""


class Bookkeeper:
    """Call `step` often, from one thread."""

    def __init__(self, book: Book, notes: Notes, clock: Clock) -> None:
        self._book, self._notes, self._clock = book, notes, clock
        self._written = time.monotonic()

    def step(self, *, at_once: bool = False) -> None:
        """Write the page if it is time. Raises StoreUnavailable; the page is kept and grows."""
        age = time.monotonic() - self._written
        if not at_once and age < (SOON_S if self._book.awaited else EVERY_S):
            return
        page = self._book.take()
        self._written = time.monotonic()
        if not page:
            return
        try:
            self._notes.write(page.heard, list(page.dead.values()), now=self._clock.now())
        except BaseException:
            self._book.put_back(page)
            raise
        for _, written in page.waiting:
            written()
