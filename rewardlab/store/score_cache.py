"""What rewards have said before, in one sqlite file that several processes share.

Content-addressed: a row's key is a sha256 over everything its value depends on, so a file may hold
the answers of any number of rewards and needs no settings. Every row carries a sha256 of its own;
one that does not match is deleted and counted as not there. What is written is on disk when
`ScoreCache.write` returns (WAL, ``synchronous=FULL``), all of one call or nothing.

The file must lie on a disk of this machine: processes meet in its shared memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from rewardlab.errors import Problem, UserError
from rewardlab.store.files import disk_errors
from rewardlab.store.transactions import transaction

SCHEMA = 1
APPLICATION = 0x72775F73
"""Marks a file as ours: sqlite's ``application_id``."""
BUSY_SECONDS = 60.0
"""How long to wait for another process's transaction."""
AT_ONCE = 500
"""Keys of one query; sqlite's own limit was 999 for long."""
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""What sqlite answers to our statements when the file is not what we wrote."""


def score_cache(path: Path) -> ScoreCache:
    """The one cache of this process behind a path, opened when it is first asked for.

    Raises:
        UserError: E352 the file is no score cache, or damaged, or its directory is missing (exit
            code 2); E210 it cannot be read or written (75).
    """
    # A connection must not cross a fork, so a child opens its own.
    with _opening:
        return _open(path.absolute(), os.getpid())


class ScoreCache:
    """An open cache; `score_cache` makes one. Threads may share it."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._database, self._lock = path, database, threading.Lock()
        self._damaged = 0

    @property
    def damaged(self) -> int:
        """Rows that did not match their sums and were deleted, since this process opened it."""
        return self._damaged

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """The values of those keys that are there, intact.

        Raises:
            UserError: E352 the file is damaged (exit code 2); E210 it cannot be read (75).
        """
        found: dict[bytes, Any] = {}
        broken: list[bytes] = []
        with self._lock, _trouble(self._path):
            for key, value, digest in self._rows(keys):
                if isinstance(value, bytes) and digest == _digest(key, value):
                    found[key] = json.loads(value)
                else:
                    broken.append(key)
            if broken:
                with transaction(self._database):
                    self._database.executemany(
                        "DELETE FROM scores WHERE key = ?", [(key,) for key in broken]
                    )
                self._damaged += len(broken)
        return found

    def _rows(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, object, object]]:
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value, sha256 FROM scores WHERE key IN ({marks})"  # noqa: S608
            yield from self._database.execute(query, some).fetchall()

    def write(self, values: Mapping[bytes, object]) -> None:
        """Keep values, all of them or none; they are on disk when this returns.

        Args:
            values: By key; anything that is JSON.

        Raises:
            ValueError: A value is not JSON.
            UserError: E352 the file is damaged (exit code 2); E210 the disk is full or gone, or
                another process does not let go of the file (75).
        """
        rows = [
            (key, text := json.dumps(value, allow_nan=False).encode(), _digest(key, text))
            for key, value in values.items()
        ]
        if not rows:
            return
        with self._lock, _trouble(self._path), transaction(self._database):
            self._database.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)

    def __len__(self) -> int:
        """How many rows there are."""
        with self._lock, _trouble(self._path):
            return int(self._database.execute("SELECT count(*) FROM scores").fetchone()[0])


_opening = threading.Lock()


@lru_cache(maxsize=64)
def _open(path: Path, pid: int) -> ScoreCache:
    del pid
    if not path.parent.is_dir():
        fix = f"mkdir -p {path.parent}"
        raise _unusable(path, "the directory it should stand in is not there", fix)
    with _trouble(path):
        database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(path, database)
        except BaseException:
            database.close()
            raise
    return ScoreCache(path, database)


def _prepare(path: Path, database: sqlite3.Connection) -> None:
    """Make a new file a cache, and make sure that another one is.

    Raises:
        UserError: E352, it is something else.
    """
    with transaction(database):  # two processes may both find it new
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {SCHEMA}")
            database.execute(
                "CREATE TABLE scores (key BLOB PRIMARY KEY, value BLOB, sha256 BLOB) WITHOUT ROWID"
            )
        marks = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS]
    if marks != [APPLICATION, SCHEMA]:
        raise _unusable(path, "it is no score cache of this version", "give another path")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")


_MARKS = ("application_id", "user_version")


@contextmanager
def _trouble(path: Path) -> Generator[None]:
    """Tell a damaged file from a disk that refuses.

    Raises:
        UserError: E352, E210.
    """
    with disk_errors(path):
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in DAMAGE:
                raise
            if code == sqlite3.SQLITE_NOTADB:  # whatever it is, it is not ours to delete
                raise _unusable(path, "it is no score cache", "give another path") from error
            fix = "delete that file: a cache holds nothing that cannot be computed again"
            raise _unusable(path, f"it is damaged: {error}", fix) from error


def _unusable(path: Path, what: str, fix: str) -> UserError:
    return UserError([Problem("E352", f"cache {path}", what, fix)])


def _digest(*parts: bytes) -> bytes:
    """Of the parts and of where one ends and the next begins."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()
