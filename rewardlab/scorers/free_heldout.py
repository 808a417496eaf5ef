"""Quality of a scorer on held-out parallel text: what it prefers, and which damage it finds.

Intervals are from bootstrap resamples of the pairs, or of the damaged texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.human.rated import Preference, Rated
from rewardlab.metaeval.span_agreement import span_agreement
from rewardlab.scorers.free_supervision import FreeExamples
from rewardlab.scorers.heldout import Figures, preference_accuracy
from rewardlab.statistics import Estimate, draws, estimate, ratio
from rewardlab.types import Candidate, ErrorSpan, Reward, RewardOutput


@dataclass(frozen=True)
class FreeHeldOut:
    """The results of `measure_free`.

    Attributes:
        pairs: Kind of pair -> number of pairs.
        accuracy: Kind of pair -> scorer -> share of the pairs that it orders rightly.
        spans: ``precision``, ``recall``, ``f1`` of the characters in planted errors, of the scorer
            and of marking everything, by scorer and statistic; empty if it finds no spans.
        damaged: Number of damaged texts with a planted error that has characters.
        failed: Status -> number of texts without a score.
    """

    pairs: Mapping[str, int]
    accuracy: Mapping[str, Figures]
    spans: Figures
    damaged: int
    failed: Mapping[str, int]


def measure_free(
    examples: FreeExamples, reward: Reward, *, resamples: int = 1000, seed: int = 0
) -> FreeHeldOut:
    """Measure a scorer on held-out examples.

    The baselines prefer the longer or the shorter text of a pair, and mark every character.

    Args:
        examples: Held-out examples.
        reward: The scorer.
        resamples: B, at least 1.
        seed: Seed of the draws.
    """
    planted = [row for row in examples.rated if any(row.spans)]
    texts = [
        *(
            one
            for pairs in examples.pairs.values()
            for p in pairs
            for one in (p.chosen, p.rejected)
        ),
        *(row.candidate for row in planted),
    ]
    different = list(dict.fromkeys(texts))
    output = reward(different)
    place = {one: at for at, one in enumerate(different)}
    failed: dict[str, int] = {}
    for status in output.status:
        if not status.scored:
            failed[status.value] = failed.get(status.value, 0) + 1
    accuracy = {
        kind: preference_accuracy(
            pairs, _scores(pairs, output, place, reward.name), resamples=resamples, seed=seed
        )
        for kind, pairs in examples.pairs.items()
    }
    spans: dict[tuple[str, str], Estimate] = {}
    if output.spans is not None and planted:
        found = [output.spans[place[row.candidate]] or () for row in planted]
        whole = [[ErrorSpan(0, len(row.candidate.hypothesis), "minor")] for row in planted]
        for name, predicted in ((reward.name, found), ("mark everything", whole)):
            spans |= _span_figures(name, predicted, planted, resamples=resamples, seed=seed)
    counts = {kind: len(pairs) for kind, pairs in examples.pairs.items()}
    return FreeHeldOut(counts, accuracy, spans, len(planted), failed)


def _scores(
    pairs: Sequence[Preference], output: RewardOutput, place: Mapping[Candidate, int], name: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sides = [[pair.chosen for pair in pairs], [pair.rejected for pair in pairs]]
    chosen, rejected = (output.scores[[place[one] for one in side]] for side in sides)
    long, short = (np.array([float(len(one.hypothesis)) for one in side]) for side in sides)
    return {name: (chosen, rejected), "longer": (long, short), "shorter": (-long, -short)}


def _span_figures(
    name: str,
    predicted: Sequence[Sequence[ErrorSpan]],
    planted: Sequence[Rated],
    *,
    resamples: int,
    seed: int,
) -> dict[tuple[str, str], Estimate]:
    """Precision, recall and F1 over all characters, with intervals over texts."""
    counts = []
    for spans, row in zip(predicted, planted, strict=True):
        one = span_agreement([spans], [row.spans], [row.candidate.hypothesis])
        counts.append((one.predicted, one.marked, one.both))
    drawn = draws(len(planted), resamples=resamples, seed=seed)
    rows = np.vstack([np.arange(len(planted)), drawn])
    marks, gold, both = np.array(counts, dtype=np.float64)[rows].sum(axis=1).T
    values = {
        "precision": ratio(both, marks),
        "recall": ratio(both, gold),
        "f1": 2.0 * both / np.maximum(marks + gold, 1.0),
    }
    return {
        (name, statistic): estimate(float(value[0]), value[1:])
        for statistic, value in values.items()
    }
