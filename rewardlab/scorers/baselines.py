"""What a scorer must beat to have learned anything: answers that need no look at the texts.

``length``            error by least squares from the lengths of source and hypothesis
``mark_everything``   every character of every hypothesis, with the commonest severity
``random``            words at random, as many characters and severities as people mark

What they need to know (slopes, rates, severities) they take from the training side.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rewardlab.human.gold import Cell, Gold
from rewardlab.human.rated import Rated
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import SEVERITY_CLASSES
from rewardlab.seeds import seed_for
from rewardlab.text.words import words
from rewardlab.types import ErrorSpan

LENGTH, MARK_EVERYTHING, RANDOM = "length", "mark_everything", "random"


@dataclass(frozen=True)
class LengthModel:
    """Score from lengths: ``intercept + per_source · |source| + per_hypothesis · |hypothesis|``.

    Attributes:
        intercept: In the unit of the scores.
        per_source: For each character.
        per_hypothesis: For each character.
    """

    intercept: float
    per_source: float
    per_hypothesis: float

    @classmethod
    def fitted(cls, rows: Sequence[Rated]) -> LengthModel:
        """By least squares on rows of one pair of languages.

        Raises:
            ValueError: There are no rows.
        """
        if not rows:
            raise ValueError("no rows to fit lengths on")
        lengths = [(1.0, len(r.candidate.source), len(r.candidate.hypothesis)) for r in rows]
        scores = np.array([row.score for row in rows])
        found = np.linalg.lstsq(np.array(lengths, dtype=np.float64), scores, rcond=None)[0]
        return cls(*found.tolist())

    def scored(self, gold: Gold, systems: Sequence[str]) -> Scored:
        """Of every translation of these systems."""
        sources = gold.sources or ("",) * len(gold.scores.segments)
        values = np.array(
            [
                [
                    self.intercept
                    + self.per_source * len(source)
                    + self.per_hypothesis * len(gold.hypotheses.get((system, segment), ""))
                    for segment, source in zip(gold.scores.segments, sources, strict=True)
                ]
                for system in systems
            ]
        )
        return _scored(LENGTH, gold, systems, values)


class MarkingRates(NamedTuple):
    """How people mark errors.

    Attributes:
        rate: Share of the characters that are marked.
        major: Of those, the share whose worst severity is major or critical.
    """

    rate: float
    major: float

    @classmethod
    def counted(cls, rows: Sequence[Rated]) -> MarkingRates:
        """Over all raters of all rows."""
        counts: Counter[int] = Counter()
        for row in rows:
            for spans in row.spans:
                worst = np.zeros(len(row.candidate.hypothesis), dtype=np.int8)
                for span in spans:
                    if span.side == "hypothesis":
                        severity = SEVERITY_CLASSES.get(span.severity.strip().lower(), 0)
                        part = worst[span.start : span.end]
                        np.maximum(part, severity, out=part)
                counts.update(worst.tolist())
        marked = counts[1] + counts[2]
        whole = marked + counts[0]
        return cls(marked / whole if whole else 0.0, counts[2] / marked if marked else 0.0)

    @property
    def commonest(self) -> str:
        """The severity that most marked characters have."""
        return "major" if self.major > 0.5 else "minor"  # noqa: PLR2004 - more than half


def mark_everything(gold: Gold, systems: Sequence[str], rates: MarkingRates) -> Scored:
    """One span over each hypothesis."""
    return _marked(
        MARK_EVERYTHING,
        gold,
        systems,
        {
            cell: [ErrorSpan(0, len(text), rates.commonest)] if text else []
            for cell, text in _texts(gold, systems).items()
        },
    )


def mark_at_random(gold: Gold, systems: Sequence[str], rates: MarkingRates, *, seed: int) -> Scored:
    """Words, each with the chance that a character has to be marked."""
    found: dict[Cell, list[ErrorSpan]] = {}
    for cell, text in _texts(gold, systems).items():
        draw = random.Random(seed_for(seed, *cell))  # noqa: S311 - no secrets here
        found[cell] = [
            ErrorSpan(word.start, word.end, "major" if draw.random() < rates.major else "minor")
            for word in words(text)
            if draw.random() < rates.rate
        ]
    return _marked(RANDOM, gold, systems, found)


def _texts(gold: Gold, systems: Sequence[str]) -> dict[Cell, str]:
    return {cell: text for cell, text in gold.hypotheses.items() if cell[0] in systems}


def _marked(
    name: str, gold: Gold, systems: Sequence[str], spans: Mapping[Cell, Sequence[ErrorSpan]]
) -> Scored:
    """Spans, and no opinion on the whole."""
    values = np.zeros((len(systems), len(gold.scores.segments)))
    scored = _scored(name, gold, systems, values)
    return Scored(name, scored.scores, spans)


def _scored(name: str, gold: Gold, systems: Sequence[str], values: Floats) -> Scored:
    matrix = ScoreMatrix(tuple(systems), gold.scores.segments, values, f"baseline:{name}")
    return Scored(name, matrix)
