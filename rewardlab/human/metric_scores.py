"""Scores of a metric, from a file, for the translations that have human scores.

Files may score more systems and segments than people did; these are left out with a note. A
translation with a human score that the file lacks is an error. A score that is empty or ``None``
is a translation that the metric could not score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.human.annotations import segment_id
from rewardlab.human.direct_assessment import COLUMNS, ESA, mean_score, read_rows, score_columns
from rewardlab.human.formats import Match
from rewardlab.human.gold import FEWEST_SYSTEMS, Cell, Gold
from rewardlab.human.language_pairs import of_one_pair
from rewardlab.human.mqm import MQM
from rewardlab.human.quoting import plain_cells
from rewardlab.human.score_files import TABLE, read_lists, read_table
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.human.tables import (
    bare_name,
    column_name,
    content_digest,
    filled_lines,
    integer_of,
    some_of,
)


class ScoreFile(NamedTuple):
    """The scores of one metric.

    Attributes:
        path: The file.
        column: The column with the scores; empty if the file says it by itself.
    """

    path: str
    column: str = ""


class MetricScores(NamedTuple):
    """What was read.

    Attributes:
        scores: Scores of the systems and segments of the human scores, NaN if there is none.
        notes: What was changed or left out, one line each.
    """

    scores: ScoreMatrix
    notes: tuple[str, ...] = ()


class _Cells(NamedTuple):
    """The scores of a file.

    Attributes:
        scores: (system, segment) -> score; NaN for a translation that was not scored.
        notes: How the segments were found.
    """

    scores: dict[Cell, float]
    notes: tuple[str, ...] = ()


def score_file(given: str) -> ScoreFile:
    """Split ``FILE:COLUMN``; a file whose name contains the colon is taken as it is.

    >>> score_file("scores.tsv:chrf"), score_file("scores.tsv")
    (ScoreFile(path='scores.tsv', column='chrf'), ScoreFile(path='scores.tsv', column=''))
    """
    parts = given.split(":")
    if Path(given).is_file() or len(parts) == 1:
        return ScoreFile(given)
    splits = [(":".join(parts[:at]), ":".join(parts[at:])) for at in range(1, len(parts))]
    # the longest file that exists; else the column is what follows the last colon
    path, column = next((one for one in splits[::-1] if Path(one[0]).is_file()), splits[-1])
    return ScoreFile(path, column.strip())


def read_scores(
    file: ScoreFile | str | Path, gold: Gold, *, name: str, may_miss: Collection[str] = ()
) -> MetricScores:
    """Read a metric's scores of the translations that have human ones.

    Args:
        file: A ``.seg.score`` file (or ``.sys.score``, if the human scores are of whole systems),
            in which the n-th line of a system is its n-th segment; a table of systems by segments;
            or rows with a system, a segment and a score, such as ``rewardlab score`` writes. Tables
            and rows have the systems and segments of ``gold``, in any order.
        gold: The human scores.
        name: Name of the metric. If no column is given, a column of this name is read.
        may_miss: Systems that the file may lack; their rows are then NaN.

    Raises:
        UserError: E201..E203, E205, E206, E221, E222, E224, E280..E282 as
            `rewardlab.human.formats.read_gold`; E220 the file does not contain scores; E225
            translations with human scores are missing; E283 the column is missing, or it is not
            known which one is meant. Exit code 3.
    """
    path, column = file if isinstance(file, ScoreFile) else ScoreFile(str(file))
    raw, *_ = of_one_pair(plain_cells(read_lines(path)), gold.source_lang, gold.target_lang)
    found = _cells_of(raw, gold, name, column)
    missing, extra = [*_missing(found.scores, gold, may_miss)], [*_extra(found.scores, gold)]
    if missing:
        what = f"{name} is not of these translations: {'; '.join((*missing, *extra))}"
        refuse(Problem("E225", raw.name, what, _fix_of_missing(found.scores, gold, may_miss)))
    notes = [*raw.notes, *found.notes, *(f"{name}: left out {what}" for what in extra)]
    signature = f"{name}|file|sha256:{content_digest(raw)}" + (f"|column:{column}" * bool(column))
    scores = {cell: score for cell, score in found.scores.items() if not math.isnan(score)}
    systems, segments = gold.scores.systems, gold.scores.segments
    return MetricScores(ScoreMatrix.of_cells(systems, segments, scores, signature), tuple(notes))


# ── what people scored and the file did not, and the reverse ────────────────────────────────────


def _missing(found: Collection[Cell], gold: Gold, may_miss: Collection[str]) -> Iterator[str]:
    """Systems, segments and single translations that only people scored."""
    wanted = [cell for cell in gold.scores.by_cell() if cell[0] not in may_miss]
    systems, segments = {system for system, _ in found}, {segment for _, segment in found}
    lost = _distinct(system for system, _ in wanted if system not in systems)
    if lost:
        yield f"{quantity(len(lost), 'system')} missing ({some_of(lost)})"
    gone = _distinct(segment for _, segment in wanted if segment not in segments)
    if gone:
        yield f"{quantity(len(gone), 'segment')} missing ({some_of(gone)})"
    cells = [
        f"{system} {segment}"
        for system, segment in wanted
        if (system, segment) not in found and system in systems and segment in segments
    ]
    if cells:
        yield f"{quantity(len(cells), 'translation')} missing ({some_of(cells)})"


def _extra(found: Collection[Cell], gold: Gold) -> Iterator[str]:
    """Systems and segments that only the file has."""
    systems = _distinct(system for system, _ in found)
    others = [one for one in systems if one not in {*gold.scores.systems, *gold.unscored}]
    if others:
        yield f"{quantity(len(others), 'system')} without human scores ({some_of(others)})"
    unknown = _distinct(one for _, one in found if one not in {*gold.scores.segments})
    if unknown:
        yield f"{quantity(len(unknown), 'segment')} without human scores ({some_of(unknown)})"


def _fix_of_missing(found: Collection[Cell], gold: Gold, may_miss: Collection[str]) -> str:
    systems, segments = {system for system, _ in found}, {segment for _, segment in found}
    lost = [one for one in gold.scores.systems if one not in {*systems, *may_miss}]
    if not lost and segments.issuperset(gold.scores.segments):
        return "add the rows, with an empty score for what was not scored"
    fix = "score every translation of the gold file, under its names"
    for what, ours, theirs in (
        ("systems", gold.scores.systems, systems),
        ("segments", gold.scores.segments, segments),
    ):
        if ours and not theirs.intersection(ours):
            fix += f"; its {what} are {some_of(ours)}, and here {some_of(sorted(theirs))}"
    left = len([one for one in gold.scores.systems if one not in {*lost, *may_miss}])
    leave_out = f", or leave systems out: --exclude-systems {','.join(lost)}"
    return fix + (leave_out if lost and left >= FEWEST_SYSTEMS else "")


def _distinct(names: Iterator[str]) -> list[str]:
    return [*dict.fromkeys(names)]


# ── the forms of files ──────────────────────────────────────────────────────────────────────────


def _cells_of(file: TextFile, gold: Gold, name: str, column: str) -> _Cells:
    """The scores of the file by the systems in the file and the segments of ``gold``."""
    lines, title = filled_lines(file), bare_name(file)
    if not title.endswith(".score"):
        is_mqm = MQM.recognises(title, lines)
        if ESA.recognises(title, lines) and (is_mqm < Match.HEADER or column):
            return _of_rows(file, gold, name, column)
        if is_mqm >= Match.LIKELY or len(lines[0].text.split()) == 1:
            what = f"no file of scores begins with {shown(lines[0].text)}"
            fix = "write system and score lines, or a table separated by tabs"
            refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
    if column:
        what = f"there is no column {shown(column)}: the file has one score for each translation"
        refuse(Problem("E283", file.name, what, f"--scores {name}={file.name}"))
    if not title.endswith(".score") and TABLE.recognises(title, lines):
        return _Cells(_all_cells(read_table(file)))
    return _of_lists(file, gold)


def _all_cells(matrix: ScoreMatrix) -> dict[Cell, float]:
    """Every cell of a matrix, NaN included."""
    return {
        (system, segment): score
        for system, row in zip(matrix.systems, matrix.values.tolist(), strict=True)
        for segment, score in zip(matrix.segments, row, strict=True)
    }


def _of_rows(file: TextFile, gold: Gold, name: str, column: str) -> _Cells:
    """A table with a row for each system and segment."""
    header = filled_lines(file)[0].cells
    rows = read_rows(file, column=_column(file, header, name, column))
    scores = {
        (system, segment_id(key)): mean_score(raters.values())
        for (system, key), raters in rows.ratings.items()
    }
    segments = {segment for _, segment in scores}
    if not segments.isdisjoint(gold.scores.segments):
        return _Cells(scores)
    numbers = {segment: integer_of(segment) for segment in segments}
    lines = [number for number in numbers.values() if number is not None]
    if len(lines) < len(numbers) or not lines or min(lines) < 1:
        return _Cells(scores)
    place = _place_of_number(gold, max(lines))
    if place is None:
        return _Cells(scores)
    ids = {
        segment: place(number) or segment for segment, number in zip(numbers, lines, strict=True)
    }
    note = f"{file.name}: segments are found by their number in the test set"
    return _Cells({(system, ids[one]): score for (system, one), score in scores.items()}, (note,))


def _column(file: TextFile, header: Sequence[str], metric: str, column: str) -> str:
    """The column with the scores; empty if it has one of the usual names.

    Raises:
        UserError: E283, there is no such column, or several could be meant; exit code 3.
    """
    columns = score_columns(header)
    wanted = column or metric
    same = [one for one in columns if one == wanted]
    same = same or [one for one in columns if column_name(one) == column_name(wanted)]
    if same:
        return same[0]
    if not column:
        if any(column_name(one) in COLUMNS["score"].names for one in columns):
            return ""
        if len(columns) == 1:
            return columns[0]
    what = f"there is no column {shown(column)}" if column else "several columns may be meant"
    what = f"{what}; columns with scores: {', '.join(columns) or 'none'}"
    fix = f"--scores {metric}={file.name}:{columns[0] if columns else 'COLUMN'}"
    return refuse(Problem("E283", file.name, what, fix))


def _of_lists(file: TextFile, gold: Gold) -> _Cells:
    """Lines of a system and a score; the n-th line of a system is its n-th segment."""
    systems, segments = gold.scores.systems, gold.scores.segments
    lists = read_lists(file, systems=systems)
    known = {system: values for system, values in lists.items() if system in systems} or lists
    length = len(next(iter(known.values())))
    notes: tuple[str, ...] = ()
    place: Callable[[int], str | None] | None
    if length == len(segments):
        place = dict(enumerate(segments, start=1)).get
    elif length > len(segments) and (place := _place_of_number(gold, length)) is not None:
        left = f"{length - len(segments):,} of {length:,} segments have no human scores"
        notes = (f"{file.name}: {left} and are left out, by their number in the test set",)
    else:
        what = (
            f"{length:,} scores for each system, and the human scores are of "
            f"{len(segments):,} segments"
        )
        refuse(Problem("E225", file.name, what, "give one for each, in their order"))
    return _Cells(
        {
            (system, segment): score
            for system, values in lists.items()
            for number, score in enumerate(values, start=1)
            if (segment := place(number)) is not None
        },
        notes,
    )


def _place_of_number(gold: Gold, largest: int) -> Callable[[int], str | None] | None:
    """The function from the number of a segment in the test set, from 1, to its id.

    Args:
        gold: The human scores.
        largest: The largest number in the file.

    Returns:
        None if the human scores do not say where in the test set their segments are.
    """
    segments = gold.scores.segments
    numbers = gold.numbers or [integer_of(segment) for segment in segments]
    known = {
        number: one for number, one in zip(numbers, segments, strict=True) if number is not None
    }
    # numbers within a single document are not those of a test set
    overall = len({*gold.documents}) > 1 or not any(gold.documents)
    if len(known) == len(segments) and overall and min(known) >= 0 and max(known) <= largest:
        first = min(known) and 1  # ids of some files begin with 0
        return lambda number: known.get(number - 1 + first)
    return dict(enumerate(segments, start=1)).get if largest == len(segments) else None
