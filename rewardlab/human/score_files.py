"""Files of numbers: one score for each system and segment.

lists   ``system score`` on each line, ``None`` where there is none; the n-th line of a system is
        its n-th segment (mt-metrics-eval's ``.seg.score``; ``.sys.score`` has one line a system)
table   tab-separated; the header starts with ``system`` and goes on with segment ids, or starts
        with ``segment`` and goes on with systems; a cell without a number is empty, ``None`` or
        ``NaN``

Numbers are written so that reading them gives the same bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, refuse, shown
from rewardlab.human.json_ratings import check_lengths
from rewardlab.human.mqm import digest_of
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.human.tables import (
    MISSING,
    Cells,
    RowProblems,
    cells_of,
    integers,
    number_of,
    some_of,
)
from rewardlab.store.files import replace_file

SYSTEM_NAMES = frozenset({"system", "system_id"})
SEGMENT_NAMES = frozenset({"segment", "segment_id", "seg_id", "seg"})
NONE = "None"


def read_lists(file: TextFile) -> dict[str, list[float]]:
    """Read ``system score`` lines.

    Returns:
        System -> its scores in the order of the lines, NaN for ``None``; equally many for each.

    Raises:
        UserError: E206 no rows; E221 lines that are not two words; E222 scores that are no finite
            numbers; E224 systems have different numbers of lines. Exit code 3.
    """
    rows = [
        (number, words)
        for number, line in enumerate(file.lines, start=1)
        if (words := line.split())
    ]
    problems = RowProblems(file.name, len(rows))
    scores: dict[str, list[float]] = {}
    for number, words in rows:
        if len(words) != len(("system", "score")):
            what, fix = "a line has {} words and needs two", "write a system and its score"
            problems.add("E221", what, fix, line=number, value=len(words))
            continue
        value = math.nan if words[1] == NONE else finite(words[1], number, problems)
        scores.setdefault(words[0], []).append(value)
    problems.raise_if_any()
    check_lengths(file.name, {system: len(values) for system, values in scores.items()})
    return scores


def is_list_line(line: str) -> bool:
    """Whether a line can be one of `read_lists`: a word, and a number or ``None``."""
    words = line.split()
    is_pair = len(words) == len(("system", "score"))
    return is_pair and (words[1] == NONE or number_of(words[1]) is not None)


def is_table_header(line: str) -> bool:
    """Whether a line can be the header of `read_table`."""
    names = line.split("\t")
    return len(names) > 1 and names[0].strip().lower() in SYSTEM_NAMES | SEGMENT_NAMES


def read_table(file: TextFile) -> ScoreMatrix:
    """Read a table of systems and segments.

    Returns:
        Systems and segments in the order of the file; segments whose ids are all integers in that
        of the integers.

    Raises:
        UserError: E206 no rows; E220 the header is none; E221 rows without a name or with another
            number of cells than the header, and names that occur twice; E222 cells that are no
            finite numbers. Exit code 3.
    """
    lines = list(cells_of(file))
    if not lines[1:]:
        refuse(Problem("E206", file.name, "no rows", "give a file with scores"))
    if not is_table_header(file.lines[lines[0].number - 1]):
        first = shown(lines[0].cells[0], 40)
        what = f"a table's header starts with system or segment, this one with {first}"
        fix = "name the first column for what the rows are"
        refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
    header, rows = [name.strip() for name in lines[0].cells], lines[1:]
    problems, fix = RowProblems(file.name, len(rows)), "give each a name of its own"
    names = [row.cells[0].strip() for row in rows]
    values = np.array([_values(row, len(header), problems) for row in rows])
    named = ((lines[0].number, header[1:]), (rows[0].number, names))
    wrong = [
        Problem("E221", f"{file.name}:{line}", f"names that are empty or twice: {twice}", fix)
        for line, several in named
        if (twice := some_of([n for n, count in Counter(several).items() if count > 1 or not n]))
    ]
    if wrong or problems:
        refuse(*problems.problems(), *wrong)
    by_system = header[0].lower() in SYSTEM_NAMES
    systems, segments = (names, header[1:]) if by_system else (header[1:], names)
    values = values if by_system else values.T
    numbers = integers(segments)
    order = range(len(segments)) if numbers is None else np.argsort(numbers, kind="stable").tolist()
    return ScoreMatrix(
        tuple(systems),
        tuple(segments[at] for at in order),
        values[:, list(order)],
        f"table|sha256:{digest_of(file)}",
    )


def finite(word: str, line: int, problems: RowProblems) -> float:
    """The number that a word is; NaN, and a problem, where it is none that is finite."""
    value = number_of(word)
    if value is None:
        what, fix = "the score {} is no finite number", "write a number, or None"
        problems.add("E222", what, fix, line=line, value=word)
        return math.nan
    return value


def finite_or_missing(cell: str, line: int, problems: RowProblems) -> float:
    """As `finite`; a cell that says there is no number is NaN."""
    return math.nan if cell.strip().lower() in MISSING else finite(cell, line, problems)


def _values(row: Cells, width: int, problems: RowProblems) -> list[float]:
    """The numbers of one row behind its name."""
    if len(row.cells) != width:
        what, fix = f"a row has {{}} cells and the header {width}", "give every row all cells"
        problems.add("E221", what, fix, line=row.number, value=len(row.cells))
        return [math.nan] * (width - 1)
    return [finite_or_missing(cell, row.number, problems) for cell in row.cells[1:]]


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def write_seg_scores(matrix: ScoreMatrix, path: Path) -> None:
    """Write a ``.seg.score`` file, system by system.

    Args:
        matrix: What to write; NaN becomes ``None``.
        path: Where; a file there is replaced.

    Raises:
        UserError: E230, as `check_names`; exit code 3. E210, the disk is full; 75.
    """
    _write(matrix.systems, matrix.values, path)


def write_sys_scores(matrix: ScoreMatrix, path: Path) -> None:
    """Write a ``.sys.score`` file: each system's mean over its scored segments.

    Args:
        matrix: What to write; a system without any score has ``None``.
        path: Where; a file there is replaced.

    Raises:
        UserError: As `write_seg_scores`.
    """
    _write(matrix.systems, matrix.system_scores()[:, None], path)


def check_names(systems: Sequence[str], where: str) -> None:
    """Refuse names that such a file cannot hold.

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
