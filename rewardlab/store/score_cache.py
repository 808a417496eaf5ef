"""Earlier scores of rewards, in one sqlite file that several processes share.

Content-addressed: a row's key is a sha256 of everything that its value depends on, so one file can
contain the scores of any number of rewards and needs no settings. Every row also has a checksum
(sha256); a row that does not match its checksum is deleted. When `ScoreCache.write` returns, its
values are on disk (WAL, ``synchronous=FULL``); each call writes all of its values or none.

The file must lie on a disk of this machine, because processes share memory through it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from rewardlab.errors import Problem, UserError
from rewardlab.store.files import disk_errors
from rewardlab.store.tables import DAMAGE, Table, result_code, transaction

SCHEMA = 1
APPLICATION = 0x72775F73
"""Sqlite's ``application_id`` of our files."""
BUSY_SECONDS = 60.0
"""How long to wait for another process's transaction."""


def score_cache(path: Path) -> ScoreCache:
    """The one cache of this process for a path, opened on first use.

    Raises:
        UserError: E352 the file is not a score cache, is damaged, or its directory is missing (exit
            code 2); E210 the file cannot be read or written (75).
    """
    # A connection must not cross a fork, so a child opens its own.
    with _opening:
        return _open(path.absolute(), os.getpid())


class ScoreCache:
    """An open cache; `score_cache` makes one. Threads may share it."""

    def __init__(self, path: Path, scores: Table) -> None:
        self._path, self._scores, self._lock = path, scores, threading.Lock()

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """The values of the keys that have an intact row.

        Raises:
            UserError: E352 the file is damaged (exit code 2); E210 it cannot be read (75).
        """
        with self._lock, _file_errors(self._path):
            rows = dict(self._scores.find(keys))
            if broken := [(key,) for key, value in rows.items() if value is None]:
                with transaction(self._scores.database):
                    self._scores.database.executemany("DELETE FROM scores WHERE key = ?", broken)
        return {key: json.loads(value) for key, value in rows.items() if value is not None}

    def write(self, values: Mapping[bytes, object]) -> None:
        """Write values, all of them or none; they are on disk when this returns.

        Args:
            values: JSON values by key.

        Raises:
            ValueError: A value is not JSON.
            UserError: E352 the file is damaged (exit code 2); E210 the disk is full or gone, or
                another process keeps the file locked (75).
        """
        rows = {key: json.dumps(one, allow_nan=False).encode() for key, one in values.items()}
        if not rows:
            return
        with self._lock, _file_errors(self._path), transaction(self._scores.database):
            self._scores.write(rows)

    def __len__(self) -> int:
        """Number of rows."""
        with self._lock, _file_errors(self._path):
            return len(self._scores)


_opening = threading.Lock()


@lru_cache(maxsize=64)
def _open(path: Path, pid: int) -> ScoreCache:
    del pid
    if not path.parent.is_dir():
        raise _unusable(path, "its directory does not exist", f"mkdir -p {path.parent}")
    with _file_errors(path), ExitStack() as undo:
        database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        undo.callback(database.close)
        scores = _prepared(path, Table(database, "scores"))
        undo.pop_all()
    return ScoreCache(path, scores)


def _prepared(path: Path, scores: Table) -> Table:
    """Turn a new file into a cache, or check that an existing file is one.

    Raises:
        UserError: E352, the file is not a cache.
    """
    execute = scores.database.execute
    with transaction(scores.database):  # two processes may both find it new
        if not execute("SELECT 1 FROM sqlite_master").fetchone():
            execute(f"PRAGMA application_id = {APPLICATION}")
            execute(f"PRAGMA user_version = {SCHEMA}")
            scores.create()
        names = ("application_id", "user_version")
        marks = [execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    if marks != [APPLICATION, SCHEMA]:
        raise _unusable(path, "it is not a score cache of this version", "give another path")
    execute("PRAGMA journal_mode = WAL")
    execute("PRAGMA synchronous = FULL")
    return scores


@contextmanager
def _file_errors(path: Path) -> Generator[None]:
    """Turn sqlite's errors into E352 for a damaged file and E210 for a disk that fails.

    Raises:
        UserError: E352, E210.
    """
    with disk_errors(path):
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = result_code(error)
            if code not in DAMAGE:
                raise
            if code == sqlite3.SQLITE_NOTADB:  # some other file, which is not ours to delete
                raise _unusable(path, "it is not a score cache", "give another path") from error
            fix = "delete that file: a cache holds nothing that cannot be computed again"
            raise _unusable(path, f"it is damaged: {error}", fix) from error


def _unusable(path: Path, what: str, fix: str) -> UserError:
    return UserError([Problem("E352", f"cache {path}", what, fix)])
