"""Correlations of human and metric scores: Pearson, Spearman, Kendall; grouped as in WMT tables.

The grouping of a (S, M) matrix says which cells are compared with each other: ``none`` all S*M
cells, ``item`` the S translations of one segment, ``system`` the M segments of one system. The
statistic is the unweighted mean over the groups in which it is defined. A cell in which either side
is NaN is left out. A group is left out if fewer than two cells remain, or if either side is
constant. If no group is left, the statistic is NaN (mt-metrics-eval returns 0).

A new correlation is a function of the rows of groups (``*_rows``) here, its resamples in
`rewardlab.metaeval.bootstrap`, and a line in `rewardlab.metaeval.segment_level.STATISTICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats

Bools: TypeAlias = NDArray[np.bool_]
Grouping: TypeAlias = Literal["none", "item", "system"]
Scalar = TypeVar("Scalar", bound=np.generic)
Rows: TypeAlias = Callable[[Floats, Floats], Floats]
"""Function from (g, n) human and (g, n) metric scores without NaN to a statistic of each row (g,).
"""

GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
SMALL_GROUP = 128
"""Up to this size all pairs of a group are enumerated; larger groups use scipy's n log n algorithm.
"""
BLOCK = 1 << 13
"""Cells processed at once; they and their pairs stay in the processor's cache."""


def pearson(gold: Floats, metric: Floats, *, by: Grouping = "none") -> float:
    """Pearson's r, ``Σ(x-x̄)(y-ȳ) / √(Σ(x-x̄)² Σ(y-ȳ)²)``, averaged over groups.

    Args:
        gold: Human scores (S, M), NaN = missing. For scores of systems, use (S, 1) and
            ``by="none"``.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells are compared with each other.

    Returns:
        In [-1, 1]; NaN if undefined in every group.

    Raises:
        ValueError: The shapes differ.

    >>> round(pearson(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])), 9)
    0.5
    """
    return _average(pearson_rows, gold, metric, by)


def spearman(gold: Floats, metric: Floats, *, by: Grouping = "none") -> float:
    """Spearman's ρ, Pearson's r of the ranks (equal values share their mean rank).

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells are compared with each other.

    Returns:
        In [-1, 1]; NaN if undefined in every group.

    Raises:
        ValueError: The shapes differ.
    """
    return _average(spearman_rows, gold, metric, by)


def kendall(gold: Floats, metric: Floats, *, by: Grouping = "none") -> float:
    """Kendall's τ_b (1945) over pairs of cells, averaged over groups.

    ``τ_b = (C - D) / √((P - T_x)(P - T_y))``: of the ``P = n(n-1)/2`` pairs of n cells, C are
    concordant, D discordant, T_x tied in x and T_y tied in y.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells are compared with each other.

    Returns:
        In [-1, 1]; NaN if undefined in every group. For large groups of n cells, time grows as
        n log n.

    Raises:
        ValueError: The shapes differ.
    """
    return _average(kendall_rows, gold, metric, by)


def known_cells(gold: Floats, metric: Floats) -> Bools:
    """Which cells have both scores.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        bool (S, M).

    Raises:
        ValueError: The shapes differ.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and metric scores {metric.shape}")
    return ~(np.isnan(gold) | np.isnan(metric))


def grouped(values: NDArray[Scalar], by: Grouping) -> NDArray[Scalar]:
    """A (S, M) matrix with one group per row.

    Args:
        values: (S, M).
        by: Which cells form a group.

    Returns:
        (1, S*M) for ``none``, (M, S) for ``item``, (S, M) for ``system``.
    """
    if by == "none":
        return values.reshape(1, -1)
    return values.T if by == "item" else values


def complete_groups(
    gold: Floats, metric: Floats, by: Grouping
) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
    """Yield groups without their incomplete cells, several groups of equal size at a time.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells form a group.

    Yields:
        Indices of the groups (g,), their human scores (g, n) and their metric scores (g, n), for
        sizes n of at least 2.

    Raises:
        ValueError: The shapes differ.
    """
    known = grouped(known_cells(gold, metric), by)
    x, y = grouped(gold, by), grouped(metric, by)
    sizes = known.sum(axis=1)
    for size in np.unique(sizes[sizes > 1]).tolist():
        groups = np.flatnonzero(sizes == size)
        step = max(1, BLOCK // size)
        for chosen in (groups[at : at + step] for at in range(0, len(groups), step)):
            if len(groups) == len(x) and size == x.shape[1]:  # nothing is missing: no copies
                rows = slice(int(chosen[0]), int(chosen[-1]) + 1)
                yield chosen, np.ascontiguousarray(x[rows]), np.ascontiguousarray(y[rows])
            else:
                kept = known[chosen]
                a, b = (side[chosen][kept].reshape(-1, size) for side in (x, y))
                yield chosen, a, b


def group_values(rows: Rows, gold: Floats, metric: Floats, by: Grouping) -> Floats:
    """A statistic of each group.

    Args:
        rows: The statistic.
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells form a group.

    Returns:
        (1,), (M,) or (S,); NaN if undefined.
    """
    values = np.full(len(grouped(gold, by)), np.nan)
    for chosen, x, y in complete_groups(gold, metric, by):
        values[chosen] = rows(x, y)
    return values


def _average(rows: Rows, gold: Floats, metric: Floats, by: Grouping) -> float:
    values = group_values(rows, gold, metric, by)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def pearson_rows(x: Floats, y: Floats) -> Floats:
    """Pearson's r of each row.

    Args:
        x: (g, n), no NaN.
        y: (g, n), no NaN.

    Returns:
        (g,); NaN if either side is constant.
    """
    x_range, y_range = ((side.max(axis=1), side.min(axis=1)) for side in (x, y))
    varies = (x_range[0] > x_range[1]) & (y_range[0] > y_range[1])
    if not varies.all():
        r = np.full(len(x), np.nan)
        if varies.any():
            r[varies] = pearson_rows(x[varies], y[varies])
        return r
    return np.clip(np.einsum("gn,gn->g", _unit(x, *x_range), _unit(y, *y_range)), -1.0, 1.0)


def _unit(x: Floats, most: Floats, least: Floats) -> Floats:
    """Rows centred and scaled to length 1; no row may be constant.

    The steps are those of scipy, so that rows which vary only by rounding give the same result.
    """
    mean = x.mean(axis=1)
    centred = x - mean[:, None]
    centred /= np.maximum(most - mean, mean - least)[:, None]  # no over- or underflow below
    centred /= np.sqrt(np.einsum("gn,gn->g", centred, centred))[:, None]
    return centred


def spearman_rows(x: Floats, y: Floats) -> Floats:
    """Spearman's ρ of each row.

    Sums of centred ranks are exact, and the divisions are those of numpy's ``corrcoef``, so that
    equal correlations are equal to the last bit.

    Args:
        x: (g, n), no NaN.
        y: (g, n), no NaN.

    Returns:
        (g,); NaN if either side is constant.
    """
    from scipy.stats import rankdata

    size = x.shape[1]
    a, b = (np.asarray(rankdata(side, axis=1)) - (size + 1) / 2.0 for side in (x, y))
    covariance, x_variance, y_variance = (
        np.einsum("gn,gn->g", *sides) * (1.0 / (size - 1)) for sides in ((a, b), (a, a), (b, b))
    )
    varies = (x_variance > 0.0) & (y_variance > 0.0)
    rho = np.full(len(x), np.nan)
    rho[varies] = covariance[varies] / np.sqrt(y_variance[varies]) / np.sqrt(x_variance[varies])
    return np.clip(rho, -1.0, 1.0)


def kendall_rows(x: Floats, y: Floats) -> Floats:
    """Kendall's τ_b of each row.

    Args:
        x: (g, n), no NaN.
        y: (g, n), no NaN.

    Returns:
        (g,); NaN if either side is constant.
    """
    if x.shape[1] > SMALL_GROUP:
        from scipy.stats import kendalltau

        taus = [kendalltau(a, b, method="asymptotic")[0] for a, b in zip(x, y, strict=True)]
        return np.array(taus)
    counts = [
        ((np.sign(a) * np.sign(b)).sum(axis=1), *(np.count_nonzero(s, axis=1) for s in (a, b)))
        for a, b in pair_differences(x, y)
    ]
    net, x_untied, y_untied = np.concatenate(counts, axis=1)
    defined = (x_untied > 0) & (y_untied > 0)
    tau = np.full(len(x), np.nan)
    # divided twice, as in scipy, so that equal values are equal to the last bit
    tau[defined] = net[defined] / np.sqrt(x_untied[defined]) / np.sqrt(y_untied[defined])
    return np.clip(tau, -1.0, 1.0)


def pair_differences(x: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Differences (first minus second) of all pairs within each row, several rows at a time.

    Args:
        x: (g, n).
        y: (g, n).

    Yields:
        Differences of x and of y, each (rows, n(n-1)/2).
    """
    first, second = np.triu_indices(x.shape[1], 1)
    step = max(1, 8 * BLOCK // len(first))
    for at in range(0, len(x), step):
        rows = slice(at, at + step)
        yield x[rows, first] - x[rows, second], y[rows, first] - y[rows, second]
