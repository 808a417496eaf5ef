"""Whether a reward tells the translations of one source apart, as people do.

RL learns from differences within a group of translations of one source and from nothing else: a
reward that gives all of them the same score teaches nothing there, however well it orders sources.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import segment_counts
from rewardlab.preflight.shares import Share
from rewardlab.statistics import interval


class Discrimination(NamedTuple):
    """How a reward orders translations of one source that people score differently.

    Attributes:
        right: Share of those pairs that it orders as people do.
        tied: Share that it scores the same.
        pairs: How many there are.
        constant: Share of sources on whose translations it is constant.
        sources: How many have at least two translations with a score.
    """

    right: Share
    tied: Share
    pairs: int
    constant: Share
    sources: int


def discrimination(
    gold: Floats, metric: Floats, *, resamples: int = 1000, seed: int = 0
) -> Discrimination:
    """Count pairs within sources; the rest of the pairs is ordered against people.

    Args:
        gold: Human scores (S, M), higher is better, NaN = missing; all NaN where nobody scored.
        metric: Scores of the reward (S, M), higher is better, NaN = missing.
        resamples: Bootstrap samples of the M sources.
        seed: Of the samples.

    Returns:
        Intervals are of a resampling of sources with all their pairs.

    Raises:
        ValueError: The shapes differ, or there is no source.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and scores of the reward {metric.shape}")
    differ, right, tied = _pairs(gold, metric)
    several = (~np.isnan(metric)).sum(axis=0) > 1
    same = several & ~(_spread(metric) > 0.0)
    drawn = segment_counts(gold.shape[1], resamples=resamples, seed=seed).astype(np.float64)
    return Discrimination(
        right=_share(right, differ, drawn),
        tied=_share(tied, differ, drawn),
        pairs=int(differ.sum()),
        constant=_share(same.astype(np.float64), several.astype(np.float64), drawn),
        sources=int(several.sum()),
    )


def _pairs(gold: Floats, metric: Floats) -> tuple[Floats, Floats, Floats]:
    """Pairs that people score differently, those of them in the right order, those tied: (M,)."""
    counts = np.zeros((3, gold.shape[1]))
    for first in range(len(gold) - 1):
        people = np.sign(gold[first] - gold[first + 1 :])
        reward = np.sign(metric[first] - metric[first + 1 :])
        differ = (np.abs(people) > 0.0) & ~np.isnan(reward)
        counts[0] += differ.sum(axis=0)
        counts[1] += (differ & (people == reward)).sum(axis=0)
        counts[2] += (differ & (reward == 0.0)).sum(axis=0)
    return counts[0], counts[1], counts[2]


def _spread(metric: Floats) -> Floats:
    known = ~np.isnan(metric)
    high = np.where(known, metric, -np.inf).max(axis=0)
    return np.where(known.any(axis=0), high - np.where(known, metric, np.inf).min(axis=0), 0.0)


def _share(part: Floats, whole: Floats, drawn: NDArray[np.float64]) -> Share:
    if not whole.sum():
        return Share(math.nan, math.nan, math.nan)
    wholes = drawn @ whole
    ends = interval((drawn @ part)[wholes > 0] / wholes[wholes > 0])
    low, high = (ends.low, ends.high) if ends else (math.nan, math.nan)
    return Share(float(part.sum() / whole.sum()), low, high)
