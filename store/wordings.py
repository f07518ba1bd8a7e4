"""Makers' own words at rest: a new version for every change, the newest of each name in force."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from domain.messages import Channel
from domain.wordings import Override
from store import events
from store.database import Database
from store.tables import Wording


class SqlWordings:
    """Implements `notify.phrasebook.Overrides`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changed(self, since: int) -> tuple[int, Sequence[Override]] | None:
        """All words in force and their mark; None while the mark is still `since`. Raises StoreUnavailable."""
        with self._database.read() as session:
            mark = session.scalar(select(func.max(Wording.id))) or 0
            if mark == since:
                return None
            return mark, [override(row) for row in session.scalars(in_force())]


def override(row: Wording) -> Override:
    """The words of a row."""
    return Override(row.maker, row.moment, Channel(row.channel), row.version, row.words)


def in_force() -> Select[Wording]:
    """The newest version of each name that is not withdrawn."""
    newest = select(func.max(Wording.id)).group_by(Wording.name)
    return select(Wording).where(Wording.id.in_(newest), Wording.withdrawn.is_(False))


def current(session: Session, name: str) -> Wording | None:
    """The words of one name that are in force."""
    return session.scalar(in_force().where(Wording.name == name))


def put(session: Session, own: Override, *, now: datetime, withdrawn: bool = False) -> Wording:
    """Add the next version of these words; `own.version` is not looked at."""
    last = session.scalar(select(func.max(Wording.version)).where(Wording.name == own.name)) or 0
    row = Wording(
        name=own.name,
        version=last + 1,
        maker=own.maker,
        moment=own.moment,
        channel=own.channel,
        words={language: dict(parts) for language, parts in own.words.items()},
        withdrawn=withdrawn,
        created_at=now,
    )
    session.add(row)
    session.flush()
    kind = "template.withdrawn" if withdrawn else "template.changed"
    events.publish(session, kind, at=now, template=row.name, version=row.version)
    return row


def withdraw(session: Session, row: Wording, *, now: datetime) -> None:
    """The moment has its other words again."""
    put(session, override(row), now=now, withdrawn=True)
