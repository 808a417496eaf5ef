"""Intervals of every statistic of a meta-evaluation, on one set of bootstrap draws of segments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, get_args

import numpy as np

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.correlations import Grouping, Rows, kendall_rows, pearson_rows
from rewardlab.metaeval.resampled import (
    Counts,
    accuracy_samples,
    kendall_samples,
    pearson_samples,
    segment_counts,
    spa_samples,
    spearman_samples,
    system_samples,
)
from rewardlab.metaeval.system_level import pairwise_accuracies
from rewardlab.statistics import interval

Ends: TypeAlias = tuple[float, float]
Samples: TypeAlias = Callable[[], Floats]


@dataclass(frozen=True)
class Intervals:
    """Where 95% of the resamples lie, for the statistics that can be resampled.

    Attributes:
        system: By statistic, lower and upper end. What has no value in any resample is not there.
        segment: By grouping and statistic, likewise. ``epsilon`` has none: ``acc_eq`` is resampled
            with the threshold of the whole test set.
    """

    system: Mapping[str, Ends]
    segment: Mapping[Grouping, Mapping[str, Ends]]


def intervals_of(
    gold: Floats,
    metrics: Mapping[str, Floats],
    epsilons: Mapping[str, Mapping[Grouping, float]],
    *,
    resamples: int,
    seed: int = 0,
) -> dict[str, Intervals]:
    """Resample segments and measure every metric on the same draws.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing; of at least two systems.
        epsilons: Tie thresholds by metric and grouping; NaN for none.
        resamples: How many, at least 1.
        seed: Of the draws.

    Returns:
        By metric. What is too large to resample is not there.
    """
    counts = segment_counts(gold.shape[1], resamples=resamples, seed=seed)
    soft = _spa(gold, metrics, counts)
    return {
        name: Intervals(
            _ends(_system(gold, metric, counts) | {"spa": soft[name]}),
            {
                by: _ends(_segment(gold, metric, epsilons[name][by], counts, by))
                for by in get_args(Grouping)
            },
        )
        for name, metric in metrics.items()
    }


def _system(gold: Floats, metric: Floats, counts: Counts) -> dict[str, Floats]:
    known = ~(np.isnan(gold) | np.isnan(metric))
    scored = known.any(axis=1)
    human, found = (np.where(known, side, np.nan)[scored] for side in (gold, metric))
    statistics: dict[str, Rows] = {
        "pearson": pearson_rows,
        "kendall": partial(kendall_rows, variant="b"),
        "pairwise_accuracy": pairwise_accuracies,
    }
    return {name: system_samples(rows, human, found, counts) for name, rows in statistics.items()}


def _segment(
    gold: Floats, metric: Floats, epsilon: float, counts: Counts, by: Grouping
) -> dict[str, Floats]:
    samples: dict[str, Samples] = {
        "pearson": partial(pearson_samples, gold, metric, counts, by=by),
        "spearman": partial(spearman_samples, gold, metric, counts, by=by),
        "kendall": partial(kendall_samples, gold, metric, counts, by=by),
    }
    if not math.isnan(epsilon):
        samples["acc_eq"] = partial(accuracy_samples, gold, metric, epsilon, counts, by=by)
    found: dict[str, Floats] = {}
    for name, draw in samples.items():
        try:
            found[name] = draw()
        except ValueError:  # more segments than its pairs can be resampled of
            continue
    return found


def _spa(gold: Floats, metrics: Mapping[str, Floats], counts: Counts) -> dict[str, Floats]:
    """Metrics that lack the same segments share the humans' side of it."""
    alike: dict[bytes, dict[str, Floats]] = {}
    for name, metric in metrics.items():
        alike.setdefault(np.isnan(gold + metric).any(axis=0).tobytes(), {})[name] = metric
    return {
        name: samples
        for some in alike.values()
        for name, samples in spa_samples(gold, some, counts).items()
    }


def _ends(samples: Mapping[str, Floats]) -> dict[str, Ends]:
    found = {name: interval(drawn) for name, drawn in samples.items()}
    return {name: (one.low, one.high) for name, one in found.items() if one is not None}
