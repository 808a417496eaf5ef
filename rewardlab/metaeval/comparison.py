"""Significance of differences between metrics: PERM-BOTH and the ranks of the WMT tables.

Deutsch et al. 2021 (arXiv 2104.00054): both metrics are z-scored, their scores are swapped at
random (per cell, p = 0.5), and the p-value is the share of draws in which the difference of the
two mixtures is at least the one observed: one-sided, for "the first is better". Tie-calibrated
accuracy swaps the outcomes of pairs instead (Deutsch et al. 2023, arXiv 2305.14324), because a
mixture of scores would need thresholds of its own.

Draws and counting follow mt-metrics-eval: if numpy's global generator is seeded with ``seed``
before each of its tests, it gives the same p-values. There is no early stopping (that tool has none
either with 1,000 draws) and, as in that tool, no correction for the number of comparisons. All
comparisons share the draws. A cell that lacks a human score, or a score of either metric, is left
out. A metric whose scores are constant gets z-scores of 0 (NaN in mt-metrics-eval).

A new comparison of a report is a line in `rankings`; `compare_by_scores` takes any statistic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from rewardlab.human.gold import FEWEST_SYSTEMS
from rewardlab.human.score_matrix import Floats, system_means
from rewardlab.metaeval import permutations
from rewardlab.metaeval.correlations import Bools
from rewardlab.metaeval.permutations import Pair, Statistic
from rewardlab.metaeval.system_level import pairwise_accuracy, spa
from rewardlab.metaeval.ties import TooManyPairs, accuracy_eq

Metrics: TypeAlias = Mapping[str, Floats]
ALPHA = 0.05
"""p-values up to this one are significant."""


class Comparison(NamedTuple):
    """Two metrics on the same data.

    Attributes:
        first: Name of the metric with the higher value.
        second: Name of the other metric.
        difference: Difference of the statistic; >= 0, NaN if either metric has no value.
        p: p-value of "the first is better"; NaN if either metric has no value.
    """

    first: str
    second: str
    difference: float
    p: float


class Ranking(NamedTuple):
    """Metrics from best to worst.

    Attributes:
        values: The statistic of each metric; equal values are sorted by name, NaN last.
        ranks: Rank of each metric, from 1. A metric is not significantly worse than any better
            metric of the same rank.
        comparisons: Every pair, the better one first.
    """

    values: dict[str, float]
    ranks: dict[str, int]
    comparisons: tuple[Comparison, ...]


def rankings(gold: Floats, metrics: Metrics) -> tuple[dict[str, Ranking], list[str]]:
    """Rank metrics by acc_eq (by item), SPA and pairwise accuracy, with 1,000 draws each.

    Systems are compared over the cells that all metrics have. A metric has no rank if there is no
    text of which it scored at least two translations.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.

    Returns:
        Rankings by statistic, and notes on what was left out.
    """
    metrics = {name: scores for name, scores in metrics.items() if _have_pair(gold, scores)}
    if len(metrics) < 2:  # noqa: PLR2004 - a pair
        return {}, ["nothing is compared: fewer than two metrics have scores to compare"]
    if not _have_pair(gold, *metrics.values()):
        what = "no text has two translations that people and all of these metrics scored"
        return {}, [f"metrics are not compared: {what}"]
    common = ~np.isnan([gold, *metrics.values()]).any(axis=0)
    humans, *means = (
        system_means(np.where(common, values, np.nan)) for values in (gold, *metrics.values())
    )
    ranked: dict[str, Ranking] = {}
    notes: list[str] = []
    try:
        ranked["acc_eq"] = compare_accuracy_eq(gold, metrics)
    except TooManyPairs as error:  # the other statistics can still be compared
        notes.append(f"acc_eq is not compared: {error}")
    if common.all(axis=0).any():
        ranked["spa"] = compare_spa(gold, metrics)
    else:
        notes.append("spa is not compared: no text has all scores of all systems")
    by_name = dict(zip(metrics, means, strict=True))
    ranked["pairwise_accuracy"] = compare_pairwise_accuracy(humans, by_name)
    return ranked, notes


def _have_pair(*sides: Floats) -> bool:
    """Whether some text has two translations that every side (S, M) scored."""
    known = ~np.isnan(sides).any(axis=0)
    return bool((known.sum(axis=0) >= FEWEST_SYSTEMS).any())


def compare_spa(gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0) -> Ranking:
    """Compare metrics by `spa`. Segments with a missing score are left out for all.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        draws: Number of random swaps of the scores.
        seed: Seed of the draws.

    Raises:
        ValueError: The shapes differ.
    """
    complete = ~np.isnan([gold, *metrics.values()]).any(axis=(0, 1))
    metrics = {name: scores[:, complete] for name, scores in metrics.items()}
    return compare_by_scores(spa, gold[:, complete], metrics, draws=draws, seed=seed)


def compare_pairwise_accuracy(
    gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0
) -> Ranking:
    """Compare metrics by `pairwise_accuracy`; whole systems are swapped.

    Args:
        gold: Human scores of systems (S,).
        metrics: Metric scores of systems (S,) by name.
        draws: Number of random swaps of the scores.
        seed: Seed of the draws.

    Raises:
        ValueError: The lengths differ.
    """
    columns = {name: scores[:, None] for name, scores in metrics.items()}
    return compare_by_scores(
        lambda human, metric: pairwise_accuracy(human[:, 0], metric[:, 0]),
        gold[:, None],
        columns,
        draws=draws,
        seed=seed,
    )


def compare_by_scores(
    statistic: Statistic, gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0
) -> Ranking:
    """Compare metrics by any statistic, which is measured twice per draw.

    Args:
        statistic: Function of human and metric scores (S, M), with NaN for left-out cells.
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        draws: Number of random swaps of the scores.
        seed: Seed of the draws.

    Raises:
        ValueError: The shapes differ.
    """
    values = {name: statistic(gold, metric) for name, metric in metrics.items()}
    counts: dict[Pair, int] = {}
    for known, pairs in _alike(gold, metrics, values):
        standard = {
            name: permutations.standardised(metrics[name][known])
            for name in {name for pair in pairs for name in pair}
        }
        tests = {
            (a, b): permutations.swapped_scores(statistic, gold, known, standard[a], standard[b])
            for a, b in pairs
        }
        blocks = permutations.numbers(int(known.sum()), draws, seed)
        counts |= permutations.count_reached(tests, blocks)
    return _ranking(values, counts, draws)


def compare_accuracy_eq(
    gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0
) -> Ranking:
    """Compare metrics by `accuracy_eq` by item, each at its own threshold.

    Outcomes of pairs are swapped. Time is proportional to the number of pairs.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        draws: Number of random swaps of the outcomes.
        seed: Seed of the draws.

    Raises:
        ValueError: The shapes differ.
        TooManyPairs: A draw needs more than `permutations.MOST_NUMBERS` numbers.
    """
    best = {name: accuracy_eq(gold, metric, by="item") for name, metric in metrics.items()}
    values = {name: one.value for name, one in best.items()}
    counts: dict[Pair, int] = {}
    for known, pairs in _alike(gold, metrics, values):
        outcomes = permutations.Outcomes.of(gold.T, known.T)
        correct = {
            name: outcomes.correct(metrics[name].T, best[name].epsilon)
            for name in {name for pair in pairs for name in pair}
        }
        tests = {(a, b): outcomes.test(correct[a], correct[b]) for a, b in pairs}
        counts |= permutations.count_reached(tests, outcomes.blocks(draws, seed))
    return _ranking(values, counts, draws)


def _alike(
    gold: Floats, metrics: Metrics, values: Mapping[str, float]
) -> Iterator[tuple[Bools, list[Pair]]]:
    """Pairs of metrics with a value, the better one first, grouped by their common cells.

    Yields:
        The cells that both have (S, M), and the pairs of metrics with exactly these cells.
    """
    names = [name for name in _ordered(values) if not math.isnan(values[name])]
    groups: dict[bytes, tuple[Bools, list[Pair]]] = {}
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            known = ~np.isnan(gold + metrics[first] + metrics[second])
            groups.setdefault(known.tobytes(), (known, []))[1].append((first, second))
    yield from groups.values()


def _ranking(values: Mapping[str, float], counts: Mapping[Pair, int], draws: int) -> Ranking:
    """Order the metrics.

    Args:
        values: The statistic, by metric.
        counts: By pair of metrics, the number of draws that reach the observed difference.
        draws: Total number of draws.
    """
    names = _ordered(values)
    p = np.full((len(names), len(names)), np.nan)
    comparisons: list[Comparison] = []
    for i, first in enumerate(names):
        for j, second in enumerate(names[i + 1 :], start=i + 1):
            p[i, j] = counts.get((first, second), math.nan) / draws
            difference = values[first] - values[second]
            comparisons.append(Comparison(first, second, difference, float(p[i, j])))
    ranks = dict(zip(names, significance_ranks(p), strict=True))
    return Ranking({name: values[name] for name in names}, ranks, tuple(comparisons))


def _ordered(values: Mapping[str, float]) -> list[str]:
    """Names from best to worst value; equal values by name, NaN last."""
    return sorted(values, key=lambda name: (math.isnan(values[name]), -values[name], name))


def significance_ranks(p: Floats, *, alpha: float = ALPHA) -> list[int]:
    """Ranks of metrics from best to worst, as mt-metrics-eval assigns them.

    A metric opens a new rank when any metric of the current rank is significantly better.

    Args:
        p: (R, R); above the diagonal, p_ij is the p-value of "i is better than j".
        alpha: p-values up to this one are significant.

    >>> significance_ranks(np.array([[0, 0.3, 0.01], [0, 0, 0.2], [0, 0, 0]]))
    [1, 1, 2]
    """
    ranks: list[int] = []
    opened = 0
    for at in range(len(p)):
        if (p[opened:at, at] <= alpha).any():
            opened = at
            ranks.append(ranks[-1] + 1)
        else:
            ranks.append(ranks[-1] if ranks else 1)
    return ranks
