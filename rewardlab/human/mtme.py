"""The format ``mtme``: human scores and ratings as mt-metrics-eval keeps them.

``.seg.score``   scores of segments (`rewardlab.human.score_files`)
``.sys.score``   scores of whole systems (`rewardlab.human.score_files`)
``.seg.rating``  marked errors in JSON, one line per segment (`rewardlab.human.json_ratings`)
``.jsonl``       marked errors in JSON with their texts (`rewardlab.human.json_ratings`)

Texts beside files of the first three kinds are read too (`rewardlab.human.mtme_texts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from rewardlab.data.lines import TextFile
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.human.formats import Format, Match
from rewardlab.human.gold import Gold
from rewardlab.human.json_ratings import read_evalset_ratings, read_standalone_ratings
from rewardlab.human.mtme_texts import TextsBeside, read_texts_beside
from rewardlab.human.score_files import OTHER_LEVELS, is_list_line, read_lists
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.human.tables import Line, bare_name, content_digest, filled_lines
from rewardlab.types import SeverityTable

WHOLE = "system"
"""Id of the only segment if scores are of whole systems."""


def _read_lists(file: TextFile, _severities: SeverityTable) -> Gold:
    scores = read_lists(file)
    values = np.array(list(scores.values()))
    path = Path(file.name)
    is_whole = values.shape[1] == 1 and ".seg." not in path.name
    segments = (WHOLE,) if is_whole else tuple(str(n + 1) for n in range(values.shape[1]))
    signature = f"mtme|sha256:{content_digest(file)}"
    gold = Gold(
        ScoreMatrix(tuple(scores), segments, values, signature),
        documents=("",) * len(segments),
        funnel=quantity(values.size, "row"),
    )
    return gold if is_whole else _with_texts(gold, read_texts_beside(path), file.name)


def _read_ratings(file: TextFile, severities: SeverityTable) -> Gold:
    beside = read_texts_beside(Path(file.name))
    gold = read_evalset_ratings(file, beside).weighed(file, severities)
    return _with_texts(gold, beside, file.name)


def _read_standalone(file: TextFile, severities: SeverityTable) -> Gold:
    return read_standalone_ratings(file).weighed(file, severities)


def _is_json(line: Line) -> bool:
    return line.text.lstrip().startswith("{")


def _is_rating(line: Line) -> bool:
    return len(line.cells) in (2, 3) and line.cells[1].lstrip().startswith("{")


FILES = (
    ((".seg.score", ".sys.score", *OTHER_LEVELS), is_list_line, _read_lists),
    ((".jsonl",), _is_json, _read_standalone),
    ((".rating",), _is_rating, _read_ratings),
)
"""Endings of file names, a test of the first line, and the reader."""


def _reader(name: str, line: Line) -> tuple[Callable[[TextFile, SeverityTable], Gold], Match]:
    """The reader of the file, and how certain it is that the file has this format."""
    for endings, _, reader in FILES:
        if name.endswith(endings):
            return reader, Match.NAME
    for _, is_like, reader in FILES:
        if is_like(line):
            return reader, Match.POSSIBLE
    return _refuse, Match.NO


def _refuse(file: TextFile, _severities: SeverityTable) -> NoReturn:
    line = filled_lines(file)[0]
    what = f"no file in a format of mtme begins with {shown(line.text)}"
    fix = "write a system and its score on each line, or ratings in JSON"
    refuse(Problem("E220", f"{file.name}:{line.number}", what, fix))


def recognises(name: str, lines: Sequence[Line]) -> Match:
    """Whether the file has a name of mt-metrics-eval, or its first line is a score or a rating.

    Args:
        name: File name in lower case, without ``.gz``.
        lines: Lines of the file, at least one.
    """
    return _reader(name, lines[0])[1]


def read(file: TextFile, severities: SeverityTable) -> Gold:
    """Read scores or ratings.

    Args:
        file: Lines of the file.
        severities: What a marked error costs.

    Raises:
        UserError: E206 there are no rows; E220 the file is in none of these formats; E221, E222,
            E224 as `read_lists`; E226 JSON that is not a rating; E228 severities that the table
            does not contain; E229 texts that do not belong to the scores. Exit code 3.
    """
    reader, _ = _reader(bare_name(file), filled_lines(file)[0])
    return reader(file, severities)


MTME = Format(recognises, read)


def _with_texts(gold: Gold, beside: TextsBeside, name: str) -> Gold:
    """Add the texts beside the file.

    Raises:
        UserError: E229, their number of segments differs from that of the scores; exit code 3.
    """
    have = beside.sources or beside.documents
    if have is not None and len(have) != len(gold.scores.segments):
        what = (
            f"scores of {quantity(len(gold.scores.segments), 'segment')}, but the test set they "
            f"lie in has {len(have):,}"
        )
        refuse(Problem("E229", name, what, "write None for segments without a score"))
    return replace(
        gold,
        documents=beside.documents or gold.documents,
        sources=beside.sources,
        hypotheses=beside.hypotheses,
        source_lang=beside.source_lang,
        target_lang=beside.target_lang,
    )
