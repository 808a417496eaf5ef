"""Finished work that survives ``kill -9``: keys and JSON values in one sqlite file.

What is put is on disk when `Journal.put` returns (WAL, ``synchronous=FULL``), all of one call or
nothing. Every row carries a sha256 over the journal's settings, its key and its value. A damaged
file is moved aside when it is opened and what of it still matches goes into a new one, so that
damage costs work and never gives a wrong value. One process writes at a time.

A journal belongs to the settings its values depend on. Opened with others it refuses, and names
the ones that differ.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from rewardlab.errors import Problem, UserError, shown
from rewardlab.store.files import disk_errors
from rewardlab.store.lock import Lock
from rewardlab.store.transactions import transaction

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCHEMA = 1
TABLES = (
    "CREATE TABLE about (name BLOB PRIMARY KEY, value BLOB, sha256 BLOB) WITHOUT ROWID",
    "CREATE TABLE work (key BLOB PRIMARY KEY, value BLOB, sha256 BLOB) WITHOUT ROWID",
)
LISTED = 5
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""What sqlite answers to our statements when the file is not what we wrote."""


class Journal:
    """A journal that this process may write; `open` makes one, and ``with`` closes it."""

    def __init__(self, path: Path, database: sqlite3.Connection, lock: Lock, salt: bytes) -> None:
        self._path, self._database, self._lock, self._salt = path, database, lock, salt

    @classmethod
    def open(
        cls,
        path: str | Path,
        settings: Mapping[str, Json],
        *,
        note: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Open a journal, new or continued.

        Args:
            path: Of the file; its directory exists. ``-wal`` and ``.lock`` files stand beside it.
            settings: What the values depend on, by name.
            note: Told of a dead process's lock, and of a damaged file.

        Raises:
            UserError: E083 it belongs to other settings, E084 another process writes it, E211 a
                newer version wrote it (exit code 2); E210 it cannot be read or written (75).
        """
        path = Path(path)
        with disk_errors(path):
            lock = Lock.take(path.with_name(f"{path.name}.lock"), note=note)
            try:
                try:
                    database = _opened(path, settings)
                except _DamagedError as error:
                    aside = _move_aside(path)
                    database = _opened(path, settings)
                    rows = _salvage(aside, database, _salt(settings))
                    note(f"{path} is damaged: {error}; moved to {aside}, {rows:,} sound rows kept")
            except BaseException:
                lock.release()
                raise
        return cls(path, database, lock, _salt(settings))

    def get(self, key: str) -> Json:
        """The value of a key; None where there is none, or a damaged one."""
        with disk_errors(self._path):
            row = self._database.execute(
                "SELECT key, value, sha256 FROM work WHERE key = ?", (key.encode(),)
            ).fetchone()
        return json.loads(row[1]) if row is not None and _intact(row, self._salt) else None

    def put(self, values: Mapping[str, Json]) -> None:
        """Keep values, all of them or none; they are on disk when this returns.

        Args:
            values: By key; an older value of the same key is replaced.

        Raises:
            ValueError: A value is None or not JSON.
            UserError: E210, the disk is full or gone; exit code 75.
        """
        if None in values.values():
            raise ValueError("None stands for a key that is not there; it cannot be put")
        rows = [(key.encode(), _text(value)) for key, value in values.items()]
        with disk_errors(self._path), transaction(self._database):
            self._database.executemany(
                "INSERT OR REPLACE INTO work VALUES (?, ?, ?)",
                [(key, value, _digest(self._salt, key, value)) for key, value in rows],
            )

    def __len__(self) -> int:
        """How many keys there are."""
        return int(self._database.execute("SELECT count(*) FROM work").fetchone()[0])

    def close(self) -> None:
        """Close the file and give up the lock; safe to call twice."""
        self._database.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _DamagedError(Exception):
    """The file is no journal that can be read."""


def _opened(path: Path, settings: Mapping[str, Json]) -> sqlite3.Connection:
    """Connect, and make sure that the file is a sound journal of these settings.

    Raises:
        _DamagedError: sqlite cannot read it, or what it says does not hold.
        UserError: E083, E211.
    """
    database = _connected(path)
    try:
        # Exclusive before the first access: then WAL needs no shared memory, which network file
        # systems do not have.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            database.execute(f"PRAGMA {pragma}")
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            _begin(database, settings)
        _check_about(path, database, settings)
        _check_rows(database, _salt(settings))
    except sqlite3.DatabaseError as error:
        database.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            raise _DamagedError(str(error)) from error
        raise
    except BaseException:
        database.close()
        raise
    return database


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.text_factory = bytes
    return database


def _begin(database: sqlite3.Connection, settings: Mapping[str, Json]) -> None:
    about = {b"schema": _text(SCHEMA), b"settings": _text(settings)}
    with transaction(database):
        for table in TABLES:
            database.execute(table)
        database.executemany(
            "INSERT INTO about VALUES (?, ?, ?)",
            [(name, value, _digest(name, value)) for name, value in about.items()],
        )


def _check_about(path: Path, database: sqlite3.Connection, settings: Mapping[str, Json]) -> None:
    rows = database.execute("SELECT name, value, sha256 FROM about").fetchall()
    about = {name: value for name, value, digest in rows if digest == _digest(name, value)}
    if len(about) != len(rows) or not {b"schema", b"settings"} <= about.keys():
        raise _DamagedError("it does not say whose it is")
    if json.loads(about[b"schema"]) != SCHEMA:
        what = f"was written by another version: schema {shown(about[b'schema'].decode())}"
        fix = f"read it with that version, or move it away: mv {path} {path}.old"
        raise UserError([Problem("E211", str(path), what, fix)])
    before = json.loads(about[b"settings"])
    now = json.loads(_text(settings))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        differ = "; ".join(
            f"{name} was {shown(before.get(name))} and is {shown(now.get(name))}"
            for name in names[:LISTED]
        )
        more = f"; {len(names) - LISTED} more" if len(names) > LISTED else ""
        what = f"holds work done with other settings: {differ}{more}"
        fix = "go on with the settings it has, or write to another directory"
        raise UserError([Problem("E083", str(path), what, fix)])


def _check_rows(database: sqlite3.Connection, salt: bytes) -> None:
    """Every page in place, every row intact, and the keys in the order that searches rely on."""
    if database.execute("PRAGMA quick_check(1)").fetchone() != (b"ok",):
        raise _DamagedError("its pages do not fit together")
    damaged, before = 0, None
    for row in database.execute("SELECT key, value, sha256 FROM work"):
        if _intact(row, salt) and (before is None or before < row[0]):
            before = row[0]
        else:
            damaged += 1
    if damaged:
        raise _DamagedError(f"{damaged:,} of its rows do not match their sums")


def _salvage(aside: Path, database: sqlite3.Connection, salt: bytes) -> int:
    """Copy the rows that are intact, as far as sqlite can read them; returns how many."""
    with closing(_connected(aside)) as damaged, transaction(database):
        with suppress(sqlite3.DatabaseError):  # what cannot be read is lost
            for row in damaged.execute("SELECT key, value, sha256 FROM work"):
                if _intact(row, salt):
                    database.execute("INSERT OR REPLACE INTO work VALUES (?, ?, ?)", row)
        return int(database.execute("SELECT count(*) FROM work").fetchone()[0])


def _intact(row: tuple[object, object, object], salt: bytes) -> bool:
    key, value, digest = row
    if not isinstance(key, bytes) or not isinstance(value, bytes):
        return False
    return digest == _digest(salt, key, value)


def _move_aside(path: Path) -> Path:
    """Rename the file and what sqlite keeps beside it to the first free ``.damaged-N``."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _text(value: Json | Mapping[str, Json]) -> bytes:
    return json.dumps(value, allow_nan=False, sort_keys=True).encode()


def _salt(settings: Mapping[str, Json]) -> bytes:
    """Binds every row to the settings, so that no row of another journal passes."""
    return _digest(_text(settings))


def _digest(*parts: bytes) -> bytes:
    """Of the parts and of where one ends and the next begins."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()
