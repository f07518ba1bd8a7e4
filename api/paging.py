"""Lists a page at a time: `{"items": […], "next": cursor or null}`, ordered by a key that does not move."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.ids import LARGEST
from domain.errors import SourceError
from store.tables.base import UtcDateTime

Item = TypeVar("Item")
MAX_LIMIT = 500


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = None
    """Give it back as `cursor` for the page after this one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which page is wanted."""

    limit: int
    cursor: str | None


def _wanted(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many at most")] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Slice:
    return Slice(limit, cursor)


Wanted = Annotated[Slice, Depends(_wanted)]
"""Handlers declare `wanted: Wanted`."""


def page_of(
    session: Session,
    query: Select[Any],
    key: InstrumentedAttribute[Any],
    wanted: Slice,
    *,
    newest_first: bool = False,
    at: InstrumentedAttribute[datetime] | None = None,
) -> tuple[Sequence[Any], str | None]:
    """The rows of the wanted page, and the cursor of the next one. `key` is unique.

    `at` orders by a time first, where keys do not grow with it.
    """
    columns: list[InstrumentedAttribute[Any]] = [key] if at is None else [at, key]
    if wanted.cursor is not None:
        last = tuple_(*_open(wanted.cursor, columns))
        query = query.where(tuple_(*columns) < last if newest_first else tuple_(*columns) > last)
    order = [column.desc() if newest_first else column.asc() for column in columns]
    rows = session.scalars(query.order_by(*order).limit(wanted.limit + 1)).all()
    if len(rows) <= wanted.limit:
        return rows, None
    rows = rows[: wanted.limit]
    return rows, _close([getattr(rows[-1], column.key) for column in columns])


def _close(values: Sequence[Any]) -> str:
    texts = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return urlsafe_b64encode(json.dumps(texts).encode()).decode()


def _open(cursor: str, columns: Sequence[InstrumentedAttribute[Any]]) -> list[Any]:
    """The place of the last row. Raises SourceError for what is no cursor of this list."""
    try:
        texts = json.loads(urlsafe_b64decode(cursor.encode()))
        return [_typed(text, column) for text, column in zip(texts, columns, strict=True)]
    except (ValueError, TypeError) as exc:
        raise SourceError(
            "this cursor is not one of ours", cure="pass `next` of the page before", key="cursor"
        ) from exc


def _typed(text: Any, column: InstrumentedAttribute[Any]) -> Any:
    if isinstance(column.type, UtcDateTime):
        return literal(datetime.fromisoformat(text), column.type)
    if not isinstance(text, column.type.python_type):
        raise TypeError(f"{text!r} does not fit {column.key}")
    if isinstance(text, int) and not 0 <= text <= LARGEST:
        raise ValueError(f"{text!r} is no number of a row")
    return literal(text, column.type)
