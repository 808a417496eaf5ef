"""Baselines for a trained scorer, which do not read what the texts say.

``length``            score by least squares from the lengths of source and hypothesis
``mark_everything``   every character of every hypothesis, with the most frequent severity
``random``            random words; as many characters, and as many of each severity, as people mark

Slopes, rates and severities are estimated on the training side.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.gold import Cell, Gold
from rewardlab.human.rated import Rated
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import SEVERITY_CLASSES
from rewardlab.seeds import seed_for
from rewardlab.text.words import words
from rewardlab.types import ErrorSpan

IntArray: TypeAlias = NDArray[np.int64]
LENGTH, MARK_EVERYTHING, RANDOM = "length", "mark_everything", "random"


@dataclass(frozen=True)
class LengthModel:
    """Score from lengths: ``intercept + per_source · |source| + per_hypothesis · |hypothesis|``.

    Attributes:
        intercept: In the unit of the scores.
        per_source: Change per character of the source.
        per_hypothesis: Change per character of the hypothesis.
    """

    intercept: float
    per_source: float
    per_hypothesis: float

    @classmethod
    def fitted(cls, rows: Sequence[Rated]) -> LengthModel:
        """The model fitted by least squares on rows of one language pair.

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
        """Scores of every translation.

        Args:
            gold: Human scores with texts.
            systems: Systems whose translations are scored.
        """
        segments = gold.scores.segments
        sources = np.array([len(source) for source in gold.sources or ("",) * len(segments)])
        hypotheses = np.array(
            [[len(gold.hypotheses.get((name, at), "")) for at in segments] for name in systems]
        )
        return _scored(LENGTH, gold, systems, self.values(sources, hypotheses))

    def values(self, sources: IntArray, hypotheses: IntArray) -> Floats:
        """Scores of texts of these lengths, in characters.

        Args:
            sources: Lengths of the sources, (M,).
            hypotheses: Lengths of their translations, (..., M).
        """
        return self.intercept + self.per_source * sources + self.per_hypothesis * hypotheses


class MarkingRates(NamedTuple):
    """How much people mark.

    Attributes:
        rate: Share of the characters that are marked.
        major: Share of the marked characters whose worst severity is major or critical.
    """

    rate: float
    major: float

    @classmethod
    def counted(cls, rows: Sequence[Rated]) -> MarkingRates:
        """The rates over all raters of all rows."""
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
    """Mark each hypothesis with one span over all of its characters.

    Args:
        gold: Human scores with texts.
        systems: Systems whose translations are marked.
        rates: Rates of the training side.
    """
    spans = {
        cell: [ErrorSpan(0, len(text), rates.commonest)] if text else []
        for cell, text in gold.hypotheses.items()
        if cell[0] in systems
    }
    return _scored(MARK_EVERYTHING, gold, systems, spans=spans)


def mark_at_random(gold: Gold, systems: Sequence[str], rates: MarkingRates, *, seed: int) -> Scored:
    """Mark random words, each with the probability that people mark a character.

    Args:
        gold: Human scores with texts.
        systems: Systems whose translations are marked.
        rates: Rates of the training side.
        seed: Seed of the draws.
    """
    spans = {
        cell: random_words(text, rates, seed=seed_for(seed, *cell))
        for cell, text in gold.hypotheses.items()
        if cell[0] in systems
    }
    return _scored(RANDOM, gold, systems, spans=spans)


def random_words(text: str, rates: MarkingRates, *, seed: int) -> list[ErrorSpan]:
    """Random words of a text, each marked with the given rate.

    Args:
        text: The text.
        rates: Rates of the training side.
        seed: Seed of the draws.
    """
    draw = random.Random(seed)  # noqa: S311 - no secrets here
    return [
        ErrorSpan(word.start, word.end, "major" if draw.random() < rates.major else "minor")
        for word in words(text)
        if draw.random() < rates.rate
    ]


def _scored(
    name: str,
    gold: Gold,
    systems: Sequence[str],
    values: Floats | None = None,
    spans: Mapping[Cell, Sequence[ErrorSpan]] | None = None,
) -> Scored:
    """The baseline's output; without ``values``, all translations get the same score."""
    segments = gold.scores.segments
    values = np.zeros((len(systems), len(segments))) if values is None else values
    matrix = ScoreMatrix(tuple(systems), segments, values, f"baseline:{name}")
    return Scored(name, matrix, spans)
