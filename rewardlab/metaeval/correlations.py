"""Pearson, Spearman and Kendall between human and metric scores, grouped as the WMT tables are.

Grouping a (S, M) matrix says which cells are compared with each other: ``none`` all S*M of them,
``item`` the S translations of one segment, ``system`` the M segments of one system. The statistic
is the plain mean over the groups in which it is defined. A cell in which either side is NaN is
left out, and so is a group that keeps fewer than two cells or on which either side is constant.
Where no group is left the statistic is NaN (mt-metrics-eval says 0 there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats

Grouping: TypeAlias = Literal["none", "item", "system"]
Scalar = TypeVar("Scalar", bound=np.generic)
Rows: TypeAlias = Callable[[Floats, Floats], Floats]

SMALL_GROUP = 128
"""Up to here all pairs of a group are looked at; beyond it scipy's n log n takes over."""
CELLS = 1 << 13
"""Cells worked on at once; they and their pairs stay in the processor's cache."""


def pearson(gold: Floats, metric: Floats, *, by: Grouping = "none") -> float:
    """Pearson's r, ``Σ(x-x̄)(y-ȳ) / √(Σ(x-x̄)² Σ(y-ȳ)²)``, averaged over groups.

    Args:
        gold: Human scores (S, M), NaN = missing. For scores of systems (S, 1) and ``by="none"``.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells are compared with each other.

    Returns:
        In [-1, 1]; NaN where no group has one.

    Raises:
        ValueError: The shapes differ.

    >>> round(pearson(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])), 9)
    0.5
    """
    return _average(pearson_rows, gold, metric, by)


def spearman(gold: Floats, metric: Floats, *, by: Grouping = "none") -> float:
    """Spearman's ρ, Pearson's r of the ranks (equal values share their mean rank).

    Args, returns and errors are those of `pearson`.
    """
    return _average(spearman_rows, gold, metric, by)


def kendall(
    gold: Floats, metric: Floats, *, by: Grouping = "none", variant: Literal["b", "c"] = "b"
) -> float:
    """Kendall's τ over pairs of cells: C concordant, D discordant, T tied in x or in y.

    ``τ_b = (C - D) / √((P - T_x)(P - T_y))`` with ``P = n(n-1)/2`` pairs of n cells;
    ``τ_c = 2(C - D) / (n² (k-1)/k)`` with k the smaller number of distinct values.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        by: Which cells are compared with each other.
        variant: ``b`` (Kendall 1945) or ``c`` (Stuart 1953).

    Returns:
        In [-1, 1]; NaN where no group has one. Time grows as n log n in the cells of large groups.

    Raises:
        ValueError: The shapes differ.
    """
    return _average(_tau_b_rows if variant == "b" else _tau_c_rows, gold, metric, by)


def cells(values: NDArray[Scalar], by: Grouping) -> NDArray[Scalar]:
    """The groups as rows: (1, S*M), (M, S) or (S, M)."""
    if by == "none":
        return values.reshape(1, -1)
    return values.T if by == "item" else values


def complete_groups(
    gold: Floats, metric: Floats, by: Grouping
) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
    """Groups without their incomplete cells, some of the same size at a time.

    Yields:
        Numbers of the groups (g,), their human scores (g, n) and their metric scores (g, n), for
        sizes n of at least 2.

    Raises:
        ValueError: The shapes differ.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and metric scores {metric.shape}")
    x, y = cells(gold, by), cells(metric, by)
    known = ~(np.isnan(x) | np.isnan(y))
    sizes = known.sum(axis=1)
    for size in np.unique(sizes[sizes > 1]).tolist():
        groups = np.flatnonzero(sizes == size)
        step = max(1, CELLS // size)
        for chosen in (groups[at : at + step] for at in range(0, len(groups), step)):
            if len(groups) == len(x) and size == x.shape[1]:  # nothing is missing: no copies
                rows = slice(int(chosen[0]), int(chosen[-1]) + 1)
                yield chosen, np.ascontiguousarray(x[rows]), np.ascontiguousarray(y[rows])
            else:
                kept = known[chosen]
                a, b = (side[chosen][kept].reshape(-1, size) for side in (x, y))
                yield chosen, a, b


def group_values(rows: Rows, gold: Floats, metric: Floats, by: Grouping) -> Floats:
    """The statistic of each group, NaN where it is not defined.

    Returns:
        (1,), (M,) or (S,).
    """
    found = np.full(len(cells(gold, by)), np.nan)
    for chosen, x, y in complete_groups(gold, metric, by):
        found[chosen] = rows(x, y)
    return found


def _average(rows: Rows, gold: Floats, metric: Floats, by: Grouping) -> float:
    found = group_values(rows, gold, metric, by)
    defined = found[~np.isnan(found)]
    return float(defined.mean()) if len(defined) else float("nan")


def pearson_rows(x: Floats, y: Floats) -> Floats:
    """Pearson's r of each row; NaN where either side is constant.

    Args:
        x: (g, n), no NaN.
        y: (g, n), no NaN.
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
    """Rows centred and of length 1; none may be constant.

    The steps are scipy's, so that rows which vary by rounding alone vary in the same way.
    """
    mean = x.mean(axis=1)
    centred = x - mean[:, None]
    centred /= np.maximum(most - mean, mean - least)[:, None]  # no over- or underflow below
    centred /= np.sqrt(np.einsum("gn,gn->g", centred, centred))[:, None]
    return centred


def spearman_rows(x: Floats, y: Floats) -> Floats:
    """Spearman's ρ of each row; NaN where either side is constant.

    Sums of centred ranks are exact, and what follows is divided as numpy's ``corrcoef`` does it:
    equal values must have equal last digits.
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


def _tau_b_rows(x: Floats, y: Floats) -> Floats:
    return kendall_rows(x, y, "b")


def _tau_c_rows(x: Floats, y: Floats) -> Floats:
    return kendall_rows(x, y, "c")


def kendall_rows(x: Floats, y: Floats, variant: Literal["b", "c"]) -> Floats:
    """Kendall's τ of each row; NaN where either side is constant."""
    size = x.shape[1]
    if size > SMALL_GROUP:
        from scipy.stats import kendalltau

        return np.array(
            [
                kendalltau(a, b, variant=variant, method="asymptotic")[0]
                for a, b in zip(x, y, strict=True)
            ]
        )
    net, x_untied, y_untied = np.concatenate(
        [_order_counts(a, b) for a, b in pair_differences(x, y)], axis=1
    )
    defined = (x_untied > 0) & (y_untied > 0)
    tau = np.full(len(x), np.nan)
    if variant == "b":
        # divided twice, as scipy does: equal values must have equal last digits
        tau[defined] = net[defined] / np.sqrt(x_untied[defined]) / np.sqrt(y_untied[defined])
    else:
        fewest = np.minimum(_distinct(x), _distinct(y))[defined]
        tau[defined] = 2 * net[defined] / (size**2 * (fewest - 1) / fewest)
    return np.clip(tau, -1.0, 1.0)


def pair_differences(x: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
    """First minus second of all pairs within each row of (g, n), some rows at a time.

    Yields:
        Differences of x and of y, each (rows, n(n-1)/2).
    """
    first, second = np.triu_indices(x.shape[1], 1)
    step = max(1, 8 * CELLS // len(first))
    for at in range(0, len(x), step):
        rows = slice(at, at + step)
        yield x[rows, first] - x[rows, second], y[rows, first] - y[rows, second]


def _order_counts(x: Floats, y: Floats) -> NDArray[np.int64]:
    """Concordant less discordant pairs, pairs untied in x, pairs untied in y: (3, rows)."""
    net = (np.sign(x) * np.sign(y)).sum(axis=1)
    untied = [np.count_nonzero(side, axis=1) for side in (x, y)]
    return np.array([net, *untied], dtype=np.int64)


def _distinct(x: Floats) -> NDArray[np.int64]:
    """How many different values each row has."""
    ordered = np.sort(x, axis=1)
    return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
