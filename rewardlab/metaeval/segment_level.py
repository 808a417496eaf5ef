"""Segment-level statistics: does a metric order single translations as humans do?

A new statistic is a line in `STATISTICS`, with the function that resamples it; its intervals are
then computed automatically. Tie-calibrated accuracy is handled separately, because its resamples
keep the threshold of the whole test set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import (
    Counts,
    accuracy_samples,
    kendall_samples,
    pearson_samples,
    spearman_samples,
)
from rewardlab.metaeval.correlations import GROUPINGS, Grouping, kendall, pearson, spearman
from rewardlab.metaeval.ties import TooManyPairs, accuracy_eq


class Statistic(NamedTuple):
    """A statistic of human and metric scores (S, M), for every grouping.

    Attributes:
        value: Called as ``value(gold, metric, by=...)``.
        samples: Called as ``samples(gold, metric, counts, by=...)``; one value per resample (B,).
    """

    value: Callable[..., float]
    samples: Callable[..., Floats]


STATISTICS: Mapping[str, Statistic] = {
    "pearson": Statistic(pearson, pearson_samples),
    "spearman": Statistic(spearman, spearman_samples),
    "kendall": Statistic(kendall, kendall_samples),
}


def segment_statistics(
    gold: Floats, metric: Floats
) -> tuple[dict[Grouping, dict[str, float]], list[str]]:
    """All segment-level statistics, for every grouping.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        Values by grouping and name, with ``acc_eq`` and its ``epsilon`` last; and notes on
        statistics that were left out because they have too many pairs.

    Raises:
        ValueError: The shapes differ.
    """
    statistics: dict[Grouping, dict[str, float]] = {}
    notes: list[str] = []
    for by in GROUPINGS:
        try:
            accuracy, epsilon, _ = accuracy_eq(gold, metric, by=by)
        except TooManyPairs as error:  # the others of the table still have a value
            accuracy = epsilon = math.nan
            notes.append(f"acc_eq by {by} is left out: {error}")
        values = {name: one.value(gold, metric, by=by) for name, one in STATISTICS.items()}
        statistics[by] = values | {"acc_eq": accuracy, "epsilon": epsilon}
    return statistics, notes


def segment_samples(
    gold: Floats, metric: Floats, counts: Counts, *, by: Grouping, epsilon: float
) -> dict[str, Floats]:
    """Resamples of the segment-level statistics under one grouping.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        counts: (B, M) of `rewardlab.metaeval.bootstrap.segment_counts`.
        by: Which cells are compared with each other.
        epsilon: Tie threshold of ``acc_eq`` on the whole test set; NaN leaves it out.

    Returns:
        Samples (B,) by name. Statistics with too many pairs to resample are left out.
    """
    draw = {name: one.samples for name, one in STATISTICS.items()}
    if not math.isnan(epsilon):
        draw["acc_eq"] = partial(accuracy_samples, epsilon=epsilon)
    samples: dict[str, Floats] = {}
    for name, samples_of in draw.items():
        try:
            samples[name] = samples_of(gold, metric, counts=counts, by=by)
        except TooManyPairs:  # the others still have an interval
            continue
    return samples
