"""Does a metric rank systems as humans do? Pairwise accuracy and its soft form, SPA.

SPA (Thompson et al. 2024, arXiv 2409.09598) compares how sure humans and metric are of each pair
of systems, by one-sided paired permutation tests. Generator, seed, float32 and the order of the
matrix product are those of mt-metrics-eval, so the numbers are the same to the last bit. They
depend on the order of systems and segments: sort systems by name and keep segments ascending.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats

Signs = NDArray[np.float32]


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
        gold: (S,), or (K, S) where each has its own.
        metrics: (K, S).

    Returns:
        (K,).
    """
    if gold.shape[-1] != metrics.shape[1]:
        raise ValueError(f"{gold.shape[-1]} human scores and {metrics.shape[1]} metric scores")
    first, second = np.triu_indices(metrics.shape[1], 1)
    human = np.sign(gold[..., first] - gold[..., second])
    found = np.sign(metrics[:, first] - metrics[:, second])
    known = ~(np.isnan(human) | np.isnan(found))
    counts = known.sum(axis=1)
    alike = (known & (human == found)).sum(axis=1)
    return np.divide(alike, counts, out=np.full(len(metrics), np.nan), where=counts > 0)


def pairwise_p_values(values: Floats, *, permutations: int = 1000, seed: int = 4) -> Floats:
    """One-sided p-values of "this system is better than that one", by paired permutation.

    With random signs r, ``p_ij = #{r: Σ_m r_m (v_im - v_jm) ≥ Σ_m (v_im - v_jm)} / permutations``:
    scores of the two systems are swapped on half of the segments. All pairs share the signs.

    Args:
        values: (S, M), no NaN.
        permutations: Draws of M signs.
        seed: Of the draws.

    Returns:
        (S, S) with p_ij above the diagonal and NaN elsewhere.

    Raises:
        ValueError: A value is missing.
    """
    if np.isnan(values).any():
        raise ValueError("p-values of systems need every segment scored for every system")
    found = np.full((len(values), len(values)), np.nan)
    above = np.triu_indices(len(values), 1)
    found[above] = p_values(values, signs(values.shape[1], permutations, seed))
    return found


def p_values(values: Floats | Signs, drawn: Signs) -> Floats:
    """`pairwise_p_values` of the pairs i < j in order, for given signs (permutations, M)."""
    single = np.ascontiguousarray(values, dtype=np.float32)
    totals = single.sum(axis=1)
    # (permutations, M) by (M, S): another shape may round otherwise
    permuted = np.ascontiguousarray((drawn @ single.T).T)
    first, second = np.triu_indices(len(values), 1)
    differences = permuted.take(first, axis=0)
    differences -= permuted.take(second, axis=0)
    reached = differences >= (totals[first] - totals[second])[:, None]
    return reached.sum(axis=1, dtype=np.int32) / len(drawn)


@lru_cache(maxsize=2)
def signs(segments: int, permutations: int, seed: int) -> Signs:
    """Random signs, read-only: (permutations, M) of -1 and 1 in float32."""
    drawn = np.random.default_rng(seed).random((permutations, segments), dtype=np.float32)
    np.rint(drawn, out=drawn)
    drawn *= 2.0
    drawn -= 1.0
    drawn.setflags(write=False)
    return drawn


def spa(gold: Floats, metric: Floats, *, permutations: int = 1000, seed: int = 4) -> float:
    """Soft pairwise accuracy: ``1 - mean over i < j of |p_ij(human) - p_ij(metric)|``.

    Signs and p-values of the last few matrices are remembered, so that the humans' are found once
    for all metrics.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        permutations: As in `pairwise_p_values`.
        seed: As there.

    Returns:
        In [0, 1]. Segments with a missing score of any system are left out on both sides; NaN if
        none is left or there are fewer than two systems. A constant metric has p = 1 everywhere.

    Raises:
        ValueError: The shapes differ.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and metric scores {metric.shape}")
    complete = ~(np.isnan(gold) | np.isnan(metric)).any(axis=0)
    if len(gold) < 2 or not complete.any():  # noqa: PLR2004 - a pair
        return float("nan")
    human, found = (
        _remembered(side[:, complete].astype(np.float32).tobytes(), len(side), permutations, seed)
        for side in (gold, metric)
    )
    return soft_agreement(human, found)


@lru_cache(maxsize=16)
def _remembered(content: bytes, systems: int, permutations: int, seed: int) -> Floats:
    """`p_values` of a float32 matrix, by its bytes."""
    values = np.frombuffer(content, dtype=np.float32).reshape(systems, -1)
    return p_values(values, signs(values.shape[1], permutations, seed))


def soft_agreement(human: Floats, metric: Floats) -> float:
    """``1 - mean |p - q|`` over the pairs of systems."""
    return float(1.0 - np.mean(np.abs(human - metric)))
