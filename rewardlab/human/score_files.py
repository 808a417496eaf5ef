"""Files of numbers, one score for each system and segment; among them the format ``table``.

lists   ``system score`` on each line, with ``None`` for a missing score; the n-th line of a system
        is its n-th segment (mt-metrics-eval's ``.seg.score``; ``.sys.score`` has one line per
        system)
table   tab-separated; the header is ``system`` and segment ids, or ``segment`` and systems; a cell
        without a number is empty, ``None`` or ``NaN``

Numbers are written with enough digits that reading them gives the same bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
from rewardlab.human.headers import SEGMENTS, SYSTEMS, key_names
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.human.tables import (
    Line,
    RowProblems,
    bare_name,
    check_lengths,
    column_name,
    content_digest,
    filled_lines,
    integer_of,
    number_of,
    some_of,
)
from rewardlab.store.files import replace_file
from rewardlab.types import SeverityTable

OTHER_LEVELS = (".doc.score", ".domain.score")
"""Endings of mt-metrics-eval's files with scores of neither segments nor systems."""
NONE = "None"
PAIR = ("system", "score")


def read_lists(file: TextFile, *, systems: Collection[str] = ()) -> dict[str, list[float]]:
    """Read ``system score`` lines.

    Args:
        file: Lines of the file.
        systems: Systems that must have the same number of lines, as far as the file has them; all
            if empty.

    Returns:
        System -> its scores in the order of the lines, NaN for ``None``.

    Raises:
        UserError: E206 no rows; E220 scores of documents or domains; E221 lines that are not two
            words; E222 scores that are no finite numbers; E224 systems have different numbers of
            lines, or several in a ``.sys.score`` file. Exit code 3.
    """
    if other := next((one for one in OTHER_LEVELS if bare_name(file).endswith(one)), None):
        what = f"a {other} file has one score for each {other.split('.')[1]}, not for each segment"
        fix = "give the .seg.score or .sys.score file beside it"
        refuse(Problem("E220", file.name, what, fix))
    rows = filled_lines(file)
    problems = RowProblems(file.name, len(rows))
    scores: dict[str, list[float]] = {}
    for number, text in rows:
        words = text.split()
        if len(words) != len(PAIR):
            what, fix = "a line has {} words and needs two", "write a system and its score"
            problems.add("E221", what, fix, line=number, value=len(words))
            continue
        value = math.nan if words[1] == NONE else problems.finite(words[1], number)
        scores.setdefault(words[0], []).append(value)
    problems.raise_if_any()
    counts = {
        system: len(values) for system, values in scores.items() if not systems or system in systems
    }
    check_lengths(file.name, counts or {"": 0})
    several = [system for system, count in counts.items() if count > 1]
    if several and bare_name(file).endswith(".sys.score"):
        what = f"several scores of one system in a .sys.score file: {some_of(several)}"
        refuse(Problem("E224", file.name, what, "write one line for each system"))
    return scores


def is_list_line(line: Line) -> bool:
    """Whether `read_lists` could read this line: a word, and a number or ``None``."""
    words = line.text.split()
    return len(words) == len(PAIR) and (words[1] == NONE or number_of(words[1]) is not None)


def recognises(_name: str, lines: Sequence[Line]) -> Match:
    """Whether the first line can be the header of a table of systems and segments.

    Args:
        lines: Lines of the file, at least one.
    """
    first, *others = key_names(lines[0].cells)
    system, segment = ({*names} for names in (SYSTEMS, SEGMENTS))
    if first in system:  # a header with both has a row for each score
        return Match.LIKELY if others and segment.isdisjoint(others) else Match.NO
    is_table = first in segment and others and system.isdisjoint(others)
    return Match.LIKELY if is_table else Match.NO


def read_table(file: TextFile) -> ScoreMatrix:
    """Read a table of systems and segments.

    Returns:
        Systems and segments in the order of the file; if all segment ids are integers, segments
        are sorted by them.

    Raises:
        UserError: E206 no rows; E220 no header; E221 rows without a name, rows with more or fewer
            cells than the header, and names that occur twice; E222 cells that are no
            finite numbers. Exit code 3.
    """
    line, *rows = filled_lines(file, least=2)
    if not recognises(file.name, [line]):
        first = shown(line.cells[0], 40)
        what = f"a table's header starts with system or segment, this one with {first}"
        fix = "name the first column for what the rows are"
        refuse(Problem("E220", f"{file.name}:{line.number}", what, fix))
    header = [name.strip() for name in line.cells]
    names = [row.cells[0].strip() for row in rows]
    problems = RowProblems(file.name, len(rows))
    values = np.array(
        [
            [problems.number_or_nan(cell, row.number) for cell in row.cells[1:]]
            if problems.check_width(row, len(header))
            else [math.nan] * (len(header) - 1)
            for row in rows
        ]
    )
    fix = "give each a name of its own"
    problems.raise_if_any(
        *(
            Problem("E221", f"{file.name}:{at}", f"names that are empty or twice: {twice}", fix)
            for at, several in ((line.number, header[1:]), (rows[0].number, names))
            if (twice := some_of([n for n, c in Counter(several).items() if c > 1 or not n]))
        )
    )
    by_system = column_name(header[0]) in SYSTEMS
    systems, segments = (names, header[1:]) if by_system else (header[1:], names)
    order = list(range(len(segments)))
    numbers = [number for name in segments if (number := integer_of(name)) is not None]
    if len(numbers) == len(segments):
        order.sort(key=lambda at: numbers[at])
    return ScoreMatrix(
        tuple(systems),
        tuple(segments[at] for at in order),
        (values if by_system else values.T)[:, order],
        f"table|sha256:{content_digest(file)}",
    )


def read(file: TextFile, _severities: SeverityTable) -> Gold:
    """Read human scores from a table.

    Args:
        file: Lines of the file.

    Raises:
        UserError: As `read_table`.
    """
    matrix = read_table(file)
    rows = len(filled_lines(file)) - 1
    return Gold(matrix, documents=("",) * len(matrix.segments), funnel=quantity(rows, "row"))


TABLE = Format(recognises, read)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def write_seg_scores(matrix: ScoreMatrix, path: Path) -> None:
    """Write a ``.seg.score`` file, system by system.

    Args:
        matrix: The scores; NaN becomes ``None``.
        path: The file; an existing one is replaced.

    Raises:
        UserError: E230, as `check_names`; exit code 3. E210, the disk is full; 75.
    """
    _write(matrix.systems, matrix.values, path)


def write_sys_scores(matrix: ScoreMatrix, path: Path) -> None:
    """Write a ``.sys.score`` file: each system's mean over its scored segments.

    Args:
        matrix: The scores; a system without any score has ``None``.
        path: The file; an existing one is replaced.

    Raises:
        UserError: As `write_seg_scores`.
    """
    _write(matrix.systems, matrix.system_scores()[:, None], path)


def check_names(systems: Sequence[str], where: str) -> None:
    """Refuse system names that a score file cannot contain.

    Args:
        systems: Names of systems.
        where: The file or option that the message names.

    Raises:
        UserError: E230, a system's name is empty or has white space; exit code 3.
    """
    unfit = [name for name in systems if len(name.split()) != 1 or name.strip() != name]
    if unfit:
        what = f"names of systems with white space cannot stand in such a file: {some_of(unfit)}"
        refuse(Problem("E230", where, what, "rename them in the files they come from"))


def _write(systems: Sequence[str], values: Floats, path: Path) -> None:
    check_names(systems, str(path))
    lines = [
        f"{system}\t{NONE if math.isnan(value) else repr(float(value))}\n"
        for system, row in zip(systems, values, strict=True)
        for value in row
    ]
    replace_file(path, "".join(lines))
