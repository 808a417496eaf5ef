"""Finished work that survives ``kill -9``: keys and JSON values in one sqlite file.

When `Journal.put` returns, its values are on disk (WAL, ``synchronous=FULL``); each call writes all
of its values or none. Every row has a sha256 of the journal's settings, the key and the value. When
a damaged file is opened, it is moved aside and its intact rows are copied to a new file, so damage
costs work but never gives a wrong value. One process writes at a time.

A journal belongs to the settings that its values depend on. Opening it with other settings raises
an error that names the ones that differ.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Self, TypeAlias

from rewardlab.errors import Problem, UserError, shown
from rewardlab.store.files import disk_errors
from rewardlab.store.lock import Lock
from rewardlab.store.tables import DAMAGE, Table, digest, result_code, transaction

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCHEMA = 1
LISTED = 5
"""Maximum number of settings that an error message names."""


class Journal:
    """A journal that this process may write; `open` makes one, and ``with`` closes it."""

    def __init__(self, path: Path, work: Table, lock: Lock) -> None:
        self._path, self._work, self._lock = path, work, lock

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
            path: The file, in an existing directory; ``-wal`` and ``.lock`` files lie beside it.
            settings: What the values depend on, by name.
            note: Called with a line of text about a dead process's lock or a damaged file.

        Raises:
            UserError: E083 it belongs to other settings, E084 another process writes it, E211 a
                newer version wrote it (exit code 2); E210 it cannot be read or written (75).
        """
        path = Path(path)
        with disk_errors(path), ExitStack() as undo:
            lock = Lock.take(path.with_name(f"{path.name}.lock"), note=note)
            undo.callback(lock.release)
            try:
                work = _opened(path, settings)
            except _DamagedError as error:
                aside = _move_aside(path)
                work = _opened(path, settings)
                rows = _salvage(aside, work)
                note(f"{path} is damaged: {error}; moved to {aside}, {rows:,} intact rows kept")
            undo.pop_all()
        return cls(path, work, lock)

    def get(self, key: str) -> Json:
        """The value of a key; None if the key is missing or its row is damaged."""
        with disk_errors(self._path):
            value = dict(self._work.find([key.encode()])).get(key.encode())
        return None if value is None else json.loads(value)

    def find(self, keys: Sequence[str]) -> dict[str, Json]:
        """The values of these keys; missing keys and damaged rows are left out."""
        with disk_errors(self._path):
            found = self._work.find([key.encode() for key in keys])
        return {key.decode(): json.loads(value) for key, value in found if value is not None}

    def put(self, values: Mapping[str, Json]) -> None:
        """Write values, all of them or none; they are on disk when this returns.

        Args:
            values: Key -> value; an older value of the same key is replaced.

        Raises:
            ValueError: A value is None or not JSON.
            UserError: E210, the disk is full or gone; exit code 75.
        """
        if None in values.values():
            raise ValueError("None means that a key is missing; it cannot be a value")
        rows = {key.encode(): _text(value) for key, value in values.items()}
        with disk_errors(self._path), transaction(self._work.database):
            self._work.write(rows)

    def __len__(self) -> int:
        """Number of keys."""
        return len(self._work)

    def close(self) -> None:
        """Close the file and release the lock; safe to call twice."""
        self._work.database.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _DamagedError(Exception):
    """The file is not a readable journal."""


def _opened(path: Path, settings: Mapping[str, Json]) -> Table:
    """The values of a journal; its settings are the table's salt.

    Raises:
        _DamagedError: sqlite cannot read it, or rows do not match their digests.
        UserError: E083, E211.
    """
    with ExitStack() as undo:
        database = undo.enter_context(closing(_connected(path)))
        work = Table(database, "work", (digest(_text(settings)),))
        try:
            _prepare(path, work, settings)
        except sqlite3.DatabaseError as error:
            if result_code(error) in DAMAGE:
                raise _DamagedError(str(error)) from error
            raise
        undo.pop_all()
    return work


def _prepare(path: Path, work: Table, settings: Mapping[str, Json]) -> None:
    """Turn a new file into a journal, or check an existing journal.

    Raises:
        _DamagedError: Rows do not match their digests.
        UserError: E083, E211.
    """
    execute, about = work.database.execute, Table(work.database, "about")
    # Set exclusive mode before the first access: then WAL needs no shared memory, which network
    # file systems lack.
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
        execute(f"PRAGMA {pragma}")
    if not execute("SELECT 1 FROM sqlite_master").fetchone():
        with transaction(work.database):
            about.create()
            work.create()
            about.write({b"schema": _text(SCHEMA), b"settings": _text(settings)})
    _check_about(path, dict(about.rows()), settings)
    _check_work(work)


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.text_factory = bytes
    return database


def _check_about(
    path: Path, about: Mapping[bytes, bytes | None], settings: Mapping[str, Json]
) -> None:
    schema, saved = about.get(b"schema"), about.get(b"settings")
    if schema is None or saved is None or None in about.values():
        raise _DamagedError("its settings cannot be read")
    if json.loads(schema) != SCHEMA:
        what = f"was written by another version: schema {shown(schema.decode())}"
        fix = f"read it with that version, or move it away: mv {path} {path}.old"
        raise UserError([Problem("E211", str(path), what, fix)])
    before, now = json.loads(saved), json.loads(_text(settings))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        differ = "; ".join(
            f"{name} was {shown(before.get(name))} and is {shown(now.get(name))}"
            for name in names[:LISTED]
        )
        more = f"; {len(names) - LISTED} more" if len(names) > LISTED else ""
        what = f"holds work done with other settings: {differ}{more}"
        fix = "continue with the settings it has, or write to another directory"
        raise UserError([Problem("E083", str(path), what, fix)])


def _check_work(work: Table) -> None:
    """Check that all pages are in place, all rows intact, and the keys in the order of searches."""
    if work.database.execute("PRAGMA quick_check(1)").fetchone() != (b"ok",):
        raise _DamagedError("its pages do not fit together")
    damaged, before = 0, None
    for key, value in work.rows():
        if value is not None and (before is None or before < key):
            before = key
        else:
            damaged += 1
    if damaged:
        raise _DamagedError(f"{damaged:,} of its rows do not match their digests")


def _salvage(aside: Path, work: Table) -> int:
    """Copy the intact rows that sqlite can read; return how many."""
    with closing(_connected(aside)) as damaged, transaction(work.database):
        with suppress(sqlite3.DatabaseError):  # what cannot be read is lost
            for key, value in Table(damaged, work.name, work.salt).rows():
                if value is not None:
                    work.write({key: value})
        return len(work)


def _move_aside(path: Path) -> Path:
    """Rename the file, and sqlite's files beside it, to the first free ``.damaged-N``."""
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
