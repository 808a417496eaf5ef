"""What RL can learn from a reward: how it orders a policy's own samples of each source.

RL raises the samples of a source that score above the others. So a reward helps only as far as its
differences between samples of one source are real: they repeat when the reward is asked again, and
the sample with the higher score is the better one. Better means chrF to the reference here. That is
an upper bound of what RL can gain in chrF, and no judgement of the reward: chrF is itself wrong
about paraphrases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rewardlab.ensemble import RewardEnsemble
from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import segment_counts
from rewardlab.preflight.discrimination import Discrimination, discrimination
from rewardlab.rewards.lexical import ChrF
from rewardlab.statistics import Estimate, estimate, ratio
from rewardlab.types import Candidate, Gate, Reward, Term


class Samples(NamedTuple):
    """Samples of M sources, G of each.

    Attributes:
        sources: (M,) sources.
        references: (M,) references.
        texts: (M, G) samples.
        source_lang: Language code of the sources, or None.
        target_lang: Language code of the samples, or None.
    """

    sources: Sequence[str]
    references: Sequence[str]
    texts: Sequence[Sequence[str]]
    source_lang: str | None = None
    target_lang: str | None = None

    def candidates(self) -> list[Candidate]:
        """All samples, source by source."""
        rows = zip(self.sources, self.references, self.texts, strict=True)
        return [
            Candidate(source, text, reference, self.source_lang, self.target_lang)
            for source, reference, texts in rows
            for text in texts
        ]


class OnSamples(NamedTuple):
    """How a reward orders the samples of a source.

    Attributes:
        pairs: Pairs of samples with different chrF: ordered as by chrF, or scored the same.
        within: Share of the reward's variance that lies between the samples of a source.
        repeatable: Share of that variance that is the same when the reward is asked again: the
            correlation of the two answers. 1 for a reward without a model.
        best: Mean chrF of the sample of each source that the reward scores highest, minus the mean
            chrF of all samples.
        share: ``best`` as a share of what chrF itself would gain.
    """

    pairs: Discrimination
    within: float
    repeatable: float
    best: Estimate
    share: float


def on_samples(
    rewards: Sequence[Reward],
    samples: Samples,
    *,
    gates: Sequence[Gate] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, OnSamples]:
    """Measure rewards on samples, each reward alone.

    Args:
        rewards: Rewards with different names.
        samples: At least one source, at least two samples of each.
        gates: The ensemble's gates: a sample that is gated has the worst score of each reward.
        resamples: Bootstrap samples of the sources.
        seed: Seed of the samples.

    Returns:
        Name of a reward -> the measures.

    Raises:
        RewardFailed: A reward broke its contract.
    """
    chrf = _scores(ChrF(), samples)
    drawn = segment_counts(chrf.shape[1], resamples=resamples, seed=seed).astype(np.float64)
    found: dict[str, OnSamples] = {}
    for reward in rewards:
        scores = _scores(reward, samples, gates)
        again = _scores(reward, samples, gates) if getattr(reward, "learned", False) else scores
        gain, oracle = _gains(scores, chrf), _gains(chrf, chrf)
        known = (~np.isnan(gain)).astype(np.float64)
        sums = np.nan_to_num(gain)
        value = float(sums.sum() / known.sum()) if known.any() else math.nan
        most = float(np.where(known > 0, oracle, 0.0).sum())
        found[reward.name] = OnSamples(
            pairs=discrimination(chrf, scores, resamples=resamples, seed=seed),
            within=_within(scores),
            repeatable=_correlation(_deviations(scores), _deviations(again)),
            best=estimate(value, ratio(drawn @ sums, drawn @ known)),
            share=float(sums.sum()) / most if most > 0 else math.nan,
        )
    return found


def _scores(reward: Reward, samples: Samples, gates: Sequence[Gate] = ()) -> Floats:
    """Scores (G, M) behind the gates, NaN where there is none."""
    sources, groups = len(samples.sources), len(samples.texts[0])
    ensemble = RewardEnsemble([Term(reward)], gates, max_failed=1.0, max_unavailable=1.0)
    scores = ensemble(samples.candidates())
    return scores.values[:, 0].reshape(sources, groups).T


def _deviations(scores: Floats) -> Floats:
    """Scores minus the mean of their source (G, M)."""
    known = ~np.isnan(scores)
    counts = np.maximum(known.sum(axis=0), 1)
    return scores - np.where(known, scores, 0.0).sum(axis=0) / counts


def _within(scores: Floats) -> float:
    """Share of the variance that lies within sources; NaN without variance."""
    known = scores[~np.isnan(scores)]
    if len(known) < 2 or known.var() == 0:  # noqa: PLR2004 - a variance needs two
        return math.nan
    within = _deviations(scores)
    return float(np.nanmean(within**2) / known.var())


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson's correlation where both are known; NaN without variance."""
    known = ~np.isnan(one) & ~np.isnan(other)
    a, b = one[known], other[known]
    if len(a) < 2 or a.std() == 0 or b.std() == 0:  # noqa: PLR2004 - as above
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _gains(scores: Floats, chrf: Floats) -> Floats:
    """(M,) chrF of the sample with the highest score minus the mean; ties count by their mean."""
    highest = np.fmax.reduce(scores, axis=0)
    best = scores == highest
    chosen = ratio(np.where(best, chrf, 0.0).sum(axis=0), best.sum(axis=0))
    return chosen - chrf.mean(axis=0)
