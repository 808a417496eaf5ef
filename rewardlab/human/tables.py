"""Tab-separated tables: rows of cells, numbers in them, and what is wrong with them.

A cell is whatever stands between two tabs; no character quotes another one. Everything wrong with
a file is collected and said at once, with the lines it was found on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rewardlab.data.lines import TextFile
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

LISTED = 5
MISSING = frozenset({"", "none", "nan", "null", "na", "n/a"})
"""What stands in a table where there is no number."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class Cells(NamedTuple):
    """One line of a table.

    Attributes:
        number: Of the line, from 1.
        cells: Its columns.
    """

    number: int
    cells: list[str]


def cells_of(file: TextFile, *, start: int = 0) -> Iterator[Cells]:
    """Split the lines of a file at tabs; blank lines are left out.

    Args:
        file: The lines.
        start: How many lines go before the first row.
    """
    for number, line in enumerate(file.lines[start:], start=start + 1):
        if line.strip():
            yield Cells(number, line.split("\t"))


def number_of(cell: str) -> float | None:
    """The finite decimal number that a cell is, None for any other text.

    >>> number_of("-1.5e1"), number_of("inf"), number_of("1_0")
    (-15.0, None, None)
    """
    text = cell.strip()
    if _NUMBER.fullmatch(text) is None or not math.isfinite(value := float(text)):
        return None
    return value


def integers(words: Sequence[str]) -> list[int] | None:
    """The integers that all of the words are, None if one is something else.

    >>> integers(["2", "10"]), integers(["2", "10a"])
    ([2, 10], None)
    """
    if all(re.fullmatch(r"[-+]?[0-9]{1,18}", word) for word in words):
        return [int(word) for word in words]
    return None


class Column(NamedTuple):
    """What a table is asked for.

    Attributes:
        names: What its header may call it, the most telling one first.
        needed: The table is unusable without.
    """

    names: tuple[str, ...]
    needed: bool = True


def columns_of(header: Sequence[str], wanted: Mapping[str, Column]) -> dict[str, int]:
    """Where the columns stand, by their names in any case; what the header lacks is left out."""
    names = [name.strip().lower() for name in header]
    return {
        key: names.index(found)
        for key, column in wanted.items()
        if (found := next((name for name in column.names if name in names), None)) is not None
    }


class RowProblems:
    """Everything wrong with the rows of one file.

    Attributes:
        name: The file's.
        rows: How many rows it has.
    """

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.rows = rows
        self._found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, code: str, what: str, fix: str, *, line: int, value: object) -> None:
        """Note a row.

        Args:
            code: Of the error.
            what: What is wrong; ``{}`` stands for the value.
            fix: What to write instead.
            line: Where.
            value: What stands there; that of the first such row is shown.
        """
        self._found.setdefault((code, what, fix), []).append((line, shown(value)))

    def problems(self) -> list[Problem]:
        """One problem for each kind, at its first line, with how many rows have it."""
        return [
            Problem(
                code,
                f"{self.name}:{places[0][0]}",
                f"{what.replace('{}', places[0][1])} ({of_rows(places, self.rows)})",
                fix,
            )
            for (code, what, fix), places in self._found.items()
        ]

    def raise_if_any(self) -> None:
        """Go on if nothing was found.

        Raises:
            UserError: With all of it; exit code 3.
        """
        if self._found:
            raise UserError(self.problems(), EXIT_DATA)


def of_rows(places: Sequence[tuple[int, str]], total: int) -> str:
    """``37 of 2,000 rows; first 5: 3, 8, 9, 12, 40``."""
    lines = list(dict.fromkeys(line for line, _ in places))  # a row may have several such cells
    some = ", ".join(map(str, lines[:LISTED]))
    first = f"first {LISTED}" if len(lines) > LISTED else "at"
    return f"{len(lines):,} of {total:,} rows; {first}: {some}"


def some_of(words: Sequence[str]) -> str:
    """At most five of the words, escaped, and how many more there are.

    >>> some_of(["a", "b"])
    "'a', 'b'"
    >>> some_of(["a"] * 7)
    "'a', 'a', 'a', 'a', 'a' and 2 more"
    """
    listed = ", ".join(shown(word, 40) for word in words[:LISTED])
    return listed + (f" and {len(words) - LISTED:,} more" if len(words) > LISTED else "")


def counted(counts: Mapping[str, int], keys: Sequence[str] | None = None) -> str:
    """``3 of this, 1 of that``: the counts that are not 0, in their order."""
    chosen = counts if keys is None else {key: counts.get(key, 0) for key in keys}
    return ", ".join(f"{count:,} {what}" for what, count in chosen.items() if count)


def ascending(
    keys: Sequence[tuple[str, str]], overall: Mapping[tuple[str, str], str]
) -> tuple[list[tuple[str, str]], str]:
    """Segments in the order of a test set.

    Args:
        keys: Document and number in the document of each, in the order of first appearance.
        overall: Their numbers in the test set, where the file has such.

    Returns:
        The keys by their numbers in the test set, where these are integers and name each segment
        alone; else document by document in the order of first appearance, inside a document by
        integer number, or by first appearance where one is no integer. And which of these it was.
    """
    numbers = integers([overall.get(key, "") for key in keys])
    if numbers is not None and len(set(numbers)) == len(keys):
        by_number = dict(zip(keys, numbers, strict=True))
        return sorted(keys, key=lambda key: by_number[key]), "by test set number"
    documents = {name: place for place, name in enumerate(dict.fromkeys(d for d, _ in keys))}
    inside = integers([number for _, number in keys])
    places = dict(zip(keys, range(len(keys)) if inside is None else inside, strict=True))
    order = sorted(keys, key=lambda key: (documents[key[0]], places[key]))
    return order, "document by document"
