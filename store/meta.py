"""Facts about this installation that every process must agree on."""

import secrets

from sqlalchemy.orm import Session

from store.tables import Meta


def get(session: Session, key: str) -> str | None:
    """The value, or None."""
    row = session.get(Meta, key)
    return row.value if row else None


def put(session: Session, key: str, value: str | None) -> None:
    """Set or, with None, forget."""
    row = session.get(Meta, key)
    if value is None:
        if row:
            session.delete(row)
    elif row:
        row.value = value
    else:
        session.add(Meta(key=key, value=value))


def settle(session: Session, key: str, value: str) -> str:
    """The value that stands, or `value` from now on: whoever comes first decides for all."""
    row = session.get(Meta, key)
    if row is None:
        put(session, key, value)
        return value
    return row.value


def signing_key(session: Session) -> bytes:
    """The key of signed links."""
    return bytes.fromhex(settle(session, "signing_key", secrets.token_hex(32)))
