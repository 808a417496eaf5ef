"""All rows of a job in a scratch file, so that memory does not grow with them.

The file is made anew by every process: it holds nothing that cannot be read or computed again from
the data and the journal.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

from rewardlab.curation.items import Item
from rewardlab.store.files import disk_errors

CHUNK = 512
"""Rows that are read or written at once."""
FIELDS = [field.name for field in dataclasses.fields(Item)]


class Dropped(NamedTuple):
    """Rows that a stage dropped for one reason.

    Attributes:
        stage: Number of the stage, from 0.
        reason: Why; completes "3 rows ...".
        rows: How many.
    """

    stage: int
    reason: str
    rows: int


class Work:
    """The rows of a job; `open` makes one, and ``with`` closes it and deletes the file."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._database = path, database

    @classmethod
    def open(cls, path: Path) -> Self:
        """A new, empty file in place of whatever an earlier process left.

        Raises:
            UserError: E210, the disk is full or gone; exit code 75.
        """
        with disk_errors(path):
            path.unlink(missing_ok=True)
            database = sqlite3.connect(path, isolation_level=None)
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                database.execute(f"PRAGMA {pragma}")
            database.execute(
                "CREATE TABLE items (key TEXT PRIMARY KEY, pair TEXT, body TEXT, stage INTEGER, "
                "reason TEXT) WITHOUT ROWID"
            )
            database.execute(
                "CREATE TABLE ranks (part TEXT, value REAL, key TEXT, "
                "PRIMARY KEY (part, value, key)) WITHOUT ROWID"
            )
        return cls(path, database)

    @property
    def database(self) -> sqlite3.Connection:
        """The open file, in which a stage may keep a table of its own."""
        return self._database

    def add(self, items: Iterable[Item]) -> int:
        """Add rows; of rows with equal content, one is kept, whatever their order.

        Returns:
            How many were added or repeated.
        """
        count = 0
        rest = iter(items)
        with disk_errors(self._path):
            while chunk := list(islice(rest, CHUNK)):
                count += len(chunk)
                self._database.execute("BEGIN")
                self._database.executemany(
                    "INSERT INTO items VALUES (?, ?, ?, NULL, NULL) "
                    "ON CONFLICT (key) DO UPDATE SET body = min(body, excluded.body)",
                    [(item.key, item.pair, _body(item)) for item in chunk],
                )
                self._database.execute("COMMIT")
        return count

    def chunks(self, size: int = CHUNK) -> Iterator[list[Item]]:
        """The rows that are left, in the order of their keys.

        Rows may be dropped or replaced meanwhile.

        Args:
            size: Rows of a chunk, at least 1.
        """
        after = ""
        while rows := self._after(after, size):
            after = rows[-1].key
            yield rows

    def _after(self, key: str, size: int) -> list[Item]:
        query = "SELECT body FROM items WHERE key > ? AND stage IS NULL ORDER BY key LIMIT ?"
        with disk_errors(self._path):
            return [_item(body) for (body,) in self._database.execute(query, (key, size))]

    def replace(self, items: Iterable[Item]) -> None:
        """Write changed rows."""
        with disk_errors(self._path):
            self._database.execute("BEGIN")
            self._database.executemany(
                "UPDATE items SET body = ? WHERE key = ?", [(_body(one), one.key) for one in items]
            )
            self._database.execute("COMMIT")

    def drop(self, stage: int, reasons: Iterable[tuple[str, str]]) -> None:
        """Drop rows.

        Args:
            stage: Number of the stage.
            reasons: Key and why; read as they are needed.
        """
        rest = iter(reasons)
        with disk_errors(self._path):
            while chunk := list(islice(rest, CHUNK)):
                self._database.execute("BEGIN")
                self._database.executemany(
                    "UPDATE items SET stage = ?, reason = ? WHERE key = ?",
                    [(stage, reason, key) for key, reason in chunk],
                )
                self._database.execute("COMMIT")

    def ranked(self, values: Iterable[tuple[str, float, str]]) -> Iterator[tuple[str, str, int]]:
        """Rows by part and value, the largest value first; equal values in the order of keys.

        Args:
            values: Part, value and key of each row.

        Yields:
            Part, key and place in the part, from 0.
        """
        with disk_errors(self._path):
            self._database.execute("DELETE FROM ranks")
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO ranks VALUES (?, ?, ?)",
                ((part, -value, key) for part, value, key in values),
            )
            self._database.execute("COMMIT")
        previous, place = None, 0
        for part, key in self._database.execute("SELECT part, key FROM ranks ORDER BY 1, value, 2"):
            place = place + 1 if part == previous else 0
            previous = part
            yield part, key, place

    def left(self) -> dict[str, int]:
        """Number of rows that are left, by pair."""
        query = "SELECT pair, count(*) FROM items WHERE stage IS NULL GROUP BY pair ORDER BY pair"
        return dict(self._database.execute(query))

    def dropped(self) -> list[Dropped]:
        """How many rows each stage dropped, for which reasons."""
        query = (
            "SELECT stage, reason, count(*) FROM items WHERE stage IS NOT NULL "
            "GROUP BY stage, reason ORDER BY stage, reason"
        )
        return [Dropped(*row) for row in self._database.execute(query)]

    def examples(self, stage: int, reason: str, count: int) -> list[Item]:
        """The first rows that a stage dropped for a reason.

        Args:
            stage: Number of the stage.
            reason: The reason.
            count: How many at most.
        """
        query = "SELECT body FROM items WHERE stage = ? AND reason = ? ORDER BY key LIMIT ?"
        return [_item(body) for (body,) in self._database.execute(query, (stage, reason, count))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._database):
            pass
        self._path.unlink(missing_ok=True)


def _body(item: Item) -> str:
    return json.dumps([getattr(item, name) for name in FIELDS], ensure_ascii=False)


def _item(body: str) -> Item:
    return Item(*json.loads(body))
