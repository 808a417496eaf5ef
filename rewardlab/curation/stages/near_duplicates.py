"""Sources that nearly repeat another one, found by MinHash (Broder 1997)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.stage import Job, Stage

PERMUTATIONS = 128
"""Hashes of a signature."""
SEED = 1


@dataclass(frozen=True, kw_only=True)
class NearDuplicates(Stage):
    """Drop sources whose character n-grams are nearly those of a source that is kept.

    Sources are compared in the order of their keys. Candidates are found by locality-sensitive
    hashing of MinHash signatures, whose table lies on disk, and then compared exactly. A duplicate
    at the threshold is missed with a chance of ``(1 - t^r)^b`` for ``b`` bands of ``r`` hashes.

    Attributes:
        threshold: Jaccard similarity of the two sets of n-grams, in (0, 1].
        n: Length of the n-grams, in characters.
    """

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    n: Annotated[int, Field(ge=1)] = 5

    name: ClassVar[str] = "near_duplicates"

    def run(self, job: Job, place: int) -> None:
        """Drop the later ones of near-duplicates."""
        database, rows = job.work.database, _rows_of_a_band(self.threshold)
        database.execute("DROP TABLE IF EXISTS bands")
        database.execute(
            "CREATE TABLE bands (band BLOB, key TEXT, source TEXT, PRIMARY KEY (band, key)) "
            "WITHOUT ROWID"
        )
        for items in job.chunks():
            repeated = self._repeated(database, items, rows)
            reason = "near-duplicates of another source"
            job.work.drop(place, ((key, reason) for key in repeated))
        database.execute("DROP TABLE bands")

    def _repeated(
        self, database: sqlite3.Connection, items: Sequence[Item], rows: int
    ) -> list[str]:
        """Keys of the items that repeat an earlier one; the others are added to the table."""
        grams = [ngrams(item.source, self.n) for item in items]
        dropped: list[str] = []
        database.execute("BEGIN")
        for item, own, bands in zip(items, grams, _bands(items, grams, rows), strict=True):
            earlier = _sources_in(database, bands)
            if any(similarity(own, ngrams(one, self.n)) >= self.threshold for one in earlier):
                dropped.append(item.key)
            else:
                database.executemany(
                    "INSERT INTO bands VALUES (?, ?, ?)",
                    [(band, item.key, item.source) for band in bands],
                )
        database.execute("COMMIT")
        return dropped


def ngrams(text: str, n: int) -> frozenset[str]:
    """Character n-grams of a text in lower case, white space as single spaces.

    Args:
        text: The text; one that is shorter than ``n`` is its only n-gram.
        n: Length of the n-grams.

    >>> sorted(ngrams("Ab  c", 3))
    ['ab ', 'b c']
    """
    plain = " ".join(text.lower().split())
    return frozenset(plain[at : at + n] for at in range(max(1, len(plain) - n + 1)))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity, in [0, 1].

    >>> similarity(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    return len(one & other) / len(one | other)


def _rows_of_a_band(threshold: float) -> int:
    """Hashes of a band, so that a pair at 0.9 times the threshold is found with a chance of 1/2.

    The S-curve of b bands of r rows rises at about ``(1/b)^(1/r)``. The largest r is taken whose
    rise is at or below 0.9 times the threshold, so that few duplicates are missed.
    """
    fitting = [
        rows
        for rows in range(1, PERMUTATIONS + 1)
        if PERMUTATIONS % rows == 0 and (rows / PERMUTATIONS) ** (1 / rows) <= 0.9 * threshold
    ]
    return max(fitting, default=1)


def _bands(items: Sequence[Item], grams: Iterable[frozenset[str]], rows: int) -> list[list[bytes]]:
    """The bands of each item's signature; the language pair is part of each of them."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue] - it has no stubs

    found: list[list[bytes]] = []
    for item, own in zip(items, grams, strict=True):
        sketch: Any = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
        sketch.update(sorted(own))
        signature = np.asarray(sketch.digest(), dtype=np.uint32)
        pair = item.pair.encode()
        found.append(
            [
                bytes([at]) + signature[at * rows : (at + 1) * rows].tobytes() + pair
                for at in range(PERMUTATIONS // rows)
            ]
        )
    return found


def _sources_in(database: sqlite3.Connection, bands: Sequence[bytes]) -> list[str]:
    """Earlier sources that share a band, in the order of their keys."""
    marks = ",".join("?" * len(bands))
    query = f"SELECT DISTINCT key, source FROM bands WHERE band IN ({marks}) ORDER BY key"  # noqa: S608 - marks
    return [source for _, source in database.execute(query, bands)]
