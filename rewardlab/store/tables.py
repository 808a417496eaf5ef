"""Sqlite tables of keys and values in which every row carries a sha256, and transactions.

The journal and the score cache use these tables. A row that does not match its digest is reported
as damaged, and its value is never returned.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast

KEYS_PER_QUERY = 500
"""Sqlite before 3.32 takes at most 999 parameters."""


@dataclass(frozen=True)
class Table:
    """Values by key.

    Attributes:
        database: An open connection.
        name: Name of the table in the database.
        salt: Part of every row's digest, so that rows of another table do not match.
    """

    database: sqlite3.Connection
    name: str
    salt: tuple[bytes, ...] = ()

    def create(self) -> None:
        """Make the table."""
        columns = "key BLOB PRIMARY KEY, value BLOB, sha256 BLOB"
        self.database.execute(f"CREATE TABLE {self.name} ({columns}) WITHOUT ROWID")

    def write(self, values: Mapping[bytes, bytes]) -> None:
        """Insert rows, or replace those of the same keys."""
        self.database.executemany(
            f"INSERT OR REPLACE INTO {self.name} VALUES (?, ?, ?)",  # noqa: S608 - our own names
            [(key, value, digest(*self.salt, key, value)) for key, value in values.items()],
        )

    def rows(self) -> Iterator[tuple[bytes, bytes | None]]:
        """All keys and values, read lazily; the value of a damaged row is None."""
        every = f"SELECT * FROM {self.name}"  # noqa: S608 - as above
        return map(self._checked, self.database.execute(every))

    def find(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, bytes | None]]:
        """The rows of these keys, as `rows` gives them; missing keys are left out."""
        for first in range(0, len(keys), KEYS_PER_QUERY):
            some = keys[first : first + KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT * FROM {self.name} WHERE key IN ({marks})"  # noqa: S608 - as above
            yield from map(self._checked, self.database.execute(query, some).fetchall())

    def __len__(self) -> int:
        count = f"SELECT count(*) FROM {self.name}"  # noqa: S608 - as above
        return int(self.database.execute(count).fetchone()[0])

    def _checked(self, row: tuple[object, object, object]) -> tuple[bytes, bytes | None]:
        key, value, stated = row
        if isinstance(key, bytes) and isinstance(value, bytes):
            return key, value if stated == digest(*self.salt, key, value) else None
        return cast("bytes", key), None


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """Commit the statements of the body when it ends; an exception undoes all of them."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # sqlite has rolled back already where it had to
            database.execute("ROLLBACK")
        raise


DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""Result codes of sqlite for a file that is not what we wrote."""


def result_code(error: sqlite3.DatabaseError) -> int:
    """Sqlite's primary result code, such as one of `DAMAGE`; 0 if there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def digest(*parts: bytes) -> bytes:
    """The SHA-256 of the parts and their lengths."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.digest()
