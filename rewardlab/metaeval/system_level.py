"""System-level statistics: does a metric rank systems as humans do? Pairwise accuracy, SPA, r, τ.

A new statistic of the systems' mean scores is a function of rows here and a line in `STATISTICS`;
its intervals are then computed automatically.

SPA (soft pairwise accuracy; Thompson et al. 2024, arXiv 2409.09598) compares how certain humans and
metric are about each pair of systems, by one-sided paired permutation tests. Generator, seed,
float32 and the order of the matrix product are those of mt-metrics-eval, so the results are equal
to the last bit. They depend on the order of systems and segments: sort systems by name and keep
segments in ascending order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.gold import FEWEST_SYSTEMS
from rewardlab.human.score_matrix import Floats, system_means
from rewardlab.metaeval.correlations import Rows, kendall_rows, known_cells, pearson_rows
from rewardlab.statistics import ratio

Signs = NDArray[np.float32]

PERMUTATIONS = 1000
SEED = 4
"""Number and seed of the permutations of SPA, as in mt-metrics-eval."""


def system_statistics(gold: Floats, metric: Floats) -> dict[str, float]:
    """All system-level statistics; the score of a system is the mean over its cells.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing. Only cells with both scores count.

    Returns:
        Values by name; all NaN if fewer than two systems have a score.

    Raises:
        ValueError: The shapes differ.
    """
    gold, metric = scored_systems(gold, metric)
    if len(gold) < FEWEST_SYSTEMS:
        return dict.fromkeys((*STATISTICS, "spa"), math.nan)
    humans, scores = system_means(gold)[None], system_means(metric)[None]
    means = {name: float(rows(humans, scores)[0]) for name, rows in STATISTICS.items()}
    return means | {"spa": spa(gold, metric)}


def scored_systems(gold: Floats, metric: Floats) -> tuple[Floats, Floats]:
    """Scores of the systems that have a cell with both scores.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        Human and metric scores of these systems; NaN in cells without both scores.

    Raises:
        ValueError: The shapes differ.
    """
    known = known_cells(gold, metric)
    scored = known.any(axis=1)
    human, machine = (np.where(known, side, np.nan)[scored] for side in (gold, metric))
    return human, machine


def pairwise_accuracy(gold: Floats, metric: Floats) -> float:
    """Share of system pairs that both sides order alike (Kocmi et al. 2021, arXiv 2107.10821).

    ``#{i < j: sign(g_i - g_j) = sign(m_i - m_j)} / (S(S-1)/2)``; a tie agrees only with a tie.

    Args:
        gold: Human scores of systems (S,), NaN = missing.
        metric: Metric scores of systems (S,), NaN = missing.

    Returns:
        In [0, 1]; pairs with a missing score are left out, NaN if none is left.

    Raises:
        ValueError: The lengths differ.

    >>> round(pairwise_accuracy(np.array([1.0, 2.0, 3.0]), np.array([5.0, 9.0, 7.0])), 3)
    0.667
    """
    return float(pairwise_accuracies(gold, metric[None])[0])


def pairwise_accuracies(gold: Floats, metrics: Floats) -> Floats:
    """`pairwise_accuracy` of K metrics, or of one metric K times.

    Args:
        gold: Human scores (S,), or (K, S) if each metric is compared with different ones.
        metrics: Metric scores (K, S).

    Returns:
        (K,).

    Raises:
        ValueError: The numbers of systems differ.
    """
    if gold.shape[-1] != metrics.shape[1]:
        raise ValueError(f"{gold.shape[-1]} human scores and {metrics.shape[1]} metric scores")
    first, second = np.triu_indices(metrics.shape[1], 1)
    human = np.sign(gold[..., first] - gold[..., second])
    machine = np.sign(metrics[:, first] - metrics[:, second])
    known = ~(np.isnan(human) | np.isnan(machine))
    return ratio((known & (human == machine)).sum(axis=1), known.sum(axis=1))


STATISTICS: Mapping[str, Rows] = {
    "pearson": pearson_rows,
    "kendall": kendall_rows,
    "pairwise_accuracy": pairwise_accuracies,
}
"""Statistics of the systems' mean scores: functions of (B, S) human and (B, S) metric scores to
(B,)."""


# ── SPA ─────────────────────────────────────────────────────────────────────────────────────────


def spa(gold: Floats, metric: Floats) -> float:
    """Soft pairwise accuracy: ``1 - mean over i < j of |p_ij(human) - p_ij(metric)|``.

    The p-values of the last few matrices are cached, so that the human p-values are computed once
    for all metrics.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        In [0, 1]. Segments with a missing score of any system are left out on both sides; NaN if
        none is left or there are fewer than two systems. A constant metric has p = 1 everywhere.

    Raises:
        ValueError: The shapes differ.
    """
    complete = known_cells(gold, metric).all(axis=0)
    if len(gold) < FEWEST_SYSTEMS or not complete.any():
        return math.nan
    human, machine = (
        _kept_p_values(side[:, complete].astype(np.float32).tobytes(), len(side))
        for side in (gold, metric)
    )
    return soft_agreement(human, machine)


@lru_cache(maxsize=16)
def _kept_p_values(content: bytes, systems: int) -> Floats:
    """Cached `p_values` of a float32 matrix, given as bytes."""
    values = np.frombuffer(content, dtype=np.float32).reshape(systems, -1)
    return p_values(values, signs(values.shape[1]))


def p_values(values: Floats | Signs, drawn: Signs) -> Floats:
    """One-sided p-values of "system i is better than system j", by paired permutation.

    With random signs r, ``p_ij = #{r: Σ_m r_m (v_im - v_jm) ≥ Σ_m (v_im - v_jm)} / permutations``:
    scores of the two systems are swapped on half of the segments. All pairs share the signs.

    Args:
        values: Scores (S, M), no NaN.
        drawn: (permutations, M) signs from `signs`.

    Returns:
        (S(S-1)/2,) of the pairs i < j in order.
    """
    single = np.ascontiguousarray(values, dtype=np.float32)
    totals = single.sum(axis=1)
    # (permutations, M) by (M, S): other shapes may round differently
    permuted = np.ascontiguousarray((drawn @ single.T).T)
    first, second = np.triu_indices(len(values), 1)
    differences = permuted.take(first, axis=0)
    differences -= permuted.take(second, axis=0)
    reached = differences >= (totals[first] - totals[second])[:, None]
    return reached.sum(axis=1, dtype=np.int32) / len(drawn)


@lru_cache(maxsize=2)
def signs(segments: int) -> Signs:
    """Random signs of M segments, read-only: (`PERMUTATIONS`, M) of -1 and 1 in float32."""
    drawn = np.random.default_rng(SEED).random((PERMUTATIONS, segments), dtype=np.float32)
    np.rint(drawn, out=drawn)
    drawn *= 2.0
    drawn -= 1.0
    drawn.setflags(write=False)
    return drawn


def soft_agreement(human: Floats, metric: Floats) -> float:
    """``1 - mean |p - q|`` over the pairs of systems.

    Args:
        human: p-values (P,) of the human scores, from `p_values`.
        metric: p-values (P,) of the metric, from `p_values`.
    """
    return float(1.0 - np.mean(np.abs(human - metric)))
