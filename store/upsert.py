"""Rows that must exist once: an insert that yields to the row that is there, on either database."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from store.tables import Base


def insert(session: Session, table: type[Base]) -> Any:
    """An insert that can say what is to happen on a conflict, in the database's own dialect."""
    return insert_in(session.get_bind().dialect.name, table)


def insert_in(dialect: str, table: type[Base]) -> Any:
    """The same for a dialect by its name: for statements that are made once."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table.__table__)  # type: ignore[arg-type]


def insert_once(session: Session, table: type[Base], **values: Any) -> int | None:
    """The new row's id; None, and nothing changed, if a unique constraint says that the row is there already."""
    statement = insert(session, table).values(**values).on_conflict_do_nothing().returning(table.__table__.c.id)
    added: int | None = session.scalar(statement)
    return added
