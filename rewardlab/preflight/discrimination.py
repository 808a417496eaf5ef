"""Discrimination: does a reward distinguish the translations of one source, as people do?

RL learns only from differences within a group of translations of one source. A reward that gives
all of them the same score teaches nothing for this source, even if it orders sources well.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import segment_counts
from rewardlab.statistics import Estimate, estimate, ratio


class Discrimination(NamedTuple):
    """How a reward orders translations of one source that people score differently.

    Attributes:
        right: Share of the pairs that the reward orders as people do.
        tied: Share of the pairs in which the reward scores both the same.
        pairs: Number of pairs.
        constant: Share of sources for which the reward scores all translations the same.
        sources: Number of sources with at least two scored translations.
    """

    right: Estimate
    tied: Estimate
    pairs: int
    constant: Estimate
    sources: int


def discrimination(
    gold: Floats, metric: Floats, *, resamples: int = 1000, seed: int = 0
) -> Discrimination:
    """Count the pairs within sources that people score differently, and how the reward orders them.

    Args:
        gold: Human scores (S, M), higher is better, NaN = missing; all NaN without human scores.
        metric: Scores of the reward (S, M), higher is better, NaN = missing.
        resamples: Bootstrap samples of the M sources.
        seed: Seed of the samples.

    Returns:
        The counts and shares; intervals are from resampling sources with all their pairs.

    Raises:
        ValueError: The shapes differ, or there is no source.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and scores of the reward {metric.shape}")
    differ, right, tied = _pairs(gold, metric)
    several = (~np.isnan(metric)).sum(axis=0) > 1
    same = several & (np.fmax.reduce(metric, axis=0) == np.fmin.reduce(metric, axis=0))
    drawn = segment_counts(gold.shape[1], resamples=resamples, seed=seed).astype(np.float64)
    return Discrimination(
        right=_share(right, differ, drawn),
        tied=_share(tied, differ, drawn),
        pairs=int(differ.sum()),
        constant=_share(same.astype(np.float64), several.astype(np.float64), drawn),
        sources=int(several.sum()),
    )


def _pairs(gold: Floats, metric: Floats) -> Floats:
    """(3, M) counts: pairs that people score differently; of these, right order; of these, tied."""
    counts = np.zeros((3, gold.shape[1]))
    for first in range(len(gold) - 1):
        people = np.sign(gold[first] - gold[first + 1 :])
        reward = np.sign(metric[first] - metric[first + 1 :])
        differ = (np.abs(people) > 0.0) & ~np.isnan(reward)
        counts[0] += differ.sum(axis=0)
        counts[1] += (differ & (people == reward)).sum(axis=0)
        counts[2] += (differ & (reward == 0.0)).sum(axis=0)
    return counts


def _share(part: Floats, whole: Floats, drawn: NDArray[np.float64]) -> Estimate:
    """A share summed over sources (M,), with its interval over resamples (B, M)."""
    value = float(part.sum() / whole.sum()) if whole.any() else math.nan
    return estimate(value, ratio(drawn @ part, drawn @ whole))
