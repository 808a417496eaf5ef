"""Quality of a scorer on held-out parallel text, beside baselines that do not read what it says.

Three questions: what it prefers, how it orders the translations of one machine, and which planted
errors it marks. Intervals are from bootstrap resamples of segments: all texts of a source are drawn
together.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.human.rated import Preference, Rated
from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import Counts, pearson_samples, segment_counts, spearman_samples
from rewardlab.metaeval.span_agreement import span_agreement
from rewardlab.scorers.baselines import (
    LENGTH,
    MARK_EVERYTHING,
    RANDOM,
    LengthModel,
    MarkingRates,
    random_words,
)
from rewardlab.scorers.free_supervision import FreeExamples
from rewardlab.scorers.heldout import Figures
from rewardlab.seeds import seed_for
from rewardlab.statistics import FEWEST, Estimate, estimate, ratio
from rewardlab.types import Candidate, ErrorSpan, Reward

LONGER, SHORTER = "longer", "shorter"


@dataclass(frozen=True)
class FreeHeldOut:
    """The results of `measure_free`.

    Attributes:
        pairs: Kind of pair -> number of pairs.
        accuracy: Kind of pair -> scorer -> share of the pairs that it orders rightly; a tie counts
            half.
        correlations: Machine -> scorer -> Pearson's and Spearman's correlation with chrF to the
            reference, over the translations of this machine.
        spans: ``precision``, ``recall``, ``f1`` of the characters in planted errors, of the scorer,
            of marking everything and of random words; empty if the scorer finds no spans.
        damaged: Number of damaged texts with a planted error that has characters. Omissions have
            none.
        failed: Status -> number of texts without a score.
    """

    pairs: Mapping[str, int]
    accuracy: Mapping[str, Figures]
    correlations: Mapping[str, Figures]
    spans: Figures
    damaged: int
    failed: Mapping[str, int]


def measure_free(
    examples: FreeExamples,
    reward: Reward,
    *,
    train: Sequence[Rated],
    resamples: int = 1000,
    seed: int = 0,
) -> FreeHeldOut:
    """Measure a scorer on held-out examples.

    The baselines prefer the longer or the shorter text of a pair, score by least squares from
    lengths, mark every character, and mark random words as often as training texts have errors.

    Args:
        examples: Held-out examples.
        reward: The scorer.
        train: The training side, on which the baselines are fitted.
        resamples: B, at least 1.
        seed: Seed of the draws.
    """
    planted = [row for row in examples.rated if has_planted_characters(row)]
    machine = {name: _of(examples.rated, name) for name in examples.machine}
    sides = [
        side
        for pairs in examples.pairs.values()
        for pair in pairs
        for side in (pair.chosen, pair.rejected)
    ]
    rows = [*planted, *(row for some in machine.values() for row in some)]
    different = list(dict.fromkeys([*sides, *(row.candidate for row in rows)]))
    output = reward(different)
    scores = dict(zip(different, output.scores.tolist(), strict=True))
    failed: dict[str, int] = {}
    for status in output.status:
        if not status.scored:
            failed[status.value] = failed.get(status.value, 0) + 1
    accuracy = {
        kind: _accuracies(reward.name, pairs, scores, resamples=resamples, seed=seed)
        for kind, pairs in examples.pairs.items()
    }
    lengths = LengthModel.fitted(train)
    correlations = {
        name: _correlations(reward.name, some, scores, lengths, resamples=resamples, seed=seed)
        for name, some in machine.items()
        if len(some) >= FEWEST
    }
    spans: dict[tuple[str, str], Estimate] = {}
    if output.spans is not None and planted:
        found = dict(zip(different, output.spans, strict=True))
        rates = MarkingRates.counted([row for row in train if has_planted_characters(row)])
        for name, predicted in {
            reward.name: [found[row.candidate] for row in planted],
            MARK_EVERYTHING: [_whole(row.candidate.hypothesis) for row in planted],
            RANDOM: [_random(row.candidate, rates, seed) for row in planted],
        }.items():
            spans |= _span_figures(name, predicted, planted, resamples=resamples, seed=seed)
    counts = {kind: len(pairs) for kind, pairs in examples.pairs.items()}
    return FreeHeldOut(counts, accuracy, correlations, spans, len(planted), failed)


def has_planted_characters(row: Rated) -> bool:
    """Whether the translation has marked characters; omissions have none."""
    return any(
        span.side == "hypothesis" and span.end > span.start for rater in row.spans for span in rater
    )


def _of(rows: Sequence[Rated], system: str) -> list[Rated]:
    return [row for row in rows if row.system == system]


def _whole(text: str) -> list[ErrorSpan]:
    return [ErrorSpan(0, len(text), "minor")] if text else []


def _random(one: Candidate, rates: MarkingRates, seed: int) -> list[ErrorSpan]:
    return random_words(
        one.hypothesis, rates, seed=seed_for(seed, one.id, one.source, one.hypothesis)
    )


def resampled(segments: Sequence[Hashable], *, resamples: int, seed: int) -> Counts:
    """How often each row counts: once in the first line, then in each resample of segments.

    Args:
        segments: The segment of each of N rows; rows of one segment are drawn together.
        resamples: B.
        seed: Seed of the draws.

    Returns:
        (1 + B, N); (1, N) if there is only one segment.

    >>> resampled(["a", "a"], resamples=9, seed=0).tolist()
    [[1, 1]]
    """
    every = np.ones((1, len(segments)), dtype=np.int64)
    number = {segment: str(at) for at, segment in enumerate(dict.fromkeys(segments))}
    if len(number) < FEWEST:
        return every
    names = [number[segment] for segment in segments]
    drawn = segment_counts(len(names), resamples=resamples, seed=seed, documents=names)
    return np.vstack([every, drawn])


def _accuracies(
    name: str,
    pairs: Sequence[Preference],
    scores: Mapping[Candidate, float],
    *,
    resamples: int,
    seed: int,
) -> Figures:
    """The share of pairs in the right order; a pair with a text without a score is left out."""
    apart = np.array([scores[pair.chosen] - scores[pair.rejected] for pair in pairs])
    longer = np.array([len(p.chosen.hypothesis) - len(p.rejected.hypothesis) for p in pairs], float)
    counts = resampled([pair.chosen.source for pair in pairs], resamples=resamples, seed=seed)
    found: dict[tuple[str, str], Estimate] = {}
    for scorer, difference in ((name, apart), (LONGER, longer), (SHORTER, -longer)):
        scored = ~np.isnan(difference)
        right = np.where(scored, (np.sign(difference) + 1.0) / 2.0, 0.0)
        found[scorer, "accuracy"] = _estimate(ratio(counts @ right, counts @ scored))
    return found


def _correlations(
    name: str,
    rows: Sequence[Rated],
    scores: Mapping[Candidate, float],
    lengths: LengthModel,
    *,
    resamples: int,
    seed: int,
) -> Figures:
    """Correlations with the scores of one machine's translations, which are linear in chrF."""
    gold = np.array([[row.score for row in rows]])
    texts = [row.candidate for row in rows]
    counts = resampled([one.source for one in texts], resamples=resamples, seed=seed)
    sizes = (
        np.array([len(text) for text in side])
        for side in ([one.source for one in texts], [one.hypothesis for one in texts])
    )
    found: dict[tuple[str, str], Estimate] = {}
    for scorer, values in (
        (name, np.array([[scores[one] for one in texts]])),
        (LENGTH, lengths.values(*sizes)[None]),
    ):
        if np.count_nonzero(~np.isnan(values)) >= FEWEST:
            found[scorer, "pearson"] = _estimate(_or_zero(pearson_samples(gold, values, counts)))
            found[scorer, "spearman"] = _estimate(_or_zero(spearman_samples(gold, values, counts)))
    return found


def _or_zero(samples: Floats) -> Floats:
    """The samples; 0 instead of undefined for a scorer that gives all rows the same score."""
    return np.zeros_like(samples) if np.isnan(samples[0]) else samples


def _span_figures(
    name: str,
    predicted: Sequence[Sequence[ErrorSpan]],
    planted: Sequence[Rated],
    *,
    resamples: int,
    seed: int,
) -> Figures:
    """Precision, recall and F1 over all characters of the damaged texts."""
    sizes: list[tuple[int, int, int]] = []
    for spans, row in zip(predicted, planted, strict=True):
        one = span_agreement([spans], [row.spans], [row.candidate.hypothesis])
        sizes.append((one.predicted, one.marked, one.both))
    segments = [row.candidate.source for row in planted]
    counts = resampled(segments, resamples=resamples, seed=seed)
    marks, gold, both = (counts @ np.array(sizes, dtype=np.float64)).T
    values = {
        "precision": ratio(both, marks),
        "recall": ratio(both, gold),
        "f1": 2.0 * both / np.maximum(marks + gold, 1.0),
    }
    return {(name, statistic): _estimate(value) for statistic, value in values.items()}


def _estimate(samples: Floats) -> Estimate:
    """The value on all rows, which comes first, and its interval."""
    return estimate(float(samples[0]), samples[1:])
