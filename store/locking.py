"""Rows that are about to change: read afresh, and locked against other writers where the database knows row locks."""

from typing import TypeVar

from sqlalchemy import Select

Row = TypeVar("Row")


def locked(query: Select[Row]) -> Select[Row]:
    """`query` with its rows locked until the transaction ends, as they are by then and not as this session saw them.

    Rows that refer to them may be written meanwhile: whoever holds a message writes to the timeline of its ticket,
    while whoever holds the ticket may want the message.
    """
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)
