"""From human scores to rated translations, which scorers learn from and are measured on.

All scores are converted to one scale: negated MQM points, -25 to 0. MetricX learns from direct
assessments first and then from MQM (arXiv 2410.03983). Scores of whole translations are
standardised over the file, clipped to ±1 standard deviation, and mapped onto -25 to 0; this mapping
is ours.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rewardlab.human.gold import Gold
from rewardlab.human.rated import Rated, TrainingExample
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.judges.severities import WORST_ERROR
from rewardlab.metaeval.scoring import candidates


def documents_of(gold: Gold) -> dict[str, str]:
    """Segment id -> document, unique among files; a segment without one is its own document."""
    segments = zip(gold.scores.segments, gold.documents, strict=True)
    return {segment: f"{gold.name}:{document or segment}" for segment, document in segments}


def texts_of(gold: Gold) -> Iterator[tuple[str, str]]:
    """Every text of the file in both languages, with its document before it."""
    documents = documents_of(gold)
    for (_, segment), text in gold.hypotheses.items():
        yield documents[segment], text
    if gold.sources is not None:
        yield from zip(documents.values(), gold.sources, strict=True)


def rated(gold: Gold) -> list[Rated]:
    """Every translation that has a score; its ``id`` is the segment's."""
    documents, scores = documents_of(gold), mqm_points(gold).by_cell()
    found = candidates(gold, reference_system=gold.reference_system)
    return [
        Rated(
            candidate=candidate,
            score=scores[cell],
            spans=gold.spans.get(cell, ()),
            system=cell[0],
            document=documents[candidate.id],
        )
        for cell, candidate in found.items()
        if cell in scores
    ]


def only_documents(gold: Gold, documents: Collection[str]) -> Gold | None:
    """The human scores of some documents; None if the file has no segment of them.

    Args:
        gold: Human scores.
        documents: Names as in `documents_of`.
    """
    own = documents_of(gold)
    kept = [at for at, document in enumerate(own.values()) if document in documents]
    if not kept:
        return None
    segments = dict.fromkeys(gold.scores.segments[at] for at in kept)
    return replace(
        gold,
        scores=replace(
            gold.scores,
            segments=tuple(segments),
            values=gold.scores.values[:, kept],
            signature=f"{gold.scores.signature}|segments:{len(kept)}",
        ),
        documents=tuple(gold.documents[at] for at in kept),
        sources=None if gold.sources is None else tuple(gold.sources[at] for at in kept),
        hypotheses={cell: text for cell, text in gold.hypotheses.items() if cell[1] in segments},
        spans={cell: marks for cell, marks in gold.spans.items() if cell[1] in segments},
        funnel=f"{gold.funnel}; {len(kept):,} of {len(own):,} segments kept",
    )


def mqm_points(gold: Gold) -> ScoreMatrix:
    """The scores as negated MQM points; see the module docstring.

    Scores of marked errors are in this unit already, and are cut at `WORST_ERROR`.
    """
    values = gold.scores.values
    if gold.severities is not None:
        return replace(gold.scores, values=np.maximum(values, -WORST_ERROR))
    spread = float(np.nanstd(values)) or 1.0
    standard = np.clip((values - np.nanmean(values)) / spread, -1.0, 1.0)
    return replace(gold.scores, values=(standard - 1.0) * WORST_ERROR / 2.0)


def rated_only(examples: Sequence[TrainingExample], family: str) -> list[Rated]:
    """The examples of a family that learns from scores.

    Args:
        examples: Training examples.
        family: Name of the family, for messages.

    Raises:
        ValueError: One is not `Rated`, or its score is not a finite number of at most 0.
    """
    rows: list[Rated] = []
    for number, row in enumerate(examples):
        if not isinstance(row, Rated):
            kind = type(row).__name__
            raise ValueError(  # noqa: TRY004 - the data's fault
                f"row {number} is {kind}; {family} learns from Rated ones, with MQM scores"
            )
        if not (math.isfinite(row.score) and row.score <= 0):
            raise ValueError(f"row {number} has score {row.score}; minus an MQM error is at most 0")
        rows.append(row)
    return rows
