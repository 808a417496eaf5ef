"""All of some statements, or none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """Write what is executed within it at its end; what is raised takes it back."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # sqlite has rolled back already where it had to
            database.execute("ROLLBACK")
        raise
