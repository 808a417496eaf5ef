"""A table as a plain value, and how it fits into a number of columns of text.

The tables of every command are built once, as a `Table`. `rewardlab.report.terminal`,
`rewardlab.report.markdown` and `rewardlab.report.html` write it. On a narrow terminal, names and
headings are folded first; then the table is split into several tables with the same first columns.
Numbers are never folded or shortened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, TypeAlias

from rich.cells import cell_len, chop_cells

from rewardlab.spans import printable

GAP = 2
"""Spaces between two columns."""
FOLDED = (16, 8)
"""Widths that a column of names may be folded to, the preferred one first."""
PROSE = 24
"""The smallest width of a column of prose."""
HEADING = 12
"""Words of a heading that are longer than this are folded."""
_PIECE = re.compile(r"[^\s_\-/.:,=+]*(?:[\s_\-/.:,=+]+|$)")
Kind: TypeAlias = Literal["number", "name", "prose"]


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and its style.

    Attributes:
        text: One line of text.
        style: Words of rich: ``green``, ``yellow``, ``red``, ``dim``, ``bold``, ``italic``.
    """

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: The heading.
        kind: ``number`` (right-aligned, never folded), ``name`` (folded where necessary) or
            ``prose`` (wrapped at spaces).
        part: Columns of the same part stay together when the table is split, and the part is named
            in the title.
    """

    heading: str
    kind: Kind = "number"
    part: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `table_of` builds one.

    Attributes:
        columns: The columns.
        rows: Rows with one cell per column.
        title: The title, or nothing.
        keys: Number of leading columns that name a row. They are repeated when the table is split.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    keys: int = 1


def table_of(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell | str]],
    *,
    title: str = "",
    keys: int = 1,
) -> Table:
    """A table of cells, or of texts as cells without a style.

    Args:
        columns: The columns.
        rows: Rows with one cell per column.
        title: The title, or nothing.
        keys: Number of leading columns that name a row.

    Raises:
        ValueError: A row has another number of cells than there are columns.
    """
    cells = tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows
    )
    if any(len(row) != len(columns) for row in cells):
        raise ValueError(f"every row needs {len(columns)} cells")
    return Table(tuple(columns), cells, title, keys)


def filled(table: Table) -> Table:
    """The table without the columns that have no value in any row; its keys stay.

    Args:
        table: A table, perhaps with columns that do not apply.
    """
    full = [at for at in range(len(table.columns)) if at < table.keys or _content(table, at)]
    return _columns(table, full, table.title)


def folded(text: str, width: int) -> str:
    r"""A name in lines of a width, broken behind spaces and marks where possible.

    Args:
        text: The name.
        width: The width in columns of text, at least 2.

    >>> folded("punctuation_dropped", 12)
    'punctuation_\ndropped'
    """
    lines = [""]
    for piece in _PIECE.findall(text):
        if cell_len(lines[-1]) + cell_len(piece.rstrip()) > width and lines[-1]:
            lines.append("")
        *full, rest = chop_cells(piece, width) if cell_len(piece.rstrip()) > width else [piece]
        lines[-1:] = [*full, rest] if full else [lines[-1] + rest]
    return "\n".join(line.rstrip() for line in lines)


def fitted(table: Table, width: int) -> Iterator[tuple[Table, list[int]]]:
    """The table, or the parts that it is split into, each with the widths of its columns.

    Args:
        table: The table.
        width: The width of the terminal in columns of text.

    Returns:
        Tables whose widths sum to at most ``width``, with `GAP` between two columns. A terminal too
        narrow for the keys and one number gets wider tables.
    """
    parts = _parts(table, width)
    for number, (part, widths) in enumerate(parts, start=1):
        title = _title(table, part, number, len(parts)) if len(parts) > 1 else table.title
        yield _columns(table, part, title), widths


def _parts(table: Table, width: int) -> list[tuple[list[int], list[int]]]:
    """The parts, as numbers of columns and their widths, with names folded no more than needed."""
    parts: list[tuple[list[int], list[int]]] = []
    for name_width in FOLDED:
        split = _split(table, width, name_width)
        fitting = [_widths(table, part, width, name_width) for part in split]
        least = [_least(table, part, name_width) for part in split]
        parts = [(part, a or b) for part, a, b in zip(split, fitting, least, strict=True)]
        if all(fitting):
            break
    return parts


def _split(table: Table, width: int, name_width: int) -> list[list[int]]:
    """Numbers of the columns of each part: as many as fit, columns of one part together."""
    keys, others = list(range(table.keys)), range(table.keys, len(table.columns))
    groups = [list(group) for _, group in groupby(others, key=_part_of(table))]
    parts = [[*keys]]
    for group in groups:
        whole = _widths(table, keys + group, width, name_width) is not None
        for piece in [group] if whole else [[at] for at in group]:
            fits = _widths(table, parts[-1] + piece, width, name_width) is not None
            if fits or parts[-1] == keys:
                parts[-1] = parts[-1] + piece
            else:
                parts.append(keys + piece)
    return parts


def _part_of(table: Table) -> Callable[[int], tuple[str, int]]:
    """Columns of one named part have the same key; a column without a part has its own."""

    def key(at: int) -> tuple[str, int]:
        part = table.columns[at].part
        return part, 0 if part else at

    return key


def _widths(table: Table, part: Sequence[int], width: int, name_width: int) -> list[int] | None:
    """Widths of these columns; None if they do not fit.

    What is left goes to prose up to half of the width, then to names, prose and headings.
    """
    widths = _least(table, part, name_width)
    left = width - sum(widths) - GAP * (len(part) - 1)
    if left < 0:
        return None
    limits = {"prose": width // 2}
    for kind in ("prose", "name", "prose", "number"):
        for place, at in enumerate(part):
            if table.columns[at].kind == kind:
                most = min(_full(table, at), limits.get(kind, width))
                more = max(0, min(left, most - widths[place]))
                widths[place] += more
                left -= more
        limits = {} if kind == "name" else limits
    return widths


def _least(table: Table, part: Sequence[int], name_width: int) -> list[int]:
    """The smallest widths of columns: whole numbers, folded names, wrapped prose."""

    def least(at: int) -> int:
        column = table.columns[at]
        if column.kind == "number":
            words = max((cell_len(word) for word in printable(column.heading).split()), default=0)
            return max(_content(table, at), min(words, HEADING))
        return min(_full(table, at), name_width if column.kind == "name" else PROSE)

    return [least(at) for at in part]


def _content(table: Table, at: int) -> int:
    return max((cell_len(printable(row[at].text)) for row in table.rows), default=0)


def _full(table: Table, at: int) -> int:
    return max(_content(table, at), cell_len(printable(table.columns[at].heading)))


def _title(table: Table, part: Sequence[int], number: int, parts: int) -> str:
    named = dict.fromkeys(table.columns[at].part for at in part[table.keys :])
    if all(named):
        return f"{table.title}: {', '.join(named)}" if table.title else ", ".join(named)
    return f"{table.title} ({number} of {parts})" if table.title else ""


def _columns(table: Table, part: Sequence[int], title: str) -> Table:
    """The table with some of its columns, and another title."""
    columns = tuple(table.columns[at] for at in part)
    rows = tuple(tuple(row[at] for at in part) for row in table.rows)
    return replace(table, columns=columns, rows=rows, title=title)


@dataclass(frozen=True)
class Page:
    """The result of a command, for people: `rewardlab.report` has a renderer for each medium.

    Attributes:
        title: The title.
        tables: The tables.
        notes: What a reader must know, one line each.
        yaml: Lines to copy into a configuration.
        depends_on: What the numbers depend on; files have it, the terminal does not.
    """

    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    yaml: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
