"""Is one metric better than another, or was it luck? PERM-BOTH and the clusters of the WMT tables.

Deutsch et al. 2021 (arXiv 2104.00054): both metrics are z-scored, their scores are swapped at
random (per cell, p = 0.5), and the p-value is the share of draws in which the difference of the
two mixtures is at least the one observed: one-sided, for "the first is better". Tie-calibrated
accuracy swaps the outcomes of pairs instead (Deutsch et al. 2023, arXiv 2305.14324), because a
mixture of scores would need thresholds of its own.

Draws and counting are mt-metrics-eval's: seeding numpy's global generator with ``seed`` before each
of its tests gives the p-values here. There is no early stopping (with 1,000 draws that tool has
none either) and, as there, no correction for the number of comparisons. All comparisons share the
draws. A cell that lacks a human score, or a score of either metric, is left out. A metric without
spread gets the z-score 0 (NaN there).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval import permutations, system_level
from rewardlab.metaeval.correlations import Grouping, cells, pearson
from rewardlab.metaeval.permutations import HALF, Bools, Pair, Reached, Statistic
from rewardlab.metaeval.ties import accuracy_eq

Metrics: TypeAlias = Mapping[str, Floats]
ScoreTest: TypeAlias = Callable[[Floats, Bools, Floats, Floats], Reached]


class Comparison(NamedTuple):
    """Two metrics on the same data.

    Attributes:
        first: The one with the higher value.
        second: The other.
        difference: Of the statistic; >= 0, NaN where either has none.
        p: Of the first not being better; NaN where either has no value.
    """

    first: str
    second: str
    difference: float
    p: float


class Ranking(NamedTuple):
    """Metrics from best to worst.

    Attributes:
        values: The statistic of each; equal ones by name, NaN last.
        ranks: From 1; metrics of one rank are not significantly worse than any before them in it.
        comparisons: Every pair, the better one first.
    """

    values: dict[str, float]
    ranks: dict[str, int]
    comparisons: tuple[Comparison, ...]


def compare_pearson(
    gold: Floats,
    metrics: Metrics,
    *,
    by: Grouping = "none",
    draws: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Ranking:
    """Compare metrics by `pearson`.

    Differences within rounding of the observed one count as reaching it.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        by: Which cells are compared with each other.
        draws: How often scores are swapped.
        seed: Of the permutations.
        alpha: p-values up to here are significant.

    Raises:
        ValueError: The shapes differ.
    """
    test = (
        permutations.pearson_sums if by == "none" else partial(permutations.pearson_groups, by=by)
    )
    values = {name: pearson(gold, metric, by=by) for name, metric in metrics.items()}
    found = _by_scores(test, gold, metrics, values, by=by, draws=draws, seed=seed)
    return _ranking(values, found, alpha)


def compare_spa(
    gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0, alpha: float = 0.05
) -> Ranking:
    """Compare metrics by `spa`. Segments with a missing score are left out for all.

    Arguments and errors are those of `compare_pearson`.
    """
    complete = ~np.isnan([gold, *metrics.values()]).any(axis=(0, 1))
    gold, metrics = gold[:, complete], {name: m[:, complete] for name, m in metrics.items()}
    values = {name: system_level.spa(gold, metric) for name, metric in metrics.items()}
    found = _by_scores(
        permutations.spa_draws, gold, metrics, values, by="none", draws=draws, seed=seed
    )
    return _ranking(values, found, alpha)


def compare_pairwise_accuracy(
    gold: Floats, metrics: Metrics, *, draws: int = 1000, seed: int = 0, alpha: float = 0.05
) -> Ranking:
    """Compare metrics by `pairwise_accuracy`; whole systems are swapped.

    Args:
        gold: Human scores of systems (S,).
        metrics: Metric scores of systems (S,) by name.
        draws: How often scores are swapped.
        seed: Of the permutations.
        alpha: p-values up to here are significant.

    Raises:
        ValueError: The lengths differ.
    """
    columns = {name: metric[:, None] for name, metric in metrics.items()}
    return compare_by_scores(
        lambda human, metric: system_level.pairwise_accuracy(human[:, 0], metric[:, 0]),
        gold[:, None],
        columns,
        draws=draws,
        seed=seed,
        alpha=alpha,
    )


def compare_by_scores(
    statistic: Statistic,
    gold: Floats,
    metrics: Metrics,
    *,
    by: Grouping = "none",
    draws: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Ranking:
    """Compare metrics by any statistic, which is asked twice per draw.

    Args:
        statistic: Of human and metric scores (S, M) with NaN for what is left out.
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        by: The order in which cells get their random numbers: segment by segment for ``item``.
        draws: How often scores are swapped.
        seed: Of the permutations.
        alpha: p-values up to here are significant.

    Raises:
        ValueError: The shapes differ.
    """
    values = {name: statistic(gold, metric) for name, metric in metrics.items()}
    test = partial(permutations.any_draws, statistic=statistic, by=by)
    found = _by_scores(test, gold, metrics, values, by=by, draws=draws, seed=seed)
    return _ranking(values, found, alpha)


def compare_accuracy_eq(
    gold: Floats,
    metrics: Metrics,
    *,
    by: Grouping = "item",
    draws: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Ranking:
    """Compare metrics by `accuracy_eq`, each at its own threshold; outcomes of pairs are swapped.

    Arguments are those of `compare_pearson`. Time grows with the pairs.

    Raises:
        ValueError: The shapes differ.
        TooManyPairs: A draw needs more than `permutations.MOST_NUMBERS` numbers.
    """
    best = {name: accuracy_eq(gold, metric, by=by) for name, metric in metrics.items()}
    values = {name: found.value for name, found in best.items()}
    counts: dict[Pair, int] = {}
    for known, pairs in _alike(gold, metrics, values, by):
        outcomes = permutations.Outcomes.of(cells(gold, by), known)
        correct = {
            name: outcomes.correct(cells(metrics[name], by), best[name].epsilon)
            for name in {name for pair in pairs for name in pair}
        }
        tests = {(a, b): outcomes.test(correct[a], correct[b]) for a, b in pairs}
        counts |= permutations.counted(tests, outcomes.blocks(draws, seed))
    return _ranking(values, {pair: count / draws for pair, count in counts.items()}, alpha)


def significance_ranks(p: Floats, *, alpha: float = 0.05) -> list[int]:
    """Ranks of metrics from best to worst, as mt-metrics-eval assigns them.

    A metric opens a new rank when any metric of the current rank is significantly better.

    Args:
        p: (R, R), p_ij of "i is no better than j" above the diagonal.
        alpha: p-values up to here are significant.

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


def _ordered(values: Mapping[str, float]) -> list[str]:
    """From best to worst, equal ones by name, NaN last."""
    return sorted(values, key=lambda name: (math.isnan(values[name]), -values[name], name))


def _alike(
    gold: Floats, metrics: Metrics, values: Mapping[str, float], by: Grouping
) -> Iterator[tuple[Bools, list[Pair]]]:
    """Pairs of metrics that have values, better one first, those with the same cells together.

    Yields:
        Which cells are known (groups, cells), and the pairs.
    """
    names = [name for name in _ordered(values) if not math.isnan(values[name])]
    groups: dict[bytes, tuple[Bools, list[Pair]]] = {}
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            known = ~np.isnan(cells(gold + metrics[first] + metrics[second], by))
            groups.setdefault(known.tobytes(), (known, []))[1].append((first, second))
    yield from groups.values()


def _by_scores(
    test: ScoreTest,
    gold: Floats,
    metrics: Metrics,
    values: Mapping[str, float],
    *,
    by: Grouping,
    draws: int,
    seed: int,
) -> dict[Pair, float]:
    """p-values of the pairs of metrics, by swapping z-scores of cells."""
    counts: dict[Pair, int] = {}
    for known, pairs in _alike(gold, metrics, values, by):
        standard = {
            name: permutations.standardised(cells(metrics[name], by)[known])
            for name in {name for pair in pairs for name in pair}
        }
        tests = {(a, b): test(gold, known, standard[a], standard[b]) for a, b in pairs}
        drawn = permutations.numbers(int(known.sum()), draws, seed)
        counts |= permutations.counted(
            tests, ((block > HALF).astype(np.float64) for block in drawn)
        )
    return {pair: count / draws for pair, count in counts.items()}


def _ranking(values: Mapping[str, float], p: Mapping[Pair, float], alpha: float) -> Ranking:
    names = _ordered(values)
    matrix = np.full((len(names), len(names)), np.nan)
    comparisons: list[Comparison] = []
    for i, first in enumerate(names):
        for j, second in enumerate(names[i + 1 :], start=i + 1):
            matrix[i, j] = p.get((first, second), math.nan)
            difference = values[first] - values[second]
            comparisons.append(Comparison(first, second, difference, float(matrix[i, j])))
    ranks = significance_ranks(matrix, alpha=alpha)
    return Ranking(
        {name: values[name] for name in names},
        dict(zip(names, ranks, strict=True)),
        tuple(comparisons),
    )
