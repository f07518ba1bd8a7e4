"""Numbers of rows as paths and queries give them: what no row can have is an answer, not an error of the database."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, Field

from domain.errors import NotFound

LARGEST = 2**31 - 1
"""The largest key of a table: PostgreSQL's integer."""


def _there(number: int) -> int:
    if not 0 <= number <= LARGEST:
        raise NotFound("row with the number", number)
    return number


PathId = Annotated[int, Path(), AfterValidator(_there)]
"""In a path: 404 for what cannot be there."""
QueryId = Annotated[int, Query(ge=0, le=LARGEST)]
"""As a filter: 422 for what cannot be there."""
BodyId = Annotated[int, Field(ge=0, le=LARGEST)]
"""In a body: the same."""
