"""Ids drawn ahead, so that rows can name each other before any of them is written, and are then written all at once."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.tables import Base


class Reserve:
    """Ids of one table. All of its rows that the transaction adds while the reserve is in use take theirs from it.

    PostgreSQL: drawn from the table's sequence. SQLite knows none and gives the next after the highest; so do we, in a
    transaction that is the only writer (BEGIN IMMEDIATE).
    """

    def __init__(self, session: Session, table: type[Base], count: int) -> None:
        self._session, self._table = session, table
        self._last = 0
        self._ids = deque(self._reserved(count))

    def draw(self) -> int:
        """The next one."""
        if not self._ids:
            with self._session.no_autoflush:
                self._ids.extend(self._reserved(1))
        self._last = self._ids.popleft()
        return self._last

    def _reserved(self, count: int) -> Sequence[int]:
        if not count:
            return ()
        table: Any = self._table.__table__
        if self._session.get_bind().dialect.name == "postgresql":
            draw = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
            return self._session.scalars(select(draw).select_from(func.generate_series(1, count).alias())).all()
        highest = max(self._session.scalar(select(func.max(table.c.id))) or 0, self._last)
        return range(highest + 1, highest + 1 + count)
