r"""Tables quoted as in CSV, and tables with commas or semicolons, as plain tab-separated lines.

Files of judgements are tab-separated, and in most of them a quote is an ordinary character. Some
were written by CSV libraries or spreadsheets: a cell with quotes in it stands in quotes, and its
quotes are doubled (``"the ""serious"" man"``). Nothing in a file says which of the two it is, so
each column is judged by its cells. A column is quoted if every cell of it that begins with a quote
is well formed (it ends with one, and quotes inside are doubled), and if one of these holds:

- such a cell has doubled quotes inside;
- all words of the first line of the file are in quotes;
- rows have the right number of cells only if quoted cells may contain tabs and line breaks.

So ``"Yes."`` stays as it is in a column without other evidence, and so does a lone quote. A tab or
a line break inside a quoted cell becomes a space. Every change is noted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse
from rewardlab.human.headers import SYSTEMS
from rewardlab.human.tables import column_name, number_of, some_of

TAB = "\t"
_WELL_FORMED = re.compile(r'"(?:[^"]|"")*"')
_BREAK = re.compile(r"\r\n|[\t\n\r]")


def plain_cells(file: TextFile) -> TextFile:
    """The file with tab-separated cells without CSV's quotes; lines keep their numbers.

    Args:
        file: A file of any format; one that is no table is returned unchanged.

    Raises:
        UserError: E221, commas or semicolons separate the cells, and a row is not valid CSV; exit
            code 3.
    """
    first = next((line for line in file.lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        return file  # JSON
    separator = _separator(first)
    if separator != TAB:
        return file if separator is None else _separated(file, separator)
    if not any(cell.startswith('"') for line in file.lines for cell in line.split(TAB)):
        return file
    width = first.count(TAB)
    if any(line.strip() and line.count(TAB) != width for line in file.lines):
        records = _records(file.lines, TAB)
        if not records.wrong and all(len(cells) == width + 1 for _, cells in records.cells):
            return _joined(file, records, "cells are quoted as in CSV: read without the quotes")
    return _unquoted(file)


def _separator(line: str) -> str | None:
    """What separates the cells: a tab, or a comma or semicolon in a header that names a system."""
    if TAB in line:
        return TAB
    for separator in ",;":
        names = [
            column_name(one) for _, cells in _records([line], separator).cells for one in cells
        ]
        if len(names) > 1 and not {*SYSTEMS}.isdisjoint(names):
            return separator
    return None


class Records(NamedTuple):
    """The records of a CSV file.

    Attributes:
        cells: The index of the first line and the cells of each record that is not blank.
        wrong: Number of the line that is not valid CSV; 0 if all are.
    """

    cells: list[tuple[int, list[str]]]
    wrong: int = 0


def _records(lines: Sequence[str], separator: str) -> Records:
    """Read CSV strictly, up to the first line that is not valid."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    records: list[tuple[int, list[str]]] = []
    start = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((start, cells))
            start = reader.line_num
    except csv.Error:
        return Records(records, start + 1)
    return Records(records)


def _separated(file: TextFile, separator: str) -> TextFile:
    """A file of comma-separated or semicolon-separated cells."""
    records = _records(file.lines, separator)
    if records.wrong:
        what = "quotes of this row are not closed, or not doubled inside a quoted cell"
        fix = 'write the cell in this form: "He said ""no""."'
        refuse(Problem("E221", f"{file.name}:{records.wrong}", what, fix))
    name = {",": "commas", ";": "semicolons"}[separator]
    return _joined(file, records, f"{name} separate the cells: read as CSV")


def _joined(file: TextFile, records: Records, note: str) -> TextFile:
    """The records as tab-separated lines, each at the number of its first line."""
    lines, broken = [""] * len(file.lines), 0
    for start, cells in records.cells:
        broken += sum(_BREAK.search(cell) is not None for cell in cells)
        lines[start] = TAB.join(_BREAK.sub(" ", cell) for cell in cells)
    notes = [f"{file.name}: {note}"]
    if broken:
        notes.append(
            f"{file.name}: {quantity(broken, 'cell')} with a tab or line break: read as a space"
        )
    return replace(file, lines=lines, notes=(*file.notes, *notes))


def _unquoted(file: TextFile) -> TextFile:
    """The file without the quotes of the columns that are quoted."""
    rows = [line.split(TAB) for line in file.lines]
    header = next(row for row in rows if any(cell.strip() for cell in row))
    words = [cell for cell in header if cell.strip() and number_of(cell) is None]
    all_quoted = all(_WELL_FORMED.fullmatch(cell) for cell in words)
    quoted: list[str] = []
    doubtful: list[str] = []
    for at in range(max(map(len, rows))):
        cells = [row[at] for row in rows if len(row) > at and row[at].startswith('"')]
        well_formed = [cell for cell in cells if _WELL_FORMED.fullmatch(cell)]
        if not cells or not (all_quoted or any('""' in cell[1:-1] for cell in well_formed)):
            continue
        name = header[at].strip('"') if at < len(header) else str(at + 1)
        if len(well_formed) < len(cells):
            doubtful.append(name)
            continue
        quoted.append(name)
        for row in rows:
            if len(row) > at and row[at].startswith('"'):
                row[at] = row[at][1:-1].replace('""', '"')
    notes = tuple(_notes(quoted, doubtful, file.name))
    return replace(file, lines=[TAB.join(row) for row in rows], notes=(*file.notes, *notes))


def _notes(quoted: Sequence[str], doubtful: Sequence[str], name: str) -> Iterator[str]:
    if quoted:
        yield f"{name}: cells of {some_of(quoted)} are quoted as in CSV: read without the quotes"
    if doubtful:
        yield (
            f"{name}: some cells of {some_of(doubtful)} look quoted as in CSV and others do not: "
            "quotes kept"
        )
