"""Scores of a metric, from a file, for the translations that have human scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import Problem, refuse, shown
from rewardlab.human.direct_assessment import ESA
from rewardlab.human.formats import Match
from rewardlab.human.gold import Gold
from rewardlab.human.mqm import MQM
from rewardlab.human.score_files import TABLE, read_lists, read_table
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.human.tables import bare_name, content_digest, filled_lines, some_of
from rewardlab.types import WMT_MQM


def read_scores(
    path: str | Path, gold: Gold, *, name: str, may_miss: Collection[str] = ()
) -> ScoreMatrix:
    """Read a metric's scores of the translations that have human ones.

    Args:
        path: A ``.seg.score`` file (or ``.sys.score``, if the human scores are of whole systems),
            in which the n-th line of a system is its n-th segment; or a table or rows with the
            systems and segments of ``gold``, in any order.
        gold: The human scores.
        name: Name of the metric.
        may_miss: Systems that the file may lack; their rows are then NaN.

    Returns:
        Scores of the same systems and segments as ``gold.scores``, NaN if the file has no score.

    Raises:
        UserError: E201..E203, E205, E206, E221, E222, E224 as `rewardlab.human.formats.read_gold`;
            E220 the file does not contain scores; E225 systems or segments differ from those of
            the human scores. Exit code 3.
    """
    file = read_lines(path)
    found = _scores_of(file, gold)
    wanted = gold.scores
    if differences := "; ".join(_differences(found, gold, may_miss)):
        what = f"{name} is not of these translations: {differences}"
        fix = "score every translation of the gold file, under its names"
        refuse(Problem("E225", file.name, what, fix))
    signature = f"{name}|file|sha256:{content_digest(file)}"
    return ScoreMatrix.of_cells(wanted.systems, wanted.segments, found.by_cell(), signature)


def _differences(found: ScoreMatrix, gold: Gold, may_miss: Collection[str]) -> Iterator[str]:
    """Systems and segments that only the human scores or only the metric's file contain."""
    wanted, scored = gold.scores, {*gold.scores.systems, *gold.unscored}
    parts = (
        (_without(wanted.systems, {*found.systems, *may_miss}), "systems are missing"),
        (_without(found.systems, scored), "systems have no human scores"),
        (_without(wanted.segments, {*found.segments}), "segments are missing"),
        (_without(found.segments, {*wanted.segments}), "segments are unknown"),
    )
    return (f"{len(names):,} {what} ({some_of(names)})" for names, what in parts if names)


def _without(names: Sequence[str], others: Collection[str]) -> list[str]:
    return [name for name in names if name not in others]


def _scores_of(file: TextFile, gold: Gold) -> ScoreMatrix:
    """The scores of the file, under the names in the file."""
    lines, name = filled_lines(file), bare_name(file)
    if not name.endswith(".score"):
        if ESA.recognises(name, lines):
            return ESA.read(file, WMT_MQM).scores
        if MQM.recognises(name, lines) >= Match.LIKELY or len(lines[0].text.split()) == 1:
            what = f"no file of scores begins with {shown(lines[0].text)}"
            fix = "write system and score lines, or a table separated by tabs"
            refuse(Problem("E220", f"{file.name}:{lines[0].number}", what, fix))
        if TABLE.recognises(name, lines):
            return read_table(file)
    scores = read_lists(file)
    values = np.array(list(scores.values()))
    segments = gold.scores.segments
    if values.shape[1] != len(segments):
        what = (
            f"{values.shape[1]:,} scores for each system, and the human scores are of "
            f"{len(segments):,} segments"
        )
        refuse(Problem("E225", file.name, what, "give one for each, in their order"))
    return ScoreMatrix(tuple(scores), segments, values, "")
