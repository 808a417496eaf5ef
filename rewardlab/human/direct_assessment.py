"""The format ``esa``: scores that raters gave to whole translations; direct assessment (DA), ESA.

A tab-separated file with a header, one score per row. Columns are recognised by their names, in
any case and order; `rewardlab.human.headers` lists them:

==========  ======================================================================
system      ``system``, ``system_id``, ...
segment     ``seg_id``, ``segment_id``, ``segment``, ``globalSegId``, ``docSegId``, ...
score       ``score``, ``esa_score``, ``esa``, ``overall``, ``da``, ``rating``, ...
document    ``doc``, ``document``, ``doc_id``, ...; optional
group       ``domain``, ``collection``, ``test_set``, ...; optional
languages   ``source_lang``, ``target_lang``, ``lp``, ...; optional, one pair is read
rater       ``rater``, ``annotator``, ``user``, ...; optional
source      ``source``, ``src``, ...; optional
hypothesis  ``target``, ``hypothesis``, ``translation``, ``mt``, ...; optional
==========  ======================================================================

A segment is the same in two rows if group, document and segment are equal. A translation's score is
the mean over its raters; several scores by one rater are averaged first. Exact duplicates of a row
count once. A score that is empty, ``None`` or ``NaN`` is missing. Several scores of a translation
in a file that names no raters are refused: they may be of translations that are not the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple, TypeAlias

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.human import headers
from rewardlab.human.annotations import Annotations, segment_id
from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
from rewardlab.human.headers import Place, documents_of, group_columns, key_names
from rewardlab.human.marked_text import Marked
from rewardlab.human.tables import (
    Column,
    Line,
    RowProblems,
    columns_of,
    counted,
    distinct,
    filled_lines,
    integer_of,
    missing_columns,
    number_of,
)
from rewardlab.types import SeverityTable

COLUMNS = {
    "system": Column(headers.SYSTEMS),
    "segment": Column((*headers.SEGMENTS, "doc_id")),
    "score": Column(
        ("score", "esa_score", "esa", "overall", "overall_score", "da", "da_score", "rating")
    ),
    "document": Column(headers.DOCUMENTS, needed=False),
    "rater": Column(headers.RATERS, needed=False),
    "source": Column(headers.SOURCES, needed=False),
    "hypothesis": Column(headers.HYPOTHESES, needed=False),
}
PLACES = {key: column for key, column in COLUMNS.items() if key != "score"}
HIGHEST = 100
"""The scale of DA and ESA begins at 0 and ends here."""
RARE = 0.1
"""If fewer scores are outside the scale, they are probably mistakes."""
AGAIN = "scores that a rater gave again"
UNSCORED = "rows without a score"
CHOSEN = "\0score"
"""Stands for a column that was asked for, which may have any name."""
Repeated: TypeAlias = dict[tuple[str, str, str, str], list[list[str]]]


def recognises(_name: str, lines: Sequence[Line]) -> Match:
    """Whether the first line is a header with a system, a segment and a score.

    Args:
        lines: Lines of the file, at least one.
    """
    missing = missing_columns(key_names(lines[0].cells), COLUMNS)
    if not missing:
        return Match.HEADER
    return Match.LIKELY if missing == ["score"] else Match.NO  # `read` says which is missing


def score_columns(header: Sequence[str]) -> list[str]:
    """The columns that can hold scores: all but those that say what a row is about, and statuses.

    Args:
        header: Names of columns, as written.
    """
    taken = {*columns_of(names := key_names(header), PLACES).values(), *group_columns(names)}
    languages = {*headers.SOURCE_LANGS, *headers.TARGET_LANGS, *headers.LANGUAGE_PAIRS}
    return [
        header[at].strip()
        for at, name in enumerate(names)
        if name not in languages and at not in taken and not name.endswith(".status")
        if name not in ("", "doc_id")
    ]


def read_rows(file: TextFile, *, column: str = "") -> Annotations[float]:
    """Read scores of translations, one score per row.

    Args:
        file: Lines of the file.
        column: A column of the header with the scores; by default one of the names in `COLUMNS`.

    Returns:
        The scores of each rater. A row without a score has its translation in ``ratings``, without
        a number.

    Raises:
        UserError: E206 no rows; E220 the header lacks a column; E221 rows with too few or too many
            cells, or without names; E222 scores that are not finite numbers; E282 several scores of
            one translation that are not those of several raters. Exit code 3.
    """
    table = _table(file, column)
    problems = RowProblems(file.name, table.size)
    scores = Annotations[float]()
    rows = [row for row in distinct(table.rows, scores.counts) if row.cells != table.header]
    rows = [row for row in rows if problems.check_width(row, len(table.header))]
    repeated: Repeated = {}
    for row, document in zip(rows, documents_of([table.place(row) for row in rows]), strict=True):
        cell = table.cells(row)
        system, segment = cell["system"].strip(), cell["segment"].strip()
        if not system or not segment:
            what, fix = "a row needs a system and a segment, and has {}", "name both"
            problems.add("E221", what, fix, line=row.number, value=f"{system}, {segment}")
        value = problems.number_or_nan(cell["score"], row.number)
        key, rater = (document, segment), cell.get("rater", "").strip()
        raters = scores.raters_of(system, key, integer_of(segment))
        given = raters.setdefault(rater, [])
        scores.sources.add(key, Marked(cell.get("source")))
        scores.hypotheses.add((system, key), Marked(cell.get("hypothesis")))
        if math.isnan(value):
            scores.counts[UNSCORED] += 1
            continue
        if given and "rater" not in table.columns:
            what = "another score of {}, and no column names raters"
            fix = (
                "add the column that tells the rows apart: doc, domain, lp (language pair) or rater"
            )
            value_shown = f"{system}, {segment_id(key)}"
            problems.add("E282", what, fix, line=row.number, value=value_shown)
        scores.counts[AGAIN] += bool(given)
        given.append(value)
        repeated.setdefault((system, *key, rater), []).append(row.cells)
    problems.raise_if_any(*_ignored_keys(file.name, table, repeated))
    return scores


def read(file: TextFile, _severities: SeverityTable) -> Gold:
    """Read human scores, one per row.

    Args:
        file: Lines of the file.

    Raises:
        UserError: As `read_rows`.
    """
    scores = read_rows(file)
    rows = len(filled_lines(file)) - 1
    noted = counted(scores.counts)
    gold = scores.gold(file, mean_score, kind="direct")
    gold = replace(gold, notes=(*gold.notes, *_out_of_range(scores)))
    return replace(gold, funnel=quantity(rows, "row") + (f": {noted}" if noted else ""))


def _out_of_range(scores: Annotations[float]) -> Iterator[str]:
    """A note if most scores are from 0 to 100 and some are not; z-scores are another scale."""
    given = [
        (number, system, segment_id(key))
        for (system, key), raters in scores.ratings.items()
        for numbers in raters.values()
        for number in numbers
    ]
    outside = [one for one in given if not 0 <= one[0] <= HIGHEST]
    if outside and len(outside) < len(given) * RARE:
        number, system, segment = outside[0]
        count = quantity(len(outside), "score")
        yield f"{count} not from 0 to {HIGHEST}, first {number:g} ({shown(system)}, {segment})"


ESA = Format(recognises, read)


def mean_score(raters: Iterable[list[float]]) -> float:
    """The mean over raters of the mean of each rater's scores; NaN if there is no score."""
    means = [fmean(given) for given in raters if given]
    return fmean(means) if means else math.nan


class _Table(NamedTuple):
    """The rows under a header.

    Attributes:
        header: Names of the columns, as written.
        columns: Key of `COLUMNS` -> position.
        groups: Positions of the columns `rewardlab.human.headers.GROUPS`.
        rows: All rows.
    """

    header: list[str]
    columns: Mapping[str, int]
    groups: Sequence[int]
    rows: list[Line]

    @property
    def size(self) -> int:
        return len(self.rows)

    def cells(self, row: Line) -> dict[str, str]:
        """The cells that are read, by key."""
        cells = row.cells
        return {key: cells[at] for key, at in self.columns.items()}

    def place(self, row: Line) -> Place:
        """The segment of a row."""
        cell, cells = self.cells(row), row.cells
        groups = tuple(cells[at].strip() for at in self.groups)
        return Place(cell.get("document", "").strip(), cell["segment"].strip(), groups)


def _table(file: TextFile, column: str) -> _Table:
    """The table of a file.

    Raises:
        UserError: E206 no rows; E220 the header lacks a column; exit code 3.
    """
    header, *rows = filled_lines(file, least=2)
    names, wanted = key_names(header.cells), COLUMNS
    if column:
        written = [name.strip() for name in header.cells]
        names[written.index(column)] = CHOSEN
        wanted = {**COLUMNS, "score": Column((CHOSEN,))}
    if missing := missing_columns(names, wanted):
        what = f"no column for {' and '.join(missing)}"
        fix = f"call it {COLUMNS[missing[0]].names[0]}"
        refuse(Problem("E220", f"{file.name}:{header.number}", what, fix))
    return _Table(header.cells, columns_of(names, wanted), group_columns(names), rows)


def _ignored_keys(name: str, table: _Table, repeated: Repeated) -> Iterable[Problem]:
    """E282: a column that is not read tells apart what a rater seems to have scored again.

    Such a column has words, few values, and another value in each row of a translation and rater.
    """
    again = [rows for rows in repeated.values() if len(rows) > 1]
    if not again or "rater" not in table.columns:
        return
    most = 2 * max(map(len, again))
    for at, column in enumerate(table.header):
        values = Counter(row[at].strip() for rows in repeated.values() for row in rows)
        numbers = any(number_of(one) is not None for one in values)
        if numbers or len(values) > most or at in {*table.columns.values(), *table.groups}:
            continue
        if all(len({row[at].strip() for row in rows}) == len(rows) for rows in again):
            what = (
                f"{len(again):,} translations have several scores by one rater, and only the "
                f"column {shown(column)}, which is not read, tells them apart"
            )
            fix = "call the column doc or domain if segments differ by it, or leave it out"
            yield Problem("E282", name, what, fix)
            return
