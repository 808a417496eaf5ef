"""Scores that people gave to whole translations: direct assessment (DA) and ESA.

A tab-separated file with a header, one judgement a row. Columns are known by their names, in any
case and order:

==========  ======================================================================
system      ``system``, ``system_id``
segment     ``seg_id``, ``segment_id``, ``segment``, ``globalSegId``, ``docSegId``, ``doc_id``
score       ``score``, ``esa_score``, ``esa``, ``overall``, ``da``, ``rating``
document    ``doc``, ``document``, ``document_id``, ``doc_name``; may be missing
rater       ``rater``, ``rater_id``, ``annotator``, ``annotator_id``, ``user``; may be missing
source      ``source``, ``src``; may be missing
hypothesis  ``target``, ``hypothesis``, ``translation``, ``tgt``, ``mt``; may be missing
==========  ======================================================================

A translation's score is the mean over its raters; what one rater said of it several times is
averaged first. Exact duplicates of a row count once. A score that is empty, ``None`` or ``NaN`` is
missing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, refuse
from rewardlab.human.mqm import digest_of
from rewardlab.human.ratings import DUPLICATES, OTHER_TEXT, Key, segment_id
from rewardlab.human.score_files import finite_or_missing
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.human.tables import (
    Column,
    RowProblems,
    ascending,
    cells_of,
    columns_of,
    counted,
    some_of,
)

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


class DirectScores(NamedTuple):
    """What people said of whole translations.

    Attributes:
        scores: Means over raters, as in the file.
        documents: (M,), empty where unknown.
        sources: (M,), or None.
        hypotheses: (system, segment id) -> text, where the file has texts.
        raters: How many; 0 where the file does not say.
        counts: What was left out or noticed, in words.
    """

    scores: ScoreMatrix
    documents: tuple[str, ...]
    sources: tuple[str, ...] | None
    hypotheses: Mapping[tuple[str, str], str]
    raters: int
    counts: str


class _Row(NamedTuple):
    system: str
    key: Key
    value: float
    rater: str
    source: str | None
    hypothesis: str | None


def is_direct_header(line: str) -> bool:
    """Whether a line names all columns that such a file needs."""
    found = columns_of(line.split("\t"), COLUMNS)
    return all(key in found for key, column in COLUMNS.items() if column.needed)


def read_direct(file: TextFile) -> DirectScores:
    """Read scores of translations, one judgement a row.

    Raises:
        UserError: E206 no rows; E220 the header lacks a column; E221 rows with too few or too many
            cells, or without names; E222 scores that are no finite numbers. Exit code 3.
    """
    counts: Counter[str] = Counter()
    rows = _rows(file, counts)
    keys = list(dict.fromkeys(row.key for row in rows))
    order, _ = ascending(keys, {key: key[1] for key in keys})
    systems = list(dict.fromkeys(row.system for row in rows))
    given: dict[tuple[str, Key], dict[str, list[float]]] = {}
    sources: dict[Key, str] = {}
    hypotheses: dict[tuple[str, str], str] = {}
    for row in rows:
        texts = ((sources, row.key, row.source), (hypotheses, _cell(row), row.hypothesis))
        for known, place, text in texts:
            if text is not None and known.setdefault(place, text) != text:
                counts[OTHER_TEXT] += 1
        if math.isnan(row.value):
            counts[UNSCORED] += 1
            continue
        said = given.setdefault((row.system, row.key), {}).setdefault(row.rater, [])
        counts[AGAIN] += len(said) > 0
        said.append(row.value)
    values = np.full((len(systems), len(order)), math.nan)
    for at, system in enumerate(systems):
        for place, key in enumerate(order):
            if of_raters := given.get((system, key)):
                values[at, place] = _mean([_mean(said) for said in of_raters.values()])
    ids = tuple(segment_id(key) for key in order)
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        what = f"segments of different documents cannot be told apart: {some_of(twice)}"
        refuse(Problem("E221", file.name, what, "name the document in every row"))
    return DirectScores(
        ScoreMatrix(tuple(systems), ids, values, f"direct|sha256:{digest_of(file)}"),
        tuple(document for document, _ in order),
        tuple(sources[key] for key in order) if sources else None,
        hypotheses,
        len({row.rater for row in rows} - {""}),
        f"{len(rows) + counts[DUPLICATES]:,} rows"
        + (f": {said}" if (said := counted(counts)) else ""),
    )


def _rows(file: TextFile, counts: Counter[str]) -> list[_Row]:
    lines = list(cells_of(file))
    if not lines[1:]:
        refuse(Problem("E206", file.name, "no rows", "give a file with scores"))
    columns = columns_of(lines[0].cells, COLUMNS)
    missing = [key for key, column in COLUMNS.items() if column.needed and key not in columns]
    if missing:
        what = f"no column for {' and '.join(missing)}"
        fix = f"call it {COLUMNS[missing[0]].names[0]}"
        refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
    width = len(lines[0].cells)
    problems = RowProblems(file.name, len(lines) - 1)
    rows: list[_Row] = []
    seen: set[tuple[str, ...]] = set()
    for number, cells in lines[1:]:
        if len(cells) != width:
            what, fix = f"a row has {{}} cells and the header {width}", "give every row all cells"
            problems.add("E221", what, fix, line=number, value=len(cells))
            continue
        if tuple(cells) in seen:
            counts[DUPLICATES] += 1
            continue
        seen.add(tuple(cells))
        cell = {key: cells[at] for key, at in columns.items()}
        system, segment = cell["system"].strip(), cell["segment"].strip()
        if not system or not segment:
            what, fix = "a row needs a system and a segment, and has {}", "name both"
            problems.add("E221", what, fix, line=number, value=f"{system}, {segment}")
        rows.append(
            _Row(
                system,
                (cell.get("document", "").strip(), segment),
                finite_or_missing(cell["score"], number, problems),
                cell.get("rater", "").strip(),
                cell.get("source"),
                cell.get("hypothesis"),
            )
        )
    problems.raise_if_any()
    return rows


def _cell(row: _Row) -> tuple[str, str]:
    return row.system, segment_id(row.key)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
