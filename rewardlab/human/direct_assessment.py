"""The format ``esa``: scores that raters gave to whole translations; direct assessment (DA), ESA.

A tab-separated file with a header, one score per row. Columns are recognised by their names, in
any case and order:

==========  ======================================================================
system      ``system``, ``system_id``
segment     ``seg_id``, ``segment_id``, ``segment``, ``globalSegId``, ``docSegId``, ``doc_id``
score       ``score``, ``esa_score``, ``esa``, ``overall``, ``da``, ``rating``
document    ``doc``, ``document``, ``document_id``, ``doc_name``; optional
rater       ``rater``, ``rater_id``, ``annotator``, ``annotator_id``, ``user``; optional
source      ``source``, ``src``; optional
hypothesis  ``target``, ``hypothesis``, ``translation``, ``tgt``, ``mt``; optional
==========  ======================================================================

A translation's score is the mean over its raters; several scores by one rater are averaged first.
Exact duplicates of a row count once. A score that is empty, ``None`` or ``NaN`` is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, refuse
from rewardlab.human.annotations import Annotations
from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
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
)
from rewardlab.types import SeverityTable

COLUMNS = {
    "system": Column(("system", "system_id")),
    "segment": Column(
        ("seg_id", "segment_id", "segment", "globalsegid", "docsegid", "doc_seg_id", "doc_id")
    ),
    "score": Column(("score", "esa_score", "esa", "overall", "da", "rating")),
    "document": Column(("doc", "document", "document_id", "doc_name"), needed=False),
    "rater": Column(("rater", "rater_id", "annotator", "annotator_id", "user"), needed=False),
    "source": Column(("source", "src"), needed=False),
    "hypothesis": Column(("target", "hypothesis", "translation", "tgt", "mt"), needed=False),
}
AGAIN = "scores that a rater gave again"
UNSCORED = "rows without a score"


def recognises(_name: str, lines: Sequence[Line]) -> Match:
    """Whether the first line is a header with a system, a segment and a score.

    Args:
        lines: Lines of the file, at least one.
    """
    return Match.NO if missing_columns(lines[0].cells, COLUMNS) else Match.HEADER


def read(file: TextFile, _severities: SeverityTable) -> Gold:
    """Read scores of translations, one score per row.

    Args:
        file: Lines of the file.

    Raises:
        UserError: E206 no rows; E220 the header lacks a column; E221 rows with too few or too many
            cells, or without names; E222 scores that are not finite numbers. Exit code 3.
    """
    header, *rows = filled_lines(file, least=2)
    if missing := missing_columns(header.cells, COLUMNS):
        what = f"no column for {' and '.join(missing)}"
        fix = f"call it {COLUMNS[missing[0]].names[0]}"
        refuse(Problem("E220", f"{file.name}:{header.number}", what, fix))
    columns, width = columns_of(header.cells, COLUMNS), len(header.cells)
    problems = RowProblems(file.name, len(rows))
    scores = Annotations[float]()
    for line in list(distinct(rows, scores.counts)):
        if not problems.check_width(line, width):
            continue
        cells = line.cells
        cell = {key: cells[at] for key, at in columns.items()}
        system, segment = cell["system"].strip(), cell["segment"].strip()
        if not system or not segment:
            what, fix = "a row needs a system and a segment, and has {}", "name both"
            problems.add("E221", what, fix, line=line.number, value=f"{system}, {segment}")
        value = problems.number_or_nan(cell["score"], line.number)
        key = (cell.get("document", "").strip(), segment)
        raters = scores.raters_of(system, key, integer_of(segment))
        given = raters.setdefault(cell.get("rater", "").strip(), [])
        scores.sources.add(key, Marked(cell.get("source")))
        scores.hypotheses.add((system, key), Marked(cell.get("hypothesis")))
        if math.isnan(value):
            scores.counts[UNSCORED] += 1
        else:
            scores.counts[AGAIN] += bool(given)
            given.append(value)
    problems.raise_if_any()
    noted = counted(scores.counts)
    gold = scores.gold(file, _score, kind="direct")
    return replace(gold, funnel=f"{len(rows):,} rows" + (f": {noted}" if noted else ""))


ESA = Format(recognises, read)


def _score(raters: Iterable[list[float]]) -> float:
    """The mean over raters of the mean of each rater's scores; NaN if there is no score."""
    means = [fmean(given) for given in raters if given]
    return fmean(means) if means else math.nan
