"""Lines and tab-separated columns of annotation files, and a collector of their errors.

A cell is whatever stands between two tabs; `rewardlab.human.quoting` removes CSV's quotes before.
All problems of a file are collected and reported together, with their line numbers.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rewardlab.data.lines import TextFile
from rewardlab.errors import EXIT_DATA, Problem, UserError, quantity, refuse, shown

LISTED = 5
FIX = "give a file with scores or annotations"
DUPLICATES = "exact duplicates"
MISSING = frozenset({"", "none", "nan", "null", "na", "n/a"})
"""Cells without a number, in lower case."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: Line number, from 1.
        text: Text without its line end.
    """

    number: int
    text: str

    @property
    def cells(self) -> list[str]:
        """The columns of the line."""
        return self.text.split("\t")


def filled_lines(file: TextFile, *, least: int = 1, fix: str = FIX) -> list[Line]:
    """The lines that are not blank.

    Args:
        file: All lines.
        least: Smallest number of lines allowed: 1, or 2 for a header and a row.
        fix: Fix proposed by the message about a file with fewer lines.

    Raises:
        UserError: E206, there are fewer lines; exit code 3.
    """
    lines = [Line(at, text) for at, text in enumerate(file.lines, start=1) if text.strip()]
    if len(lines) < least:
        refuse(Problem("E206", file.name, "no rows", fix))
    return lines


def distinct(lines: Iterable[Line], counts: Counter[str]) -> Iterator[Line]:
    """The lines without repetitions.

    Args:
        lines: Lines of one file.
        counts: Counter to which repeated lines are added, as `DUPLICATES`.
    """
    seen: set[str] = set()
    for line in lines:
        if line.text in seen:
            counts[DUPLICATES] += 1
        else:
            seen.add(line.text)
            yield line


def bare_name(file: TextFile) -> str:
    """The file's name in lower case, without directories and ``.gz``."""
    return Path(file.name).name.lower().removesuffix(".gz")


def content_digest(file: TextFile) -> str:
    """Twelve hexadecimal digits of the content's SHA-256."""
    return hashlib.sha256("\n".join(file.lines).encode()).hexdigest()[:12]


def check_lengths(name: str, counts: Mapping[str, int]) -> None:
    """Refuse systems with different numbers of segments.

    Args:
        name: Name of the file.
        counts: System -> its number of segments; at least one system.

    Raises:
        UserError: E224; exit code 3.
    """
    usual = Counter(counts.values()).most_common(1)[0][0]
    others = [f"{system}: {count:,}" for system, count in counts.items() if count != usual]
    if others:
        what = (
            f"systems have other numbers of segments than the {usual:,} of most: {some_of(others)}"
        )
        refuse(Problem("E224", name, what, "write None where there is no score"))


# ── cells ───────────────────────────────────────────────────────────────────────────────────────


def number_of(cell: str) -> float | None:
    """The finite decimal number in a cell, None for any other text.

    >>> number_of("-1.5e1"), number_of("inf"), number_of("1_0")
    (-15.0, None, None)
    """
    text = cell.strip()
    if _NUMBER.fullmatch(text) is None or not math.isfinite(value := float(text)):
        return None
    return value


def integer_of(word: str) -> int | None:
    """The integer that a word of up to 18 digits represents, None for any other text.

    >>> integer_of("10"), integer_of("10a")
    (10, None)
    """
    return int(word) if re.fullmatch(r"[-+]?[0-9]{1,18}", word) else None


class Column(NamedTuple):
    """A column that a reader looks for.

    Attributes:
        names: Names it may have in the header, the most specific first.
        needed: Whether the table cannot be read without this column.
    """

    names: tuple[str, ...]
    needed: bool = True


def column_name(cell: str) -> str:
    """The name of a column in the form that names are compared in.

    >>> column_name(" Doc ID"), column_name("source-lang")
    ('doc_id', 'source_lang')
    """
    return re.sub(r"[\s-]+", "_", cell.strip().lower())


def columns_of(header: Sequence[str], wanted: Mapping[str, Column]) -> dict[str, int]:
    """The positions of the wanted columns, as far as the header has them.

    Args:
        header: Column names, in any case.
        wanted: Key -> the column to look for.
    """
    names = [column_name(name) for name in header]
    return {
        key: names.index(found)
        for key, column in wanted.items()
        if (found := next((name for name in column.names if name in names), None)) is not None
    }


def missing_columns(header: Sequence[str], wanted: Mapping[str, Column]) -> list[str]:
    """The keys of needed columns that a header lacks; arguments as for `columns_of`."""
    found = columns_of(header, wanted)
    return [key for key, column in wanted.items() if column.needed and key not in found]


# ── messages ────────────────────────────────────────────────────────────────────────────────────


class RowProblems:
    """Everything that is wrong with the rows of one file.

    Attributes:
        name: Name of the file.
        rows: Number of its rows.
    """

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.rows = rows
        self._found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}

    def add(self, code: str, what: str, fix: str, *, line: int, value: object) -> None:
        """Record a problem of one row.

        Args:
            code: Error code.
            what: What is wrong; ``{}`` stands for the value.
            fix: What to write instead.
            line: Line number.
            value: The value in the row; the message shows the first such value.
        """
        self._found.setdefault((code, what, fix), []).append((line, shown(value)))

    def check_width(self, line: Line, width: int) -> bool:
        """Whether a row has as many cells as the header; if not, a problem is recorded.

        Args:
            line: The row.
            width: Number of cells of the header.
        """
        if (cells := len(line.cells)) != width:
            what, fix = f"a row has {{}} cells and the header {width}", "give every row all cells"
            self.add("E221", what, fix, line=line.number, value=cells)
        return cells == width

    def finite(self, word: str, line: int) -> float:
        """The finite number that a word represents; otherwise NaN, and a problem is recorded.

        Args:
            word: A number as text.
            line: Line number.
        """
        value = number_of(word)
        if value is None:
            what, fix = "the score {} is no finite number", "write a number, or None"
            if _DECIMAL_COMMA.fullmatch(word.strip()):
                fix = "write a point before the decimals, not a comma"
            self.add("E222", what, fix, line=line, value=word)
        return math.nan if value is None else value

    def number_or_nan(self, cell: str, line: int) -> float:
        """As `finite`, with the same arguments; a cell in `MISSING` is NaN without a problem."""
        return math.nan if cell.strip().lower() in MISSING else self.finite(cell, line)

    def raise_if_any(self, *others: Problem) -> None:
        """Report all problems together, each kind once, with the number of rows affected.

        Args:
            *others: Problems that do not concern single rows.

        Raises:
            UserError: If there is any problem; exit code 3.
        """
        problems = [
            Problem(
                code,
                f"{self.name}:{places[0][0]}",
                f"{what.replace('{}', places[0][1])} ({_of_rows(places, self.rows)})",
                fix,
            )
            for (code, what, fix), places in self._found.items()
        ]
        if problems or others:
            raise UserError([*problems, *others], EXIT_DATA)


def _of_rows(places: Sequence[tuple[int, str]], total: int) -> str:
    """``37 of 2,000 rows; first 5: 3, 8, 9, 12, 40``."""
    lines = list(dict.fromkeys(line for line, _ in places))  # a row may have several such cells
    some = ", ".join(map(str, lines[:LISTED]))
    first = f"first {LISTED}" if len(lines) > LISTED else "at"
    return f"{len(lines):,} of {quantity(total, 'row')}; {first}: {some}"


def some_of(words: Sequence[str]) -> str:
    """At most five of the words, escaped, and the number of remaining words.

    >>> some_of(["a", "b"])
    "'a', 'b'"
    >>> some_of(["a"] * 7)
    "'a', 'a', 'a', 'a', 'a' and 2 more"
    """
    listed = ", ".join(shown(word, 40) for word in words[:LISTED])
    return listed + (f" and {len(words) - LISTED:,} more" if len(words) > LISTED else "")


def counted(counts: Mapping[str, int]) -> str:
    """Text such as ``3 of this, 1 of that``: the counts that are not 0, in their order."""
    singular = {what: re.sub(r"s\b", "", what, count=1) for what in counts}
    return ", ".join(
        f"{count:,} {singular[what] if count == 1 else what}"
        for what, count in counts.items()
        if count
    )
