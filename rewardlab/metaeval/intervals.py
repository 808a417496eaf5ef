"""Confidence intervals of all statistics of a meta-evaluation, on one set of bootstrap draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import Counts, segment_counts, spa_samples, system_samples
from rewardlab.metaeval.correlations import GROUPINGS, Grouping
from rewardlab.metaeval.segment_level import segment_samples
from rewardlab.metaeval.system_level import STATISTICS, scored_systems
from rewardlab.statistics import Interval, interval


@dataclass(frozen=True)
class Intervals:
    """95% intervals of the statistics that can be resampled.

    A statistic without a value in any resample is missing.

    Attributes:
        system: Intervals by statistic.
        segment: Intervals by grouping and statistic. ``epsilon`` has no interval: ``acc_eq`` is
            resampled with the threshold of the whole test set.
    """

    system: Mapping[str, Interval]
    segment: Mapping[Grouping, Mapping[str, Interval]]


def intervals_of(
    gold: Floats,
    metrics: Mapping[str, Floats],
    epsilons: Mapping[str, Mapping[Grouping, float]],
    *,
    resamples: int,
) -> dict[str, Intervals]:
    """Resample segments and measure every metric on the same draws.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing, for at least two systems.
        epsilons: Tie thresholds by metric and grouping; NaN for none.
        resamples: Number of resamples, at least 1.

    Returns:
        Intervals by metric. Statistics that are too large to resample are missing.
    """
    counts = segment_counts(gold.shape[1], resamples=resamples)
    soft = _spa_samples(gold, metrics, counts)
    return {
        name: Intervals(
            system=_intervals(_system_samples(gold, metric, counts) | {"spa": soft[name]}),
            segment={
                by: _intervals(
                    segment_samples(gold, metric, counts, by=by, epsilon=epsilons[name][by])
                )
                for by in GROUPINGS
            },
        )
        for name, metric in metrics.items()
    }


def _system_samples(gold: Floats, metric: Floats, counts: Counts) -> dict[str, Floats]:
    humans, scores = scored_systems(gold, metric)
    return {name: system_samples(rows, humans, scores, counts) for name, rows in STATISTICS.items()}


def _spa_samples(gold: Floats, metrics: Mapping[str, Floats], counts: Counts) -> dict[str, Floats]:
    """Resamples of SPA; metrics that lack the same segments share the human p-values."""
    alike: dict[bytes, dict[str, Floats]] = {}
    for name, metric in metrics.items():
        alike.setdefault(np.isnan(gold + metric).any(axis=0).tobytes(), {})[name] = metric
    return {
        name: samples
        for together in alike.values()
        for name, samples in spa_samples(gold, together, counts).items()
    }


def _intervals(samples: Mapping[str, Floats]) -> dict[str, Interval]:
    return {name: ends for name, drawn in samples.items() if (ends := interval(drawn)) is not None}
